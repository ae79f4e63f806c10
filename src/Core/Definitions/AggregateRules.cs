namespace FeatureStore.Core.Definitions;

/// <summary>What each aggregate takes and gives. The one table that checks and sizes go by.</summary>
internal static class AggregateRules
{
    /// <summary>Whether it aggregates events themselves where no input is given.</summary>
    public static bool NeedsInput(Aggregate aggregate) => TakesInput(aggregate) && aggregate is not (Aggregate.Count or Aggregate.Rate or Aggregate.DecayedCount);

    public static bool TakesInput(Aggregate aggregate) => !IsOfSessions(aggregate) && aggregate is not (Aggregate.TimeSinceLast or Aggregate.TimeBetween);

    public static bool TakesText(Aggregate aggregate) => aggregate is Aggregate.First or Aggregate.Last or Aggregate.FirstN or Aggregate.LastN
        or Aggregate.CountDistinct or Aggregate.ApproxCountDistinct or Aggregate.TopK;

    /// <summary>Whether it takes inputs of type int exactly; else they are rounded to doubles.</summary>
    public static bool TakesInteger(Aggregate aggregate) => TakesText(aggregate) || IsIntegerOfIntegers(aggregate);

    /// <summary>Whether its value over inputs of type int is one number that is an integer too.</summary>
    public static bool IsIntegerOfIntegers(Aggregate aggregate) => aggregate is Aggregate.Sum or Aggregate.Min or Aggregate.Max or Aggregate.First or Aggregate.Last;

    public static bool TakesBy(Aggregate aggregate) => aggregate is Aggregate.Count or Aggregate.Sum or Aggregate.Mean or Aggregate.Min or Aggregate.Max
        or Aggregate.First or Aggregate.Last or Aggregate.Variance or Aggregate.Stddev or Aggregate.Rate;

    public static bool TakesSample(Aggregate aggregate) => aggregate is Aggregate.Variance or Aggregate.Stddev or Aggregate.Skew or Aggregate.Kurtosis;

    public static bool IsDecayed(Aggregate aggregate) => aggregate is Aggregate.DecayedSum or Aggregate.DecayedCount or Aggregate.DecayedMean;

    public static bool IsOfSessions(Aggregate aggregate) => aggregate is Aggregate.SessionCount or Aggregate.SessionDuration or Aggregate.SessionStart;

    /// <summary>Whether the value over no events is 0, not null.</summary>
    public static bool IsZeroOfNothing(Aggregate aggregate) => aggregate is Aggregate.Count or Aggregate.Sum or Aggregate.CountDistinct or Aggregate.ApproxCountDistinct
        or Aggregate.Rate or Aggregate.DecayedSum or Aggregate.DecayedCount or Aggregate.SessionCount;

    /// <summary>Whether an event's effect can be taken out of a state that does not hold the single events.</summary>
    public static bool IsSubtractable(Aggregate aggregate) => aggregate is not (Aggregate.Min or Aggregate.Max or Aggregate.First or Aggregate.Last
        or Aggregate.FirstN or Aggregate.LastN or Aggregate.TopK or Aggregate.ApproxCountDistinct or Aggregate.TimeSinceLast or Aggregate.TimeBetween);

    /// <summary>Whether a window holds its single events, at least those that a retraction may still reach.</summary>
    public static bool KeepsEvents(WindowDefinition? window) => window is WindowDefinition.Sliding { Tile: null } or WindowDefinition.Session or WindowDefinition.Last;

    /// <summary>What a feature's value is, in a sentence; null for a number, or for a text where the input is one.</summary>
    public static string? ShapeOf(FeatureDefinition feature) => feature switch
    {
        { By: not null } => "a map",
        { Aggregate: Aggregate.FirstN or Aggregate.LastN or Aggregate.TopK or Aggregate.Histogram } => "a list",
        _ => null,
    };
}
