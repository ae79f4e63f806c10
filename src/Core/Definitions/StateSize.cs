using FeatureStore.Core.Blocks.Sketches;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Definitions;

/// <summary>
/// The most bytes that features of one entity may come to keep: an upper estimate, in which nothing is shared but rings of events. Values out of bounds count
/// as the nearest bound.
/// </summary>
internal static class StateSize
{
    private const int TextBytes = 64;
    private const int RowBytes = 16;

    /// <summary>Growing state takes up to twice what it holds.</summary>
    private const int Growth = 2;

    /// <summary>How much older than the newest an event may be that still takes effect.</summary>
    public static TimeSpan DisorderOf(SourceDefinition source) => Clamp(source.Lateness) + Clamp(source.Align);

    /// <param name="source">What feeds the features.</param>
    /// <param name="features">All features of the entity that the source feeds under one condition.</param>
    public static double BytesMax(SourceDefinition source, IReadOnlyCollection<FeatureDefinition> features)
    {
        var bytes = 0.0;
        foreach (var ring in features.GroupBy(feature => RingOf(feature.Window)).Where(ring => ring.Key is not null))
            bytes += RingBytes(source, ring.Key!, [.. ring]);
        return bytes + features.Sum(feature => RowsMax(source, feature.Window) * (RowBytes + CellBytes(feature)));
    }

    /// <summary>Windows that share a ring of events have the same one.</summary>
    private static object? RingOf(WindowDefinition? window) => window switch
    {
        WindowDefinition.Sliding { Tile: null } => typeof(WindowDefinition.Sliding),
        WindowDefinition.Session session => (session.Gap, session.Max),
        WindowDefinition.Last => typeof(WindowDefinition.Last),
        _ => null,
    };

    private static double RingBytes(SourceDefinition source, object ring, IReadOnlyCollection<FeatureDefinition> features)
    {
        // One that is both a value and a key is kept as both.
        string[] inputs = [.. features.Select(feature => feature.Of).OfType<string>().Distinct(), .. features.Select(feature => feature.By).OfType<string>().Distinct()];
        var events = features.Max(feature => feature.Window switch
        {
            WindowDefinition.Sliding sliding => Math.Clamp(sliding.Limit, 1, DefinitionLimits.WindowEventsMax),
            WindowDefinition.Session session => Math.Clamp(session.Limit, 1, DefinitionLimits.WindowEventsMax),
            WindowDefinition.Last last => Math.Clamp(last.Count, 1, DefinitionLimits.LastEventsMax) + WindowDefinition.LimitDefault,
            _ => 0,
        });
        return (1.25 * events + 4) * (sizeof(long) + inputs.Sum(input => InputBytes(source, features, input)));
    }

    /// <summary>What is an integer is kept as one for those that take it so, and as a double for the others.</summary>
    private static int InputBytes(SourceDefinition source, IReadOnlyCollection<FeatureDefinition> features, string input)
    {
        if (MayBeText(source, features, input))
            return TextBytes;
        var isInteger = DefinitionChecks.Schema(source.EventFields) is { } schema && CompiledExpression.Compile(input, schema, out _)?.Type == ExpressionType.Int;
        return isInteger && features.Any(feature => feature.By == input || feature.Of == input && AggregateRules.TakesInteger(feature.Aggregate))
            ? Blocks.EventInput.IntegerBytes + sizeof(double) : sizeof(double);
    }

    /// <summary>An expression is taken for a text where one could stand, unless it is a field of another type.</summary>
    private static bool MayBeText(SourceDefinition source, IEnumerable<FeatureDefinition> features, string input) =>
        source.Fields.FirstOrDefault(field => field.Name == input) is { } field
            ? field.Type == FieldType.String
            : features.Any(feature => feature.By == input || feature.Of == input && AggregateRules.TakesText(feature.Aggregate));

    private static double RowsMax(SourceDefinition source, WindowDefinition? window) => window switch
    {
        null => 1,
        WindowDefinition.Sliding { Tile: { } tile } sliding => Math.Min(DefinitionLimits.WindowRowsMax, Steps(Clamp(sliding.Length) + Clamp(sliding.Delay), tile)) * 1.25 + 4,
        WindowDefinition.Tumbling tumbling => Math.Min(DefinitionLimits.WindowRowsMax, Steps(DisorderOf(source), tumbling.Length)) * 1.25 + 4,
        WindowDefinition.Session session => Math.Clamp(session.Closed, 0, DefinitionLimits.SessionsClosedMax) * 1.25 + 4,
        // Those that keep events make their values from them.
        _ => 0,
    };

    private static double CellBytes(FeatureDefinition feature) =>
        feature.By is null ? CellBytes(feature.Aggregate, feature) : Growth * Math.Clamp(feature.Limit ?? DefinitionLimits.ByKeysDefault, 1, DefinitionLimits.ByKeysMax) * (TextBytes + RowBytes + CellBytes(feature.Aggregate, feature));

    private static double CellBytes(Aggregate aggregate, FeatureDefinition feature) => aggregate switch
    {
        Aggregate.Count or Aggregate.Rate => 8,
        Aggregate.Min or Aggregate.Max => 16,
        Aggregate.First or Aggregate.Last => RowBytes + TextBytes,
        Aggregate.FirstN or Aggregate.LastN => RowBytes + Math.Clamp(feature.N ?? 1, 1, DefinitionLimits.ListMax) * (sizeof(long) + TextBytes),
        Aggregate.CountDistinct => new DistinctCounts(wide: true, counted: true, Math.Clamp(feature.Limit ?? DefinitionLimits.DistinctValuesDefault, 1, DefinitionLimits.DistinctValuesMax)).SizeMax,
        Aggregate.ApproxCountDistinct => new HyperLogLog().SizeMax,
        Aggregate.Quantile => new QuantileSketch().SizeMax,
        Aggregate.TopK => new TopK(Math.Clamp(feature.K ?? 1, 1, DefinitionLimits.ListMax), TopKKey.Text).SizeMax,
        Aggregate.Histogram => sizeof(long) * (Math.Min(feature.Bounds?.Count ?? 0, DefinitionLimits.HistogramBoundsMax) + 1.0),
        _ => 128,
    };

    private static double Steps(TimeSpan length, TimeSpan step) => Math.Ceiling(length.TotalMilliseconds / Math.Max(1, step.TotalMilliseconds));

    private static TimeSpan Clamp(TimeSpan duration) => TimeSpan.FromTicks(Math.Clamp(duration.Ticks, 0, TimeSpan.FromDays(DefinitionLimits.DurationDaysMax).Ticks));
}
