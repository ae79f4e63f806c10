namespace FeatureStore.Grains.Changes;

/// <summary>Settings of the streams that carry changes between silos.</summary>
public sealed record ChangeStreamOptions
{
    /// <summary>Streams of an entity type; each silo publishes to one of them. The same on all silos. Default 4; 1 to 64.</summary>
    public int Buckets { get; init; } = 4;

    /// <summary>Time between two rounds in which a silo publishes what has changed. Default 50 ms.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Most entities of a type that a silo publishes in a round; the rest waits. Default 10,000.</summary>
    public int EntitiesPerRound { get; init; } = 10_000;

    /// <summary>Most entities of a message. Default 1,000.</summary>
    public int EntitiesPerBatch { get; init; } = 1000;

    /// <summary>How often a silo that listens says so, and compares what was published with what has come. Default 500 ms.</summary>
    public TimeSpan Renewal { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a silo publishes after it was last told that somebody listens. Default 5 s.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a published batch may be under way before it counts as lost; also the time between two looks whether the streams still know who listens. Default 5 s.</summary>
    public TimeSpan LostAfter { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a call to a silo may take. One that does not answer is asked again, and counts as new. Default 2 s.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Throws where a setting is out of its range.</summary>
    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Buckets, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Buckets, 64);
        ArgumentOutOfRangeException.ThrowIfLessThan(Interval, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(EntitiesPerRound, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(EntitiesPerBatch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Renewal, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(Lease, 2 * Renewal);
        ArgumentOutOfRangeException.ThrowIfLessThan(LostAfter, Interval);
        ArgumentOutOfRangeException.ThrowIfLessThan(CallTimeout, TimeSpan.FromMilliseconds(1));
    }
}
