namespace FeatureStore.Runtime.Local;

/// <summary>Settings of <see cref="LocalRuntime"/>.</summary>
public sealed record LocalRuntimeOptions
{
    /// <summary>Threads that share the entities among them, 1 to 64. Default: half of the processors; the other half decodes, scores and sends.</summary>
    public int Shards { get; init; } = Math.Clamp(Environment.ProcessorCount / 2, 1, 64);

    /// <summary>Whether changed blocks are kept track of for a hot store.</summary>
    public bool TracksPublishing { get; init; }

    /// <summary>Most tombstones of erased entities. Default 1,000,000. Each takes some 250 bytes, its key, and 8 bytes a partition that feeds the entity; in joins as much again for each earlier erasure that no checkpoint was cut after before the next.</summary>
    public int TombstonesMax { get; init; } = 1_000_000;

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
