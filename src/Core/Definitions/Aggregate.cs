namespace FeatureStore.Core.Definitions;

/// <summary>What a feature makes of the inputs in its window. Null, NaN and infinite inputs are skipped, and counted.</summary>
public enum Aggregate
{
    /// <summary>Events; with an input, those where it is not null. Nothing: 0.</summary>
    Count,

    /// <summary>Nothing: 0.</summary>
    Sum,
    Mean,
    Min,
    Max,
    Variance,
    Stddev,
    Skew,

    /// <summary>In excess of 3.</summary>
    Kurtosis,

    /// <summary>The input of the oldest event, in order of time, then of arrival; a number or text.</summary>
    First,

    /// <summary>The input of the newest event; a number or text.</summary>
    Last,

    /// <summary>List of the oldest n inputs, oldest first; numbers or texts.</summary>
    FirstN,

    /// <summary>List of the newest n inputs, newest last; numbers or texts.</summary>
    LastN,

    /// <summary>Number of distinct inputs, exact up to the limit; numbers or texts. Nothing: 0.</summary>
    CountDistinct,

    /// <summary>HyperLogLog++; numbers or texts. Nothing: 0.</summary>
    ApproxCountDistinct,

    /// <summary>By nearest rank.</summary>
    Quantile,

    /// <summary>List of the k most frequent inputs with their counts, by count descending, then value ascending; numbers or texts.</summary>
    TopK,

    /// <summary>List of counts between bounds.</summary>
    Histogram,

    /// <summary>Σ v·2^(−(t − tᵢ)/h). Nothing: 0.</summary>
    DecayedSum,

    /// <summary>Σ 2^(−(t − tᵢ)/h). Nothing: 0.</summary>
    DecayedCount,

    /// <summary>Decayed sum ÷ decayed count.</summary>
    DecayedMean,

    /// <summary>Events (with an input, those where it is not null) per second of the window's length. Of sliding and tumbling windows only. Nothing: 0.</summary>
    Rate,

    /// <summary>Seconds from the newest event to t.</summary>
    TimeSinceLast,

    /// <summary>Mean seconds between neighbouring events; null for fewer than two.</summary>
    TimeBetween,

    /// <summary>Number of sessions covered. Of session windows only. Nothing: 0.</summary>
    SessionCount,

    /// <summary>Seconds from first to last event, of all sessions covered together. Of session windows only.</summary>
    SessionDuration,

    /// <summary>Unix milliseconds of the first event of the oldest session covered. Of session windows only.</summary>
    SessionStart,
}
