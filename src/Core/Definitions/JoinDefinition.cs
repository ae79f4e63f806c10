namespace FeatureStore.Core.Definitions;

/// <summary>
/// A source whose events are pairs: an event of each of two other sources with equal keys and times at most <see cref="Within"/> apart. A pair comes to be
/// when the later of the two to arrive takes effect; its time is the later of both.
/// </summary>
public sealed record JoinDefinition
{
    public const int LimitDefault = 1000;

    /// <summary>Name of a source that reads a topic.</summary>
    public required string Left { get; init; }

    /// <summary>Name of another one.</summary>
    public required string Right { get; init; }

    /// <summary>1 to 8 fields that both sources have, of one type that is not double. An event that lacks one joins nothing.</summary>
    public required IReadOnlyList<string> On { get; init; }

    /// <summary>How far apart the two may be in time, inclusive.</summary>
    public required TimeSpan Within { get; init; }

    /// <summary>Which events become one by themselves, with the other side's fields null, when no partner can come any more.</summary>
    public JoinUnmatched Unmatched { get; init; }

    /// <summary>Events of a side kept for a key, 1 to 10,000; beyond it the oldest goes, counted.</summary>
    public int Limit { get; init; } = LimitDefault;
}

public enum JoinUnmatched
{
    None,
    Left,
    Right,
    Both,
}
