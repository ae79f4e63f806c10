using FeatureStore.Grains.Entities;

namespace FeatureStore.Grains.Payloads;

/// <summary>What a silo that leaves hands over of an entity: what is not durable of it, and what lets it go on from there.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.moved-entity")]
internal sealed class MovedEntity
{
    /// <summary><see cref="ClusterPlan.Fingerprint"/> of the silo that it leaves.</summary>
    [Id(0)]
    public ulong Plan { get; init; }

    [Id(1)]
    public long Term { get; init; }

    [Id(2)]
    public CallNumbers Calls { get; init; }

    /// <summary>Interval of the newest event.</summary>
    [Id(3)]
    public long Interval { get; init; }

    [Id(4)]
    public long Sequence { get; init; }

    [Id(5)]
    public byte[]? Key { get; init; }

    /// <summary>Null: there is none.</summary>
    [Id(6)]
    public byte[]? Block { get; init; }

    [Id(7)]
    public required byte[] Applied { get; init; }

    /// <summary>As of the last cut; null where that is durable, or the block is as of then.</summary>
    [Id(8)]
    public byte[]? BlockAtCut { get; init; }

    [Id(9)]
    public byte[]? AppliedAtCut { get; init; }

    /// <summary>Of the record in grain storage.</summary>
    [Id(10)]
    public string? ETag { get; init; }
}
