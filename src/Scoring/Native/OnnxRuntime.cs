namespace FeatureStore.Scoring.Native;

/// <summary>
/// What all sessions of the process share: the library, its thread pool and its memory. Made by the first load, never released: ONNX Runtime
/// does not take well to being unloaded.
/// </summary>
internal sealed class OnnxRuntime
{
    private static readonly Lock _gate = new();
    private static OnnxRuntime? _instance;

    private readonly OnnxOptions _options;

    private OnnxRuntime(OnnxOptions options)
    {
        _options = options;
        (Api, Version) = OnnxLibrary.Open(options.NativeLibraryPath);
        Environment = Api.CreateEnvironment(options.IntraOpThreads, "featurestore\0"u8);
        CpuMemory = Api.CreateCpuMemoryInfo();
        Api.RegisterArena(Environment, CpuMemory, options.MemoryBytesMax);
        Allocator = Api.DefaultAllocator();
    }

    public OnnxApi Api { get; }

    public string Version { get; }

    public nint Environment { get; }

    public nint CpuMemory { get; }

    /// <summary>Plain memory, for names and texts.</summary>
    public nint Allocator { get; }

    /// <exception cref="ModelLoadException">The library cannot be opened, or the process already uses other process-wide options.</exception>
    public static OnnxRuntime For(OnnxOptions options)
    {
        options.Validate();
        lock (_gate)
        {
            _instance ??= new OnnxRuntime(options);
            if (Shared(_instance._options) != Shared(options))
            {
                throw new ModelLoadException(
                    "ONNX Runtime already runs in this process with another library, thread count or memory bound. Give all models the same options.");
            }

            return _instance;
        }
    }

    private static (string? Library, int Threads, long MemoryBytesMax) Shared(OnnxOptions options) =>
        (options.NativeLibraryPath, options.IntraOpThreads, options.MemoryBytesMax);
}
