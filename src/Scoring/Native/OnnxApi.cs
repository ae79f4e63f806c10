using System.Runtime.InteropServices;

namespace FeatureStore.Scoring.Native;

/// <summary>
/// Calls of ONNX Runtime's C API by their place in its function table, <c>struct OrtApi</c> of onnxruntime_c_api.h. The table only ever grows at its end;
/// every call here is in API version <see cref="Version"/>. Handles are <see cref="nint"/>. A call that can fail throws <see cref="OnnxException"/>.
/// </summary>
internal sealed unsafe class OnnxApi
{
    /// <summary>Of ONNX Runtime 1.17; later versions offer it too.</summary>
    public const uint Version = 17;

    private const int LogFatal = 4;
    private const int MessageCharactersMax = 500;

    private readonly nint* _calls;

    public OnnxApi(nint calls) => _calls = (nint*)calls;

    /// <summary>Throws what a status says and frees it.</summary>
    public void Check(nint status)
    {
        if (status != 0)
            throw new OnnxException(Message(status));
    }

    /// <summary>What a failed status says, in one line of bounded length: reasons go into record headers. Frees it.</summary>
    public string Message(nint status)
    {
        var text = (Marshal.PtrToStringUTF8(((delegate* unmanaged<nint, nint>)_calls[2])(status)) ?? "").ReplaceLineEndings(" ").Trim();
        Release(93, status);
        return text.Length <= MessageCharactersMax ? text : string.Concat(text.AsSpan(0, MessageCharactersMax), "…");
    }

    // Process-wide.

    public nint CreateEnvironment(int intraOpThreads, ReadOnlySpan<byte> logName)
    {
        var threads = Create(121);
        try
        {
            Check(((delegate* unmanaged<nint, int, nint>)_calls[147])(threads, intraOpThreads));
            Check(((delegate* unmanaged<nint, int, nint>)_calls[148])(threads, 1));
            // Spinning threads would take the cores from the engine's own.
            Check(((delegate* unmanaged<nint, int, nint>)_calls[149])(threads, 0));
            nint environment;
            fixed (byte* name = logName)
                Check(((delegate* unmanaged<int, byte*, nint, nint*, nint>)_calls[119])(LogFatal, name, threads, &environment));
            Check(((delegate* unmanaged<nint, nint>)_calls[6])(environment));
            return environment;
        }
        finally
        {
            Release(122, threads);
        }
    }

    /// <summary>Names main memory, arena-allocated.</summary>
    public nint CreateCpuMemoryInfo()
    {
        nint memory;
        Check(((delegate* unmanaged<int, int, nint*, nint>)_calls[69])(1, 0, &memory));
        return memory;
    }

    /// <summary>Registers one bounded arena that sessions of the environment may share.</summary>
    public void RegisterArena(nint environment, nint memory, long bytesMax)
    {
        fixed (byte* maximum = "max_mem\0"u8, strategy = "arena_extend_strategy\0"u8)
        {
            var keys = stackalloc byte*[] { maximum, strategy };
            // 1: grow by what is asked for; doubling would reach the bound at half of it.
            var values = stackalloc nuint[] { (nuint)bytesMax, 1 };
            nint configuration;
            Check(((delegate* unmanaged<byte**, nuint*, nuint, nint*, nint>)_calls[164])(keys, values, 2, &configuration));
            try
            {
                Check(((delegate* unmanaged<nint, nint, nint, nint>)_calls[144])(environment, memory, configuration));
            }
            finally
            {
                Release(157, configuration);
            }
        }
    }

    public nint DefaultAllocator() => Create(78);

    // Sessions.

    public nint CreateSessionOptions()
    {
        var options = Create(10);
        Check(((delegate* unmanaged<nint, int, nint>)_calls[22])(options, LogFatal));
        Check(((delegate* unmanaged<nint, nint>)_calls[120])(options));
        // Patterns are kept per input shape, without bound; batches come in any number of rows.
        Check(((delegate* unmanaged<nint, nint>)_calls[17])(options));
        return options;
    }

    public void AddSessionConfig(nint options, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        fixed (byte* keyText = key, valueText = value)
            Check(((delegate* unmanaged<nint, byte*, byte*, nint>)_calls[130])(options, keyText, valueText));
    }

