using System.Runtime.InteropServices;
using System.Text;
using FeatureStore.Runtime;
using FeatureStore.Scoring.Binding;
using FeatureStore.Scoring.Native;

namespace FeatureStore.Scoring;

/// <summary>Runs a model over tensors that a caller names: everything about them is checked before it reaches native code.</summary>
internal sealed unsafe class RawInference
{
    private const int RankMax = 8;
    private const int TextOverheadBytes = 32;

    private readonly ModelSession _session;
    private readonly OnnxOptions _options;
    private readonly List<Port> _outputs;

    public RawInference(ModelSession session, IReadOnlyList<OutputShape?> shapes, OnnxOptions options)
    {
        _session = session;
        _options = options;
        Inputs = [.. session.Inputs.Select(input => new TensorMetadata(input.Name, input.Type.Datatype() ?? "", input.Shape))];
        _outputs = [.. session.Outputs.Where(output => output.Kind switch
        {
            PortKind.Tensor => output.Type.IsNumber() || output.Type == OnnxType.Text,
            PortKind.Maps => output.Type.IsNumber(),
            _ => false,
        })];
        Outputs = [.. _outputs.Select(output => Describe(output, shapes[session.Outputs.ToList().IndexOf(output)]))];
    }

    public IReadOnlyList<TensorMetadata> Inputs { get; }

    /// <summary>The outputs that tensors can hold.</summary>
    public IReadOnlyList<TensorMetadata> Outputs { get; }

    public TensorData[] Run(IReadOnlyList<TensorData> inputs, IReadOnlyList<string> outputs)
    {
        var wanted = Wanted(outputs);
        var tensors = Match(inputs);
        var inputCount = tensors.Length;
        var handles = (nint*)NativeMemory.AllocZeroed((nuint)(2 * (inputCount + wanted.Count)), (nuint)sizeof(nint));
        var inputHandles = handles + inputCount;
        var outputNames = inputHandles + inputCount;
        var outputHandles = outputNames + wanted.Count;
        var buffers = new List<nint>();
        using var deadline = new RunDeadline(_session.Api, _options.Deadline);
        try
        {
            for (var i = 0; i < inputCount; i++)
            {
                handles[i] = _session.Inputs[i].NativeName;
                inputHandles[i] = Create(_session.Inputs[i], tensors[i], buffers);
            }

            for (var i = 0; i < wanted.Count; i++)
                outputNames[i] = wanted[i].NativeName;
            deadline.Start();
            var error = _session.Run(deadline.RunOptions, handles, inputHandles, inputCount, outputNames, wanted.Count, outputHandles);
            deadline.Stop();
            if (error is not null)
                throw new ModelRunException(deadline.Expired ? $"The model failed: {deadline.Reason}." : $"The model failed: {error}");
            return Results(wanted, outputHandles);
        }
        catch (OnnxException exception)
        {
            throw new ModelRunException($"The model failed: {exception.Message}");
        }
        finally
        {
            for (var i = 0; i < inputCount; i++)
                _session.Api.ReleaseValue(inputHandles[i]);
            for (var i = 0; i < wanted.Count; i++)
                _session.Api.ReleaseValue(outputHandles[i]);
            NativeMemory.Free(handles);
            foreach (var buffer in buffers)
                NativeMemory.Free((void*)buffer);
        }
    }

    private static TensorMetadata Describe(Port output, OutputShape? shape) => output.Kind == PortKind.Maps
        ? new TensorMetadata(output.Name, output.Type.Datatype()!, [-1, shape?.Classes?.Length ?? -1], shape?.Classes)
        : new TensorMetadata(output.Name, output.Type.Datatype()!, output.Shape);

    private List<Port> Wanted(IReadOnlyList<string> outputs)
    {
        if (outputs.Count == 0)
            return _outputs;
        var wanted = new List<Port>();
        foreach (var name in outputs)
        {
            var output = _outputs.Find(output => output.Name == name)
                ?? throw new ModelInputException($"The model has no output \"{name}\" that a tensor can hold. It has {Names(Outputs)}.");
            if (wanted.Contains(output))
                throw new ModelInputException($"Output \"{name}\" is asked for twice. Name each once.");
            wanted.Add(output);
        }

        return wanted;
    }

