namespace FeatureStore.Scoring;

/// <summary>How models are loaded and run.</summary>
public sealed record OnnxOptions
{
    private static readonly long _memoryBytesDefault = Math.Min(4L << 30, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2);

    /// <summary>File of ONNX Runtime's native library; null: the environment variable FEATURESTORE_ONNXRUNTIME, then the application's own files. One a process.</summary>
    public string? NativeLibraryPath { get; init; }

    /// <summary>Threads that one run may use, its caller included; at least 1. All sessions share them. One value a process.</summary>
    public int IntraOpThreads { get; init; } = 1;

    /// <summary>Bound of the memory that all models' weights and tensors take together. Default: half of the process's memory, at most 4 GiB. One value a process.</summary>
    public long MemoryBytesMax { get; init; } = _memoryBytesDefault;

    /// <summary>Bound of a model's file and its external data together. Default 1 GiB, at most 2 GiB − 1.</summary>
    public long ModelBytesMax { get; init; } = 1L << 30;

    /// <summary>Rows that run as one tensor at most; larger batches run in parts. Default 4,096.</summary>
    public int BatchRowsMax { get; init; } = 4096;

    /// <summary>Time for each part of a batch with all its retries, for a raw inference, and for a warm-up run. Default 5 s.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Bound of a raw inference's input tensors together, and of its output tensors together. Default 16 MiB; a text counts 32 bytes more than its own.</summary>
    public long InferBytesMax { get; init; } = 16L << 20;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(IntraOpThreads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MemoryBytesMax, 1 << 20);
        ArgumentOutOfRangeException.ThrowIfLessThan(ModelBytesMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ModelBytesMax, int.MaxValue);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchRowsMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(BatchRowsMax, 1 << 20);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Deadline, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Deadline, TimeSpan.FromDays(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(InferBytesMax, 1);
    }
}