    public void ReleaseSessionOptions(nint options) => Release(100, options);

    public nint CreateSession(nint environment, string path, nint options)
    {
        var text = OperatingSystem.IsWindows() ? Marshal.StringToHGlobalUni(path) : Marshal.StringToCoTaskMemUTF8(path);
        try
        {
            nint session;
            Check(((delegate* unmanaged<nint, nint, nint, nint*, nint>)_calls[7])(environment, text, options, &session));
            return session;
        }
        finally
        {
            if (OperatingSystem.IsWindows())
                Marshal.FreeHGlobal(text);
            else
                Marshal.FreeCoTaskMem(text);
        }
    }

    public nint CreateSession(nint environment, byte* model, long length, nint options)
    {
        nint session;
        Check(((delegate* unmanaged<nint, byte*, nuint, nint, nint*, nint>)_calls[8])(environment, model, (nuint)length, options, &session));
        return session;
    }

    public void ReleaseSession(nint session) => Release(95, session);

    public int PortCount(nint session, bool outputs) => (int)Number(outputs ? 31 : 30, session);

    /// <returns>Type information, to be released by <see cref="ReleaseTypeInfo"/>.</returns>
    public nint PortType(nint session, bool outputs, int index)
    {
        nint type;
        Check(((delegate* unmanaged<nint, nuint, nint*, nint>)_calls[outputs ? 34 : 33])(session, (nuint)index, &type));
        return type;
    }

    public string PortName(nint session, bool outputs, int index, nint allocator)
    {
        nint name;
        Check(((delegate* unmanaged<nint, nuint, nint, nint*, nint>)_calls[outputs ? 37 : 36])(session, (nuint)index, allocator, &name));
        var text = Marshal.PtrToStringUTF8(name)!;
        Check(((delegate* unmanaged<nint, nint, nint>)_calls[76])(allocator, name));
        return text;
    }

    // Types.

    public void ReleaseTypeInfo(nint type) => Release(98, type);

    public OnnxKind Kind(nint type) => (OnnxKind)Int(56, type);

    /// <summary>The tensor part of a type; owned by the type.</summary>
    public nint TensorInfo(nint type) => Get(55, type);

    /// <summary>Type of a sequence's elements, to be released by <see cref="ReleaseTypeInfo"/>.</summary>
    public nint SequenceElement(nint type) => Get(107, Get(104, type));

    /// <summary>Key type and value type of a map; the latter to be released by <see cref="ReleaseTypeInfo"/>.</summary>
    public (OnnxType Key, nint Value) MapTypes(nint type)
    {
        var map = Get(103, type);
        return ((OnnxType)Int(105, map), Get(106, map));
    }

    public OnnxType ElementType(nint tensorInfo) => (OnnxType)Int(60, tensorInfo);

    public int Rank(nint tensorInfo) => (int)Number(61, tensorInfo);

    public void Dimensions(nint tensorInfo, Span<long> dimensions)
    {
        fixed (long* pointer = dimensions)
            Check(((delegate* unmanaged<nint, long*, nuint, nint>)_calls[62])(tensorInfo, pointer, (nuint)dimensions.Length));
    }

    public void ReleaseTensorInfo(nint tensorInfo) => Release(99, tensorInfo);

    // Values.

    /// <summary>A tensor over memory that the caller keeps.</summary>
    public nint CreateTensor(nint memory, void* data, nuint bytes, ReadOnlySpan<long> shape, OnnxType type)
    {
        nint value;
        fixed (long* dimensions = shape)
            Check(((delegate* unmanaged<nint, void*, nuint, long*, nuint, int, nint*, nint>)_calls[49])(memory, data, bytes, dimensions, (nuint)shape.Length, (int)type, &value));
        return value;
    }

    /// <summary>A tensor of texts, all empty.</summary>
    public nint CreateTextTensor(nint allocator, ReadOnlySpan<long> shape)
    {
        nint value;
        fixed (long* dimensions = shape)
            Check(((delegate* unmanaged<nint, long*, nuint, int, nint*, nint>)_calls[48])(allocator, dimensions, (nuint)shape.Length, (int)OnnxType.Text, &value));
        return value;
    }