    /// <summary>The given tensors in the order of the model's inputs, each checked against its input.</summary>
    private TensorData[] Match(IReadOnlyList<TensorData> inputs)
    {
        var tensors = new TensorData?[Inputs.Count];
        long bytes = 0;
        foreach (var tensor in inputs)
        {
            var index = Inputs.ToList().FindIndex(input => input.Name == tensor.Name);
            if (index < 0)
                throw new ModelInputException($"The model has no input \"{tensor.Name}\". It has {Names(Inputs)}.");
            if (tensors[index] is not null)
                throw new ModelInputException($"Input \"{tensor.Name}\" is given twice. Give each once.");
            tensors[index] = tensor;
            bytes += CheckTensor(tensor, Inputs[index], _session.Inputs[index].Type);
            if (bytes > _options.InferBytesMax)
                throw new ModelInputException($"The inputs are too large: over {_options.InferBytesMax} bytes as tensors. Send them in several requests.");
        }

        for (var i = 0; i < tensors.Length; i++)
        {
            if (tensors[i] is null)
                throw new ModelInputException($"Input \"{Inputs[i].Name}\" is missing. The model takes {Names(Inputs)}.");
        }

        return tensors!;
    }

    /// <returns>Bytes of the tensor.</returns>
    private static long CheckTensor(TensorData tensor, TensorMetadata input, OnnxType type)
    {
        if (tensor.Datatype != input.Datatype)
            throw new ModelInputException($"Input \"{tensor.Name}\" has datatype \"{tensor.Datatype}\"; the model takes \"{input.Datatype}\".");
        var fits = tensor.Shape.Count <= RankMax && tensor.Shape.Count == input.Shape.Count;
        long elements = 1;
        for (var i = 0; i < tensor.Shape.Count && fits; i++)
        {
            var dimension = tensor.Shape[i];
            fits = dimension is >= 0 and <= int.MaxValue && (input.Shape[i] < 0 || input.Shape[i] == dimension);
            elements = fits ? Math.Min(int.MaxValue, elements * dimension) : 0;
        }

        if (!fits)
            throw new ModelInputException(
                $"Input \"{tensor.Name}\" has shape [{string.Join(',', tensor.Shape)}]; "
                + $"the model takes [{string.Join(',', input.Shape)}], where -1 is any size.");
        var given = type == OnnxType.Text ? tensor.Texts?.Length
            : type.IsFloatingPoint() ? tensor.Doubles?.Length
            : type.IsNumber() ? tensor.Integers?.Length : null;
        if (given != elements)
            throw new ModelInputException(
                $"Input \"{tensor.Name}\" of datatype \"{tensor.Datatype}\" has {given ?? 0} elements; "
                + $"its shape [{string.Join(',', tensor.Shape)}] wants {elements}.");
        return type == OnnxType.Text ? tensor.Texts!.Sum(text => (long)TextOverheadBytes + Encoding.UTF8.GetByteCount(text)) : elements * type.Bytes();
    }

    private nint Create(Port input, TensorData tensor, List<nint> buffers)
    {
        long[] shape = [.. tensor.Shape];
        if (input.Type == OnnxType.Text)
        {
            var texts = _session.Api.CreateTextTensor(_session.Runtime.Allocator, shape);
            for (var i = 0; i < tensor.Texts!.Length; i++)
                _session.Api.SetText(texts, i, Encoding.UTF8.GetBytes(tensor.Texts[i]));
            return texts;
        }

        var count = input.Type.IsFloatingPoint() ? tensor.Doubles!.Length : tensor.Integers!.Length;
        var bytes = (nuint)count * (nuint)input.Type.Bytes();
        var data = NativeMemory.Alloc(Math.Max(1, bytes));
        buffers.Add((nint)data);
        switch (input.Type)
        {
            case OnnxType.Float:
                Fill<double, float>(tensor.Doubles!, data);
                break;
            case OnnxType.Double:
                Fill<double, double>(tensor.Doubles!, data);
                break;
            case OnnxType.Float16:
                Fill<double, Half>(tensor.Doubles!, data);
                break;
            case OnnxType.Int64:
                Fill<long, long>(tensor.Integers!, data);
                break;
            case OnnxType.UInt64:
                tensor.Integers.CopyTo(new Span<long>(data, count));
                break;
            default:
                FillBounded(tensor, input.Type, data);
                break;
        }

        return _session.Api.CreateTensor(_session.Runtime.CpuMemory, data, bytes, shape, input.Type);
    }

    private static void FillBounded(TensorData tensor, OnnxType type, void* data)
    {
        var (least, greatest) = type switch
        {
            OnnxType.Bool => (0L, 1L),
            OnnxType.Int8 => (sbyte.MinValue, sbyte.MaxValue),
            OnnxType.Int16 => (short.MinValue, short.MaxValue),
            OnnxType.Int32 => (int.MinValue, int.MaxValue),
            OnnxType.UInt8 => (0, byte.MaxValue),
            OnnxType.UInt16 => (0, ushort.MaxValue),
            _ => (0, uint.MaxValue),
        };
        foreach (var value in tensor.Integers!)
        {
            if (value < least || value > greatest)
                throw new ModelInputException($"Input \"{tensor.Name}\" holds {value}; datatype \"{tensor.Datatype}\" reaches from {least} to {greatest}.");
        }

        switch (type.Bytes())
        {
            case 1:
                Fill<long, byte>(tensor.Integers, data);
                break;
            case 2:
                Fill<long, ushort>(tensor.Integers, data);
                break;
            default:
                Fill<long, uint>(tensor.Integers, data);
                break;
        }
    }

