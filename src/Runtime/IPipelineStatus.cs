namespace FeatureStore.Runtime;

/// <summary>How the pipeline is doing, for operators: console, health and metrics.</summary>
public interface IPipelineStatus
{
    /// <summary>The newest snapshot. Cheap and safe to call from any thread; taken anew at least once a second while the pipeline runs.</summary>
    PipelineStatus Current { get; }
}

/// <summary>A snapshot of the pipeline. Rates are over about the last second.</summary>
public sealed record PipelineStatus
{
    public required PipelinePhase Phase { get; init; }

    /// <summary>One sentence for the operator: what it waits for, how far a replay is, why it stopped. Null where there is nothing to say.</summary>
    public string? Detail { get; init; }

    /// <summary>Wall clock at which the snapshot was taken, Unix ms.</summary>
    public required long TimeMs { get; init; }

    public IReadOnlyList<SourceStatus> Sources { get; init; } = [];

    /// <summary>The newest checkpoint; null before the first.</summary>
    public CheckpointStatus? Checkpoint { get; init; }

    /// <summary>Predictions on their way out; null where no model has a sink.</summary>
    public PublishStatus? Publish { get; init; }

    /// <summary>The slices of the stream that this process consumes, where the stream is divided.</summary>
    public IReadOnlyList<int> Slices { get; init; } = [];

    /// <summary>Into how many slices the stream is divided; 0: it is not.</summary>
    public int SliceCount { get; init; }
}

public enum PipelinePhase
{
    /// <summary>Loading state, reaching the broker.</summary>
    Starting,

    /// <summary>Applying again, in silence, what was published before the last stop. Reads may lag behind what was published.</summary>
    Replaying,

    /// <summary>Applying and publishing: ready.</summary>
    Running,

    /// <summary>Asked to stop; finishing what is under way.</summary>
    Draining,

    /// <summary>Not running, by request or by a failure that <see cref="PipelineStatus.Detail"/> names.</summary>
    Stopped,
}

/// <summary>One source.</summary>
public sealed record SourceStatus
{
    public required string Name { get; init; }

    public required string Topic { get; init; }

    /// <summary>Greatest event time applied, Unix ms; <see cref="long.MinValue"/> before the first.</summary>
    public long StreamTimeMs { get; init; } = long.MinValue;

    public IReadOnlyList<PartitionStatus> Partitions { get; init; } = [];
}

/// <summary>One partition of a source.</summary>
public sealed record PartitionStatus
{
    public required int Partition { get; init; }

    public PartitionState State { get; init; }

    /// <summary>Offset of the next record to apply.</summary>
    public required long Position { get; init; }

    /// <summary>Offset after the newest record that can be read; −1 before it is known.</summary>
    public required long EndOffset { get; init; }

    /// <summary>Records not applied yet; 0 where the end is not known.</summary>
    public long LagRecords => EndOffset > Position ? EndOffset - Position : 0;

    /// <summary>How long ago the newest applied record was appended, ms, while records wait; 0 where none does.</summary>
    public long LagMs { get; init; }

    /// <summary>From append to readable, ms, of the newest applied record; null before the first.</summary>
    public long? FreshnessMs { get; init; }

    /// <summary>Events applied per second.</summary>
    public double EventsPerSecond { get; init; }
}

public enum PartitionState
{
    /// <summary>Applying.</summary>
    Active,

    /// <summary>At its end.</summary>
    Idle,

    /// <summary>Has events, but waits for a slower partition (alignment).</summary>
    HeldBack,

    /// <summary>Fetching is paused: the partition's queue is full.</summary>
    Paused,
}

/// <summary>The newest checkpoint.</summary>
/// <param name="Sequence">Number, from 1.</param>
/// <param name="TimeMs">Wall clock at which it was durable, Unix ms.</param>
/// <param name="SizeBytes">Bytes it wrote.</param>
/// <param name="DurationMs">From its snapshot to durable.</param>
public sealed record CheckpointStatus(long Sequence, long TimeMs, long SizeBytes, double DurationMs);

/// <summary>Latency of predictions and dead letters from reading the event to the commit that makes it visible, over about the last second, ms.</summary>
/// <param name="P50Ms">Half are faster.</param>
/// <param name="P99Ms">99 of 100 are faster.</param>
/// <param name="PerSecond">Records committed per second.</param>
public sealed record PublishStatus(double P50Ms, double P99Ms, double PerSecond);
