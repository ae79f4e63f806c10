namespace FeatureStore.Grains.Payloads;

/// <summary>The events of one batch that one entity gets, in order; <see cref="EventCodec"/> lays them out.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.apply-request")]
internal sealed class ApplyRequest
{
    /// <summary><see cref="ClusterPlan.Fingerprint"/> of the caller.</summary>
    [Id(0)]
    public ulong Plan { get; init; }

    [Id(1)]
    public int Source { get; init; }

    /// <summary>Number of the interval between two cuts that the events belong to (<see cref="OrleansRuntime"/>).</summary>
    [Id(2)]
    public long Interval { get; init; }

    /// <summary>How many of the source's vectors are wanted.</summary>
    [Id(3)]
    public int Vectors { get; init; }

    /// <summary>Number of events.</summary>
    [Id(4)]
    public int Count { get; init; }

    [Id(5)]
    public required byte[] Rows { get; init; }

    /// <summary>The encoded key, where the grain's address does not hold it.</summary>
    [Id(6)]
    public byte[]? Key { get; init; }

    /// <summary>By source and partition, how often the partition was made anew; null: none ever.</summary>
    [Id(7)]
    public int[][]? Generations { get; init; }

    /// <summary>Where the entity is to be erased: what of each source does not count any more (<see cref="Persistence.AppliedOffsets"/>). Then it carries no events.</summary>
    [Id(8)]
    public byte[]? Guards { get; init; }
}

/// <summary>The events of one batch that many entities of a silo get.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.apply-many-request")]
internal sealed class ApplyManyRequest
{
    /// <summary>Most entities of one: a silo with several processors takes several at once.</summary>
    public const int EntitiesMax = 256;

    [Id(0)]
    public required string[] Addresses { get; init; }

    [Id(1)]
    public required OwnerCall[] Calls { get; init; }

    [Id(2)]
    public required ApplyRequest[] Requests { get; init; }
}

/// <summary>Who calls, and what it knows.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.owner-call")]
internal readonly record struct OwnerCall
{
    /// <summary>Of the owner; the later one wins.</summary>
    [Id(0)]
    public long Term { get; init; }

    /// <summary>Grows from call to call of a slice in a term.</summary>
    [Id(1)]
    public long Number { get; init; }

    /// <summary>The epoch that the caller knows; 0: none, and all that it ever sent is durable.</summary>
    [Id(2)]
    public long Epoch { get; init; }

    /// <summary>0: the owner of the whole stream, the only caller; else 1 more than the number of its slice.</summary>
    [Id(3)]
    public int Slice { get; init; }

    /// <summary>Whether the answer to an earlier call with these events was lost.</summary>
    [Id(4)]
    public bool IsRepeated { get; init; }

    /// <summary>Whether other slices call the entity too.</summary>
    public bool IsShared => Slice > 0;
}

/// <summary>What became of a call.</summary>
internal enum ApplyStatus
{
    Applied = 0,

    /// <summary>The activation is another than the caller knew, or has gone back: it may lack events. The caller brings it up to date first.</summary>
    Behind = 1,

    /// <summary>A later owner of the stream has called: this one must stop.</summary>
    Fenced = 2,

    /// <summary>The silo runs other definitions than the caller.</summary>
    OtherDefinitions = 3,

    /// <summary>The entity goes to the caller's silo: the caller calls again.</summary>
    Moves = 4,

    /// <summary>The repeated call's events were applied by the earlier one; what is to be read between them, only a block that goes back can tell.</summary>
    Repeated = 5,
}

/// <summary>What an entity answers.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.apply-reply")]
internal sealed class ApplyReply
{
    [Id(0)]
    public ApplyStatus Status { get; init; }

    /// <summary>Names this state of this activation; another one after a restart, or after the block went back.</summary>
    [Id(1)]
    public long Epoch { get; init; }

    /// <summary>Where the activation is; null where the caller knew the epoch, and so the place.</summary>
    [Id(2)]
    public SiloAddress? Silo { get; init; }

    /// <summary>Event after event, the values (doubles) that enrich it, then those of the vectors' slices.</summary>
    [Id(3)]
    public byte[] Values { get; init; } = [];
}
