using FeatureStore.Core.Definitions;
using FeatureStore.Core.Vectors;
using FeatureStore.Runtime;
using FeatureStore.Scoring.Binding;
using FeatureStore.Scoring.Files;
using FeatureStore.Scoring.Native;

namespace FeatureStore.Scoring;

/// <summary>
/// A model of one service in ONNX Runtime. After a batch of each size has run once, scoring tensors allocates nothing on the managed heap.
/// A dispose lets the calls under way end.
/// </summary>
public sealed class OnnxScorer : IServedModel
{
    private const int FreeStatesMax = 64;

    private readonly ServicePlan _service;
    private readonly OnnxOptions _options;
    private readonly ModelSession _session;
    private readonly InputBinding[] _inputs;
    private readonly OutputBinding[] _outputs;
    private readonly int _fixedRows;
    private readonly bool _checks;
    private readonly RawInference _raw;
    private readonly Stack<RunState> _free = new();
    private bool _disposed;

    private OnnxScorer(ModelDefinition definition, string version, ServicePlan service, OnnxOptions options, ModelSession session, string sha256)
    {
        Model = definition.Name;
        Version = version;
        _service = service;
        _options = options;
        _session = session;
        _inputs = InputBinding.Bind(session.Inputs, service);
        _fixedRows = (int)Math.Max(0, session.Inputs[0].Shape[0]);
        if (_fixedRows > options.BatchRowsMax)
            throw new MisfitException($"its inputs fix {_fixedRows} rows, and a batch has {options.BatchRowsMax} at most. Leave the batch dimension open");
        _checks = _inputs.Any(input => input.Checks);
        var shapes = WarmUp.Run(session, _inputs, service.Width, _fixedRows, options.Deadline);
        (_outputs, var names) = OutputBinding.Bind(session.Outputs, shapes, definition.Outputs);
        Outputs = names;
        _raw = new RawInference(session, shapes, options);
        Metadata = new ModelMetadata(Model, version, "onnxruntime_onnx", _raw.Inputs, _raw.Outputs) { Sha256 = sha256 };
    }

    public string Model { get; }

    public string Version { get; }

    public IReadOnlyList<string> Outputs { get; }

    public ModelMetadata Metadata { get; }