    private static void Fill<TFrom, TTo>(TFrom[] values, void* data)
        where TFrom : System.Numerics.INumberBase<TFrom>
        where TTo : unmanaged, System.Numerics.INumberBase<TTo>
    {
        for (var i = 0; i < values.Length; i++)
            ((TTo*)data)[i] = TTo.CreateTruncating(values[i]);
    }

    private TensorData[] Results(List<Port> outputs, nint* values)
    {
        var results = new TensorData[outputs.Count];
        var left = _options.InferBytesMax;
        for (var i = 0; i < results.Length; i++)
            results[i] = outputs[i].Kind == PortKind.Maps ? MapsResult(outputs[i], values[i], ref left) : TensorResult(outputs[i], values[i], ref left);
        return results;
    }

    private TensorData TensorResult(Port output, nint value, ref long left)
    {
        var api = _session.Api;
        var info = api.TensorInfoOfValue(value);
        OnnxType type;
        long[] shape;
        try
        {
            type = api.ElementType(info);
            shape = new long[api.Rank(info)];
            api.Dimensions(info, shape);
        }
        finally
        {
            api.ReleaseTensorInfo(info);
        }

        var count = shape.Aggregate(1L, (product, dimension) => product * dimension);
        var result = new TensorData { Name = output.Name, Datatype = type.Datatype() ?? "", Shape = shape };
        Spend(ref left, type == OnnxType.Text ? count * TextOverheadBytes + api.TextBytes(value) : count * type.Bytes(), output);
        if (type == OnnxType.Text)
            return result with { Texts = OutputReader.Texts(api, value, (int)count) };
        var data = api.Data(value);
        return type.IsFloatingPoint() ? result with { Doubles = Numbers(data, type, count) } : result with { Integers = Integers(data, type, count) };
    }

    /// <summary>A sequence of maps as a tensor: a row a map, its columns in the order of the first map's keys, which the other maps share.</summary>
    private TensorData MapsResult(Port output, nint value, ref long left)
    {
        var runtime = _session.Runtime;
        var rows = runtime.Api.Length(value);
        string[] classes = [];
        var numbers = new List<double>();
        for (var row = 0; row < rows; row++)
        {
            var map = runtime.Api.Element(value, row, runtime.Allocator);
            try
            {
                var keys = OutputReader.Classes(runtime, map);
                if (row == 0)
                    classes = keys;
                else if (!classes.SequenceEqual(keys))
                    throw new ModelRunException($"The model failed: output \"{output.Name}\" has other classes in row {row} than in row 0.");
                Spend(ref left, (long)classes.Length * output.Type.Bytes(), output);
                var values = runtime.Api.Element(map, 1, runtime.Allocator);
                numbers.AddRange(Numbers(runtime.Api.Data(values), output.Type, classes.Length));
                runtime.Api.ReleaseValue(values);
            }
            finally
            {
                runtime.Api.ReleaseValue(map);
            }
        }

        var result = new TensorData { Name = output.Name, Datatype = output.Type.Datatype()!, Shape = [rows, classes.Length] };
        return output.Type.IsFloatingPoint() ? result with { Doubles = [.. numbers] } : result with { Integers = [.. numbers.Select(number => (long)number)] };
    }

    private void Spend(ref long left, long bytes, Port output)
    {
        left -= bytes;
        if (left < 0)
            throw new ModelRunException(
                $"The outputs are too large: with \"{output.Name}\" over {_options.InferBytesMax} bytes as tensors. "
                + "Ask for fewer outputs, or send fewer rows.");
    }

    private static double[] Numbers(void* data, OnnxType type, long count)
    {
        var numbers = new double[count];
        for (var i = 0; i < numbers.Length; i++)
            numbers[i] = OutputReader.Number(data, type, i);
        return numbers;
    }

    private static long[] Integers(void* data, OnnxType type, long count)
    {
        var integers = new long[count];
        for (var i = 0; i < integers.Length; i++)
        {
            // 64-bit integers do not pass through a double.
            integers[i] = type is OnnxType.Int64 or OnnxType.UInt64 ? ((long*)data)[i] : (long)OutputReader.Number(data, type, i);
        }

        return integers;
    }

    private static string Names(IReadOnlyList<TensorMetadata> tensors) => string.Join(", ", tensors.Select(tensor => $"\"{tensor.Name}\""));
}