    /// <summary>Sets one text of a tensor of texts.</summary>
    public void SetText(nint value, int index, ReadOnlySpan<byte> utf8)
    {
        byte* buffer;
        Check(((delegate* unmanaged<nint, nuint, nuint, byte**, nint>)_calls[252])(value, (nuint)index, (nuint)utf8.Length, &buffer));
        utf8.CopyTo(new Span<byte>(buffer, utf8.Length));
    }

    /// <summary>Bytes of all texts of a tensor.</summary>
    public long TextBytes(nint value) => (long)Number(53, value);

    /// <summary>All texts of a tensor, one after the other, and where each begins.</summary>
    public void Texts(nint value, Span<byte> utf8, Span<nuint> starts)
    {
        fixed (byte* bytes = utf8)
        fixed (nuint* offsets = starts)
        {
            byte none;
            Check(((delegate* unmanaged<nint, byte*, nuint, nuint*, nuint, nint>)_calls[54])(value, bytes == null ? &none : bytes, (nuint)utf8.Length, offsets, (nuint)starts.Length));
        }
    }

    public void* Data(nint value) => (void*)Get(51, value);

    /// <summary>Type and shape of a tensor, to be released by <see cref="ReleaseTensorInfo"/>.</summary>
    public nint TensorInfoOfValue(nint value) => Get(65, value);

    public OnnxKind KindOfValue(nint value) => (OnnxKind)Int(67, value);

    /// <summary>Length of a sequence.</summary>
    public int Length(nint value) => (int)Number(81, value);

    /// <summary>Element of a sequence, or the keys (0) or values (1) of a map; to be released.</summary>
    public nint Element(nint value, int index, nint allocator)
    {
        nint element;
        Check(((delegate* unmanaged<nint, int, nint, nint*, nint>)_calls[80])(value, index, allocator, &element));
        return element;
    }

    public void ReleaseValue(nint value) => Release(96, value);

    // Runs.

    public nint CreateRunOptions()
    {
        var options = Create(39);
        Check(((delegate* unmanaged<nint, int, nint>)_calls[41])(options, LogFatal));
        return options;
    }

    public void SetTerminate(nint options, bool terminate) => Check(((delegate* unmanaged<nint, nint>)_calls[terminate ? 46 : 47])(options));

    public void ReleaseRunOptions(nint options) => Release(97, options);

    /// <returns>A status: 0 where it worked; the outputs are then the caller's to release.</returns>
    public nint Run(nint session, nint options, nint* inputNames, nint* inputs, int inputCount, nint* outputNames, int outputCount, nint* outputs) =>
        ((delegate* unmanaged<nint, nint, nint*, nint*, nuint, nint*, nuint, nint*, nint>)_calls[9])(
            session, options, inputNames, inputs, (nuint)inputCount, outputNames, (nuint)outputCount, outputs);

    private nint Create(int call)
    {
        nint created;
        Check(((delegate* unmanaged<nint*, nint>)_calls[call])(&created));
        return created;
    }

    private nint Get(int call, nint from)
    {
        nint got;
        Check(((delegate* unmanaged<nint, nint*, nint>)_calls[call])(from, &got));
        return got;
    }

    private nuint Number(int call, nint from) => (nuint)Get(call, from);

    private int Int(int call, nint from)
    {
        int got;
        Check(((delegate* unmanaged<nint, int*, nint>)_calls[call])(from, &got));
        return got;
    }

    private void Release(int call, nint handle)
    {
        if (handle != 0)
            ((delegate* unmanaged<nint, void>)_calls[call])(handle);
    }
}

/// <summary>What ONNX Runtime says about a failed call.</summary>
internal sealed class OnnxException(string message) : Exception(message);

/// <summary>ONNXType.</summary>
internal enum OnnxKind
{
    Unknown,
    Tensor,
    Sequence,
    Map,
    Opaque,
    SparseTensor,
    Optional,
}

/// <summary>ONNXTensorElementDataType, as far as the names go.</summary>
internal enum OnnxType
{
    Undefined,
    Float,
    UInt8,
    Int8,
    UInt16,
    Int16,
    Int32,
    Int64,
    Text,
    Bool,
    Float16,
    Double,
    UInt32,
    UInt64,
    Complex64,
    Complex128,
    BFloat16,
}
