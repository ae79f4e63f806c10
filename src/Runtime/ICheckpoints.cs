namespace FeatureStore.Runtime;

/// <summary>Makes state durable together with cursor S.</summary>
public interface ICheckpoints
{
    /// <summary>The checkpoint that state was restored from, or the newest one saved since; null where there is none.</summary>
    CheckpointHeader? Last { get; }

    /// <summary>Whether it is time for the next one, and none is under way.</summary>
    bool IsDue { get; }

    /// <summary>Whether the next one is due even where nothing has changed: others wait for it, or will not go on.</summary>
    bool IsAwaited => false;

    /// <summary>
    /// Begins a checkpoint of the state as it is now. Between two batches. It is saved in the background, and not before
    /// <paramref name="published"/> completes: no durable block contains an event beyond P.
    /// </summary>
    void Begin(string clusterId, IReadOnlyList<PartitionCheckpoint> partitions, Task published);

    /// <summary>Completes when the checkpoint under way, if any, is durable.</summary>
    Task CompleteAsync();
}
