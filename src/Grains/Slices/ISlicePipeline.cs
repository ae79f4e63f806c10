using FeatureStore.Runtime;

namespace FeatureStore.Grains.Slices;

/// <summary>Consumes one slice of a stream: all of ingest, restricted to the slice's partitions.</summary>
public interface ISlicePipeline : IPipelineStatus, IAsyncDisposable
{
    /// <summary>Completes, with the reason, when it cannot go on.</summary>
    Task<Exception> Failure { get; }

    /// <summary>Begins to read. Shuts out whoever consumed the slice before.</summary>
    Task StartAsync();

    /// <summary>Has it look at once whether a checkpoint is awaited (<see cref="ICheckpoints.IsAwaited"/>), and where other slices are.</summary>
    void Wake();
}

/// <summary>What a pipeline works with.</summary>
/// <param name="Slice">Its share of the stream.</param>
/// <param name="Runtime">Applies its events.</param>
/// <param name="Checkpoints">Cuts the stream where all slices do.</param>
/// <param name="Status">The newest checkpoint.</param>
/// <param name="Alignment">Where the other slices are.</param>
public sealed record SlicePorts(Slice Slice, IEntityRuntime Runtime, ICheckpoints Checkpoints, Func<CheckpointStatus?> Status, SliceAlignment Alignment);
