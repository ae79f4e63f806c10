namespace FeatureStore.Core.Definitions;

/// <summary>Features of one entity computed from one source.</summary>
public sealed record FeatureViewDefinition
{
    public required string Name { get; init; }

    public required string Entity { get; init; }

    public required string Source { get; init; }

    /// <summary>Age of the view's newest event from which values read as OUTSIDE_MAX_AGE; null: never.</summary>
    public TimeSpan? Ttl { get; init; }

    public required IReadOnlyList<FeatureDefinition> Features { get; init; }
}

public sealed record FeatureDefinition
{
    public required string Name { get; init; }

    public required Aggregate Aggregate { get; init; }

    /// <summary>Expression over the source's fields that gives the input; null only for <see cref="Aggregate.Count"/>, which then counts events.</summary>
    public string? Of { get; init; }

    /// <summary>Expression of type bool: only events for which it is true count.</summary>
    public string? Where { get; init; }

    /// <summary>Null: everything since the beginning (lifetime).</summary>
    public WindowDefinition? Window { get; init; }

    /// <summary>Value in place of null.</summary>
    public double? Default { get; init; }
}

/// <summary>(t − Delay − Sliding, t − Delay] as of t; exact: every event within reach is kept.</summary>
public sealed record WindowDefinition
{
    public required TimeSpan Sliding { get; init; }

    public TimeSpan Delay { get; init; }

    /// <summary>Most events kept for an entity; overflow drops the oldest, counted. 1 to 1,000,000.</summary>
    public int Limit { get; init; } = 100_000;
}

public enum Aggregate
{
    Count,
    Sum,
    Mean,
    Min,
    Max,
    Last,
}
