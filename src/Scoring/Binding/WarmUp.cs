using FeatureStore.Scoring.Native;

namespace FeatureStore.Scoring.Binding;

/// <summary>
/// Runs a model before it serves: one row, then two. Numbers are 1, then 0 where 1 fails (0 first could divide by zero in native code); texts are empty.
/// </summary>
internal static class WarmUp
{
    /// <summary>Runs the model and looks at its outputs.</summary>
    /// <param name="session">The model.</param>
    /// <param name="inputs">How it is fed.</param>
    /// <param name="width">Columns of a row.</param>
    /// <param name="fixedRows">Rows of a run where the model fixes them; 0 where it leaves them open.</param>
    /// <param name="deadline">Time for each run.</param>
    /// <returns>One an output; null elements where nothing was learnt.</returns>
    /// <exception cref="MisfitException">The model does not run.</exception>
    public static OutputShape?[] Run(ModelSession session, InputBinding[] inputs, int width, int fixedRows, TimeSpan deadline)
    {
        using var state = new RunState(session, inputs, deadline);
        var ports = session.Outputs.Where(port => port.Kind != PortKind.Other).ToList();
        state.Select(ports);
        var rows = Math.Max(1, fixedRows);
        var value = 1.0;
        var (shapes, error) = Try(session, state, ports, rows, width, value);
        if (shapes is null && !state.Deadline.Expired)
        {
            value = 0;
            (shapes, error) = Try(session, state, ports, rows, width, value);
        }

        if (shapes is null)
        {
            if (!state.Deadline.Expired && inputs.Any(input => input.IsText))
                return new OutputShape?[session.Outputs.Count];
            throw new MisfitException($"it fails on a row of {value:0}s: {error!.TrimEnd('.')}. Try it in Python with onnxruntime {session.Runtime.Version}");
        }

        if (fixedRows == 0)
        {
            var (shapesOfTwo, errorOfTwo) = Try(session, state, ports, 2, width, value);
            if (shapesOfTwo is null)
                throw new MisfitException(
                    $"it runs one row and fails on two: {errorOfTwo!.TrimEnd('.')}. "
                    + "Export it with an open batch dimension throughout, or fix the batch dimension of its inputs at 1");
            for (var i = 0; i < shapes.Length; i++)
            {
                if (shapesOfTwo[i] == OutputShape.NotByRow || shapesOfTwo[i].RowElements != shapes[i].RowElements)
                    shapes[i] = OutputShape.NotByRow;
            }
        }

        return [.. session.Outputs.Select(port => ports.IndexOf(port) is var index and >= 0 ? shapes[index] : null)];
    }

    private static (OutputShape[]? Shapes, string? Error) Try(ModelSession session, RunState state, List<Port> ports, int rows, int width, double value)
    {
        state.Reserve(rows, width);
        state.Columns.AsSpan().Fill(value);
        var slots = Enumerable.Range(0, rows).ToArray();
        state.Deadline.Start();
        try
        {
            var error = state.Run(slots, rows, width, null, 0);
            if (error is not null)
                return (null, state.Deadline.Expired ? state.Deadline.Reason : error);
            var shapes = new OutputShape[ports.Count];
            for (var i = 0; i < shapes.Length; i++)
                shapes[i] = ShapeOf(session.Runtime, ports[i], state.Outputs[i], rows);
            return (shapes, null);
        }
        finally
        {
            state.Deadline.Stop();
            state.Release();
        }
    }

    private static OutputShape ShapeOf(OnnxRuntime runtime, Port port, nint value, int rows)
    {
        if (port.Kind == PortKind.Tensor)
        {
            var hasRows = OutputReader.TryShape(runtime.Api, value, out _, out var outputRows, out var elements) && outputRows == rows;
            return hasRows ? new OutputShape((int)Math.Min(elements, int.MaxValue), null) : OutputShape.NotByRow;
        }

        if (runtime.Api.Length(value) != rows)
            return OutputShape.NotByRow;
        var map = runtime.Api.Element(value, 0, runtime.Allocator);
        try
        {
            return new OutputShape(0, OutputReader.Classes(runtime, map));
        }
        finally
        {
            runtime.Api.ReleaseValue(map);
        }
    }
}
