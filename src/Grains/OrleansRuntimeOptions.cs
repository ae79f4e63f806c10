using FeatureStore.Grains.Placement;
using FeatureStore.Runtime;

namespace FeatureStore.Grains;

/// <summary>Settings of <see cref="OrleansRuntime"/>.</summary>
public sealed record OrleansRuntimeOptions
{
    /// <summary>Grain calls under way at once, 1 to 4,096. Default 128.</summary>
    public int CallsMax { get; init; } = 128;

    /// <summary>How long an entity may be out of reach, as while a silo's death is found out, before the stream fails. Default 60 s.</summary>
    public TimeSpan UnreachableMax { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a read looks for entities that are out of reach before it fails; one attempt that is under way then, of 2 to 3 s, comes on top. Default 10 s.</summary>
    public TimeSpan ReadMax { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an erasure may take to become durable before whoever asked is told that it is not. The stream waits meanwhile. Default 2 s.</summary>
    public TimeSpan EraseMax { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Time between two cuts, from the end of one checkpoint to the next: how long an event waits to become durable. Default 1 s.</summary>
    public TimeSpan WriteBehind { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Undurable events of any one entity from which a cut does not wait for its time. Default 1,000.</summary>
    public int WriteBehindEvents { get; init; } = 1000;

    /// <summary>Least time between two cuts, however many events there are: a key that is hot does not make the store's work its own. Default 100 ms.</summary>
    public TimeSpan WriteBehindMin { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// Entities that a silo writes at once, for each call that asks it to, 1 to 512. Default 32: more gain little where each write is a round trip to a server of few connections, but
    /// a store that puts writes together puts no more than these together.
    /// </summary>
    public int WritesMax { get; init; } = 32;

    /// <summary>Bytes of events kept until they are durable. From half of it a cut does not wait; at all of it the stream waits. Default 256 MiB.</summary>
    public long UnsavedBytesMax { get; init; } = 256L << 20;

    /// <summary>Whether events reach entities on the owner's own silo without a message. Default true.</summary>
    public bool AppliesInPlace { get; init; } = true;

    /// <summary>Where entities are placed. Default: on the silo that owns the stream.</summary>
    public EntityPlacementPreference Placement { get; init; }

    /// <summary>Entities that the owner of the stream takes; further ones go to all silos evenly. Default 1,000,000.</summary>
    public int OwnerEntitiesMax { get; init; } = 1_000_000;

    /// <summary>With several slices: how long a silo that joins waits for more to join, before slices move. Default 1 s.</summary>
    public TimeSpan JoinWait { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>With several slices: how long a silo that the cluster holds for alive may be silent before its slices go to others. Default 15 s.</summary>
    public TimeSpan SilenceMax { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long an entity stays in memory that nobody uses, by an event or a read: 1 s to 30 days. Default 15 min.</summary>
    public TimeSpan IdleMax { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>
    /// Share of the memory from which entities that are idle make room: of what the process may have in RAM, or of what the managed heap may be, whichever is fuller. More than 0, at most 1. Default 0.85.
    /// </summary>
    public double MemoryShareMax { get; init; } = 0.85;

    /// <summary>Share of the memory at which there is room enough. At least 0, less than <see cref="MemoryShareMax"/>. Default 0.75.</summary>
    public double MemoryShareTarget { get; init; } = 0.75;

    /// <summary>Whether entities move to a new owner, or slice, that calls them. Default true.</summary>
    internal bool EntitiesFollow { get; init; } = true;

    /// <summary>Reads the memory.</summary>
    internal Func<MemoryReading> Memory { get; init; } = ProcessMemory.Read;

    /// <summary>Time between two looks at it.</summary>
    internal TimeSpan SheddingInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Throws where a setting is out of its range.</summary>
    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(CallsMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(CallsMax, 4096);
        ArgumentOutOfRangeException.ThrowIfLessThan(UnreachableMax, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(ReadMax, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(EraseMax, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(WriteBehind, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(WriteBehindEvents, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(WriteBehindMin, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(WritesMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(WritesMax, Cut.EntitiesPerCall);
        ArgumentOutOfRangeException.ThrowIfLessThan(UnsavedBytesMax, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(OwnerEntitiesMax, 0);
        ArgumentOutOfRangeException.ThrowIfLessThan(JoinWait, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(SilenceMax, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(IdleMax, TimeSpan.FromSeconds(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(IdleMax, TimeSpan.FromDays(30));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(MemoryShareMax, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MemoryShareMax, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(MemoryShareTarget);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(MemoryShareTarget, MemoryShareMax);
    }
}
