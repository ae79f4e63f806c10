namespace FeatureStore.Grains.Payloads;

/// <summary>Entities of one silo whose blocks, as of a cut, are to be made durable.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.flush-request")]
internal sealed class FlushRequest
{
    /// <summary>Of the owner.</summary>
    [Id(0)]
    public long Term { get; init; }

    /// <summary>The last interval before the cut.</summary>
    [Id(1)]
    public long Interval { get; init; }

    [Id(2)]
    public required string[] Addresses { get; init; }

    /// <summary>The epochs that the owner knows.</summary>
    [Id(3)]
    public required long[] Epochs { get; init; }
}

/// <summary>What became of one entity's flush.</summary>
internal enum FlushStatus : byte
{
    /// <summary>All of the entity's events before the cut are durable.</summary>
    Durable = 0,

    /// <summary>The activation is gone, or another than the owner knew.</summary>
    Behind = 1,

    /// <summary>The store did not take it: to be tried again.</summary>
    Failed = 2,

    /// <summary>A later owner has called.</summary>
    Fenced = 3,
}