    /// <summary>Loads a version of a model, checks it against its service, and warms it up.</summary>
    /// <param name="definition">The model.</param>
    /// <param name="version">Text of the version.</param>
    /// <param name="service">The service that the definition names.</param>
    /// <param name="path">The model's file; its external data lies below the file's folder.</param>
    /// <param name="options">Limits.</param>
    /// <exception cref="ModelLoadException">The model cannot serve; says why.</exception>
    public static OnnxScorer Load(ModelDefinition definition, string version, ServicePlan service, string path, OnnxOptions options)
    {
        ArgumentNullException.ThrowIfNull(definition);
        ArgumentNullException.ThrowIfNull(service);
        ArgumentNullException.ThrowIfNull(options);
        var runtime = OnnxRuntime.For(options);
        using var file = ModelFile.Read(path, options.ModelBytesMax);
        ModelSession? session = null;
        try
        {
            session = ModelSession.Create(runtime, file);
            return new OnnxScorer(definition, version, service, options, session, file.Sha256);
        }
        catch (Exception exception)
        {
            session?.Dispose();
            if (exception is MisfitException)
                throw new ModelLoadException(
                    $"Model \"{definition.Name}\" version {version} (\"{path}\") cannot serve \"{service.Name}\": "
                    + $"{exception.Message}.", exception);
            if (exception is OnnxException)
                throw new ModelLoadException(
                    $"Model \"{definition.Name}\" version {version} (\"{path}\") is refused by ONNX Runtime {runtime.Version}: {exception.Message.TrimEnd('.')}. "
                    + $"Try it in Python with onnxruntime {runtime.Version}.", exception);
            throw;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The vectors are another service's.</exception>
    public void Score(VectorBatch vectors, ScoreBatch scores)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        ArgumentNullException.ThrowIfNull(scores);
        if (!ReferenceEquals(vectors.Service, _service))
            throw new ArgumentException(
                $"Model \"{Model}\" scores vectors of service \"{_service.Name}\" as it was loaded with; "
                + $"these are of \"{vectors.Service.Name}\".", nameof(vectors));
        scores.Reset(vectors.Count, Outputs.Count);
        var state = Rent();
        try
        {
            for (var first = 0; first < vectors.Count; first += _options.BatchRowsMax)
                ScorePart(state, vectors, scores, first, Math.Min(_options.BatchRowsMax, vectors.Count - first));
        }
        finally
        {
            Return(state);
        }

        foreach (var row in scores.Failures.Keys)
            scores.Row(row).Fill(double.NaN);
    }

    /// <inheritdoc/>
    public IReadOnlyList<TensorData> Infer(IReadOnlyList<TensorData> inputs, IReadOnlyList<string> outputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(outputs);
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _raw.Run(inputs, outputs);
    }

    public void Dispose()
    {
        lock (_free)
        {
            _disposed = true;
            while (_free.TryPop(out var state))
                state.Dispose();
        }

        _session.Dispose();
    }

    private void ScorePart(RunState state, VectorBatch vectors, ScoreBatch scores, int first, int count)
    {
        state.Reserve(count, _service.Width);
        _service.WriteColumns(vectors, first, count, state.Columns);
        var slots = state.Slots.AsSpan(0, FillSlots(state, scores, first, count));
        var step = _fixedRows > 0 ? _fixedRows : Math.Max(1, slots.Length);
        state.Deadline.Start();
        try
        {
            for (var from = 0; from < slots.Length; from += step)
                ScoreRows(state, vectors, scores, first, slots.Slice(from, Math.Min(step, slots.Length - from)));
        }
        finally
        {
            state.Deadline.Stop();
        }
    }

    /// <summary>Lists the rows of a part that can be run; the others get their reason.</summary>
    private int FillSlots(RunState state, ScoreBatch scores, int first, int count)
    {
        var filled = 0;
        for (var row = 0; row < count; row++)
        {
            if (!_checks || Fits(state.Columns.AsSpan(row * _service.Width, _service.Width), scores, first + row))
                state.Slots[filled++] = row;
        }

        return filled;
    }

    private bool Fits(ReadOnlySpan<double> columns, ScoreBatch scores, int row)
    {
        foreach (var input in _inputs)
        {
            if (input.Checks && input.Misfit(columns) is { } reason)
            {
                scores.Failures.TryAdd(row, reason);
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// Runs rows; where they fail, halves them until the failing rows stand alone: n failing rows of N cost about 2n·log2(N) runs.
    /// The part's deadline covers them all.
    /// </summary>
    private void ScoreRows(RunState state, VectorBatch vectors, ScoreBatch scores, int first, ReadOnlySpan<int> slots)
    {
        var reason = state.Deadline.Expired ? state.Deadline.Reason : Run(state, vectors, scores, first, slots);
        if (reason is null)
            return;
        if (state.Deadline.Expired || slots.Length == 1)
        {
            foreach (var slot in slots)
                scores.Failures.TryAdd(first + slot, state.Deadline.Expired ? state.Deadline.Reason : reason);
            return;
        }

        ScoreRows(state, vectors, scores, first, slots[..(slots.Length / 2)]);
        ScoreRows(state, vectors, scores, first, slots[(slots.Length / 2)..]);
    }

    private string? Run(RunState state, VectorBatch vectors, ScoreBatch scores, int first, ReadOnlySpan<int> slots)
    {
        var rows = _fixedRows > 0 ? _fixedRows : slots.Length;
        try
        {
            var reason = state.Run(slots, rows, _service.Width, vectors, first);
            for (var i = 0; i < _outputs.Length && reason is null; i++)
                reason = OutputReader.Read(_session.Runtime, state.Outputs[i], _outputs[i], rows, slots, scores, first);
            return reason;
        }
        finally
        {
            state.Release();
        }
    }

    private RunState Rent()
    {
        lock (_free)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_free.TryPop(out var free))
                return free;
        }

        var state = new RunState(_session, _inputs, _options.Deadline);
        state.Select(_outputs.Select(output => output.Port));
        return state;
    }

    private void Return(RunState state)
    {
        lock (_free)
        {
            if (!_disposed && _free.Count < FreeStatesMax)
            {
                _free.Push(state);
                return;
            }
        }

        state.Dispose();
    }
}
