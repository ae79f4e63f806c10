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
