using System.Runtime.InteropServices;
using FeatureStore.Core.Vectors;
using FeatureStore.Scoring.Binding;

namespace FeatureStore.Scoring.Native;

/// <summary>What one thread needs to run a model, kept from call to call: input tensors, room for outputs, the deadline.</summary>
internal sealed unsafe class RunState : IDisposable
{
    private readonly ModelSession _session;
    private readonly InputTensor[] _tensors;
    private readonly nint* _handles;

    public RunState(ModelSession session, InputBinding[] inputs, TimeSpan deadline)
    {
        _session = session;
        _tensors = [.. inputs.Select(input => new InputTensor(session.Runtime, input))];
        // Input names, inputs, output names, outputs.
        _handles = (nint*)NativeMemory.AllocZeroed((nuint)(2 * (inputs.Length + session.Outputs.Count)), (nuint)sizeof(nint));
        for (var i = 0; i < inputs.Length; i++)
            _handles[i] = inputs[i].Port.NativeName;
        Deadline = new RunDeadline(session.Api, deadline);
    }

    public RunDeadline Deadline { get; }

    /// <summary>Transformed columns of a part of a batch, row-major.</summary>
    public double[] Columns { get; private set; } = [];

    /// <summary>Rows of the part that are run, ascending.</summary>
    public int[] Slots { get; private set; } = [];

    /// <summary>Values of the last run, until they are released.</summary>
    public ReadOnlySpan<nint> Outputs => new(OutputHandles, OutputCount);

    public int OutputCount { get; private set; }

    private nint* OutputNames => _handles + 2 * _tensors.Length;

    private nint* OutputHandles => OutputNames + _session.Outputs.Count;

    /// <summary>Says which outputs runs ask for.</summary>
    public void Select(IEnumerable<Port> outputs)
    {
        OutputCount = 0;
        foreach (var output in outputs)
            OutputNames[OutputCount++] = output.NativeName;
    }

    public void Reserve(int rows, int width)
    {
        if (Columns.Length < rows * width)
            Columns = new double[rows * width];
        if (Slots.Length < rows)
            Slots = new int[rows];
    }

    /// <summary>Runs the model over some of the part's rows, padded to a number of rows. <see cref="Release"/> follows in any case.</summary>
    /// <returns>What went wrong, or null.</returns>
    public string? Run(ReadOnlySpan<int> slots, int rows, int width, VectorBatch? vectors, int first)
    {
        for (var i = 0; i < _tensors.Length; i++)
        {
            _tensors[i].Fill(Columns, width, slots, rows, vectors, first);
            _handles[_tensors.Length + i] = _tensors[i].Value;
        }

        return _session.Run(Deadline.RunOptions, _handles, _handles + _tensors.Length, _tensors.Length, OutputNames, OutputCount, OutputHandles);
    }

    /// <summary>Releases the outputs of the last run.</summary>
    public void Release()
    {
        for (var i = 0; i < OutputCount; i++)
        {
            _session.Api.ReleaseValue(OutputHandles[i]);
            OutputHandles[i] = 0;
        }
    }

    public void Dispose()
    {
        foreach (var tensor in _tensors)
            tensor.Dispose();
        NativeMemory.Free(_handles);
        Deadline.Dispose();
    }
}
