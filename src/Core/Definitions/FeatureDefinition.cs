namespace FeatureStore.Core.Definitions;

/// <summary>One aggregate of a view's events.</summary>
public sealed record FeatureDefinition
{
    public required string Name { get; init; }

    public required Aggregate Aggregate { get; init; }

    /// <summary>
    /// Expression over the source's fields that gives the input: a number, a bool, a timestamp; where the aggregate says so a text. Null only for aggregates
    /// that need none, which then look at events.
    /// </summary>
    public string? Of { get; init; }

    /// <summary>Expression of type bool: only events for which it is true count.</summary>
    public string? Where { get; init; }

    /// <summary>Field or expression, a number or text: one value for each of its values, as a map. Null: one value.</summary>
    public string? By { get; init; }

    /// <summary>Null: everything since the beginning (lifetime).</summary>
    public WindowDefinition? Window { get; init; }

    /// <summary>Value in place of null. Of numbers only.</summary>
    public double? Default { get; init; }

    /// <summary>Most keys of <see cref="By"/> (1 to 1,000, by default 50; beyond it the key longest unseen goes, counted), else most values of <see cref="Aggregate.CountDistinct"/> (1 to 65,536, by default 1,000; counting ends there).</summary>
    public int? Limit { get; init; }

    /// <summary>Values of <see cref="Aggregate.FirstN"/> and <see cref="Aggregate.LastN"/>: 1 to 100.</summary>
    public int? N { get; init; }

    /// <summary>Values of <see cref="Aggregate.TopK"/>: 1 to 100.</summary>
    public int? K { get; init; }

    /// <summary>Of <see cref="Aggregate.Quantile"/>: 0 to 1, 0.5 the median.</summary>
    public double? Q { get; init; }

    /// <summary>Of the decayed aggregates: after it an event weighs half. More than 0.</summary>
    public TimeSpan? HalfLife { get; init; }

    /// <summary>Of <see cref="Aggregate.Histogram"/>: n ascending bounds give n + 1 counts of [bᵢ, bᵢ₊₁). 1 to 100.</summary>
    public IReadOnlyList<double>? Bounds { get; init; }

    /// <summary>For variance, stddev, skew and kurtosis: of a sample, not of the population.</summary>
    public bool Sample { get; init; }
}
