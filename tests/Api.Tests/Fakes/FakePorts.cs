using System.Diagnostics.CodeAnalysis;
using System.Text;
using FeatureStore.Core.Vectors;
using FeatureStore.Runtime;

namespace FeatureStore.Api.Tests.Fakes;

internal sealed class FakePipeline : IPipelineStatus
{
    public PipelineStatus Current { get; set; } = new() { Phase = PipelinePhase.Running, TimeMs = ApiHost.NowMs };
}

/// <summary>Keeps what is published; fails where it is told to.</summary>
internal sealed class FakePublisher : IEventPublisher
{
    private readonly Lock _lock = new();

    public List<(int Source, string Key, string Value)> Records { get; } = [];

    /// <summary>Called with the number of records so far; may throw or wait.</summary>
    public Func<int, CancellationToken, ValueTask>? Before { get; set; }

    public async ValueTask PublishAsync(int source, ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, CancellationToken cancellationToken)
    {
        int count;
        lock (_lock)
            count = Records.Count;
        if (Before is not null)
            await Before(count, cancellationToken);
        lock (_lock)
            Records.Add((source, Encoding.UTF8.GetString(key.Span), Encoding.UTF8.GetString(value.Span)));
    }
}

internal sealed class FakeCatalog : IModelCatalog
{
    public Dictionary<string, IServedModel> Loaded { get; } = new(StringComparer.Ordinal);

    public IReadOnlyList<string> Models { get; set; } = [];

    public bool TryGet(string name, [NotNullWhen(true)] out IServedModel? model) => Loaded.TryGetValue(name, out model);

    public void Dispose()
    {
    }
}

/// <summary>Scores the sum of a vector's numbers, null counted as −1000; fails on rows whose first value is negative. Raw inference gives each input back.</summary>
internal sealed class FakeModel(string name) : IServedModel
{
    public string Model => name;

    public string Version => "7";

    public IReadOnlyList<string> Outputs { get; } = ["score", "half"];

    public ModelMetadata Metadata => new(
        name, Version, "onnx", [new("X", "FP32", [-1, 2]), new("S", "BYTES", [-1])], [new("probabilities", "FP32", [-1, 2])])
    { Sha256 = "abc123" };

    /// <summary>What the last inference was given.</summary>
    public IReadOnlyList<TensorData> Inputs { get; private set; } = [];

    public IReadOnlyList<string> Wanted { get; private set; } = [];

    public Exception? Failure { get; set; }

    public void Score(VectorBatch vectors, ScoreBatch scores)
    {
        scores.Reset(vectors.Count, 2);
        for (var row = 0; row < vectors.Count; row++)
        {
            var sum = 0.0;
            foreach (var value in vectors.Row(row))
                sum += double.IsNaN(value) ? -1000 : value;
            scores.Row(row)[0] = sum;
            scores.Row(row)[1] = sum / 2;
            if (vectors[row, 0] < 0)
                scores.Failures.Add(row, "the model gave NaN.");
        }
    }

    public IReadOnlyList<TensorData> Infer(IReadOnlyList<TensorData> inputs, IReadOnlyList<string> outputs)
    {
        (Inputs, Wanted) = (inputs, outputs);
        return Failure is null ? inputs : throw Failure;
    }

    public void Dispose()
    {
    }
}

/// <summary>A hot store in memory, under the test's control.</summary>
internal sealed class FakeHotStore : IHotStore
{
    public Dictionary<string, byte[]> Blocks { get; } = [];

    public long StreamTimeMs { get; set; } = long.MinValue;

    public int Reads { get; private set; }

    /// <summary>Called before each read; may throw or wait.</summary>
    public Func<CancellationToken, ValueTask>? Before { get; set; }

    public static string Name(int entity, ReadOnlySpan<byte> key) => $"{entity}:{Convert.ToHexString(key)}";

    public async ValueTask GetAsync(int entity, BlockSet keys, BlockSet blocks, CancellationToken cancellationToken)
    {
        Reads++;
        if (Before is not null)
            await Before(cancellationToken);
        for (var index = 0; index < keys.Count; index++)
            blocks.Add(Blocks.GetValueOrDefault(Name(entity, keys[index]), []));
    }

    public ValueTask<long> GetStreamTimeAsync(string source, CancellationToken cancellationToken) => new(StreamTimeMs);

    public ValueTask PublishAsync(HotBlocks blocks, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask PublishStreamTimeAsync(string source, long streamTimeMs, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
