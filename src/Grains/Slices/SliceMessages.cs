namespace FeatureStore.Grains.Slices;

/// <summary>How far a cut of all slices is.</summary>
internal enum CutPhase
{
    /// <summary>Each slice stops between two batches, says where, and waits.</summary>
    Gather,

    /// <summary>All have stopped: entities are erased as of the cut.</summary>
    Erase,

    /// <summary>They go on, and publish what lies before the cut.</summary>
    Publish,

    /// <summary>All of that is published: each has the entities that it called written.</summary>
    Flush,

    /// <summary>All of them are durable: S is being written.</summary>
    Save,
}

/// <summary>What a silo that consumes, or would, tells the coordinator: always all of it, so that it may be told twice, and some of it never.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.slice-member")]
internal sealed class MemberReport
{
    [Id(0)]
    public required SiloAddress Silo { get; init; }

    /// <summary><see cref="ClusterPlan.Fingerprint"/> of the silo.</summary>
    [Id(1)]
    public ulong Fingerprint { get; init; }

    [Id(2)]
    public int SliceCount { get; init; }

    /// <summary>Of its slices; 0: it has had none.</summary>
    [Id(3)]
    public long Term { get; init; }

    /// <summary>Whether it wants to get rid of its slices,</summary>
    [Id(4)]
    public bool IsDraining { get; init; }

    /// <summary>and needs no others.</summary>
    [Id(5)]
    public bool HasLeft { get; init; }

    [Id(6)]
    public required SliceReport[] Slices { get; init; }

    /// <summary>By source, whether its slices wait for others: <see cref="FeatureStore.Runtime.SliceWait"/>.</summary>
    [Id(7)]
    public byte[] Waits { get; init; } = [];

    /// <summary>The coordinator whose clock (<see cref="SliceOrder.ClockTicks"/>) the positions go by.</summary>
    [Id(8)]
    public Guid Clock { get; init; }
}

/// <summary>One slice of a <see cref="MemberReport"/>.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.slice-report")]
internal sealed class SliceReport
{
    [Id(0)]
    public int Slice { get; init; }

    /// <summary>Whether it reads, and so would stop for a cut.</summary>
    [Id(1)]
    public bool IsStarted { get; init; }

    [Id(2)]
    public bool WantsCut { get; init; }

    /// <summary>The newest cut that it has stopped at,</summary>
    [Id(3)]
    public long Gathered { get; init; }

    /// <summary>and where: a <see cref="CutOffsets"/>, until the coordinator has it.</summary>
    [Id(4)]
    public byte[]? Offsets { get; init; }

    /// <summary>The newest cut at which it has erased what was to be,</summary>
    [Id(5)]
    public long Erased { get; init; }

    /// <summary>before which everything is published,</summary>
    [Id(6)]
    public long Published { get; init; }

    /// <summary>and durable.</summary>
    [Id(7)]
    public long Flushed { get; init; }

    /// <summary>Why it cannot go on.</summary>
    [Id(8)]
    public string? Failure { get; init; }

    /// <summary>The newest cut that it knows to be a checkpoint.</summary>
    [Id(9)]
    public long Completed { get; init; }

    /// <summary>By source, a <see cref="FeatureStore.Runtime.SlicePosition"/>.</summary>
    [Id(10)]
    public long[] Positions { get; init; } = [];
}

/// <summary>What the coordinator wants of a silo: always all of it.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.slice-order")]
internal sealed class SliceOrder
{
    /// <summary>Names the coordinator's activation: it counts its orders anew.</summary>
    [Id(0)]
    public Guid Coordinator { get; init; }

    [Id(1)]
    public long Version { get; init; }

    /// <summary>The term that the slices are consumed in; 0: none has begun.</summary>
    [Id(2)]
    public long Term { get; init; }

    /// <summary>The slices of the silo that asks.</summary>
    [Id(3)]
    public required int[] Slices { get; init; }

    /// <summary>The cut under way; null where none is.</summary>
    [Id(4)]
    public CutOrder? Cut { get; init; }

    /// <summary>The newest cut that is a checkpoint.</summary>
    [Id(5)]
    public long Completed { get; init; }

    /// <summary>When it became one, Unix ms,</summary>
    [Id(6)]
    public long CompletedMs { get; init; }

    /// <summary>and what it took from its beginning.</summary>
    [Id(7)]
    public double DurationMs { get; init; }

    /// <summary>Bytes of events that became durable with it.</summary>
    [Id(8)]
    public long SizeBytes { get; init; }

    /// <summary>Why the silo that asks cannot have slices.</summary>
    [Id(9)]
    public string? Refusal { get; init; }

    /// <summary>By source, the least <see cref="FeatureStore.Runtime.SlicePosition"/> of other silos' slices,</summary>
    [Id(10)]
    public long[] Others { get; init; } = [];

    /// <summary>and whether any of them waits: <see cref="FeatureStore.Runtime.SliceWait"/>.</summary>
    [Id(11)]
    public byte[] Awaited { get; init; } = [];

    /// <summary>What the coordinator's clock shows; it starts anywhere.</summary>
    [Id(12)]
    public long ClockTicks { get; init; }
}

/// <summary>A cut of all slices.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.cut-order")]
internal sealed class CutOrder
{
    /// <summary>The last interval before it.</summary>
    [Id(0)]
    public long Interval { get; init; }

    [Id(1)]
    public CutPhase Phase { get; init; }

    /// <summary>Whether nobody goes on behind it: slices go to other silos there.</summary>
    [Id(2)]
    public bool IsLast { get; init; }

    [Id(3)]
    public required ErasureOrder[] Erasures { get; init; }
}

/// <summary>An entity to erase at a cut.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.erasure-order")]
internal sealed class ErasureOrder
{
    /// <summary>Index of the entity plan.</summary>
    [Id(0)]
    public int Entity { get; init; }

    [Id(1)]
    public required byte[] Key { get; init; }

    /// <summary>As <see cref="Payloads.ApplyRequest.Guards"/>.</summary>
    [Id(2)]
    public required byte[] Guards { get; init; }
}
