using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Definitions;

/// <summary>An aggregate with its inputs and parameters.</summary>
internal static class AggregateChecks
{
    public static void Check(DefinitionChecks checks, FeatureDefinition feature, RowSchema? schema, string path, string subject)
    {
        var aggregate = feature.Aggregate;
        var isDefined = checks.Defined($"{path}.aggregate", subject, "aggregate", aggregate);
        var name = DefinitionText.Name(aggregate);
        var input = feature.Of is { } of ? checks.Compile(of, schema, $"{path}.of", subject) : null;
        if (feature.Where is { } where && checks.Compile(where, schema, $"{path}.where", subject) is { } condition && condition is not (ExpressionType.Bool or ExpressionType.Dynamic))
            checks.Add($"{path}.where", subject, $"where is {OfType(condition)}, not a condition. Compare it with something.");
        if (feature.By is { } by && checks.Compile(by, schema, $"{path}.by", subject) is { } key && !IsNumber(key) && key != ExpressionType.String)
            checks.Add($"{path}.by", subject, $"by is {OfType(key)}. It is a number, a bool, a timestamp or a text.");
        if (!isDefined)
            return;
        Input(checks, feature, input, name, path, subject);
        Parameters(checks, feature, name, path, subject);
        Limit(checks, feature, name, path, subject);
        Default(checks, feature, input, name, path, subject);
    }

    private static void Input(DefinitionChecks checks, FeatureDefinition feature, ExpressionType? input, string name, string path, string subject)
    {
        if (feature.By is not null && !AggregateRules.TakesBy(feature.Aggregate))
            checks.Add($"{path}.by", subject, $"{name} takes no by. Use it with {Names(AggregateRules.TakesBy)}.");
        if (feature.Of is null)
        {
            if (AggregateRules.NeedsInput(feature.Aggregate))
                checks.Add($"{path}.of", subject, $"{name} needs an input. Add of, a field or an expression.");
            return;
        }

        if (!AggregateRules.TakesInput(feature.Aggregate))
        {
            checks.Add($"{path}.of", subject, $"{name} looks at the times of events and takes no input. Remove of, or choose events with where.");
            return;
        }

        if (input is not { } type || feature.Aggregate == Aggregate.Count || IsNumber(type))
            return;
        if (!AggregateRules.TakesText(feature.Aggregate))
            checks.Add($"{path}.of", subject, $"{name} takes a number, a bool or a timestamp; of is {OfType(type)}. Only count takes anything.");
        else if (type != ExpressionType.String)
            checks.Add($"{path}.of", subject, $"{name} takes a number, a bool, a timestamp or a text; of is {OfType(type)}. Only count takes anything.");
        else if (feature.By is not null && AggregateRules.TakesBy(feature.Aggregate))
            checks.Add($"{path}.of", subject, $"of is {OfType(type)}, and the values of a map are numbers. Remove by, or take a number.");
    }

    private static void Parameters(DefinitionChecks checks, FeatureDefinition feature, string name, string path, string subject)
    {
        var aggregate = feature.Aggregate;
        if (Goes("n", feature.N, aggregate is Aggregate.FirstN or Aggregate.LastN, "how many values the list has"))
            Range("n", feature.N!.Value, DefinitionLimits.ListMax);
        if (Goes("k", feature.K, aggregate is Aggregate.TopK, "how many values the list has"))
            Range("k", feature.K!.Value, DefinitionLimits.ListMax);
        if (Goes("q", feature.Q, aggregate is Aggregate.Quantile, "0.5 for the median") && feature.Q is not (>= 0 and <= 1))
            checks.Add($"{path}.q", subject, "q is outside 0 to 1.");
        if (Goes("half_life", feature.HalfLife, AggregateRules.IsDecayed(aggregate), "after which an event weighs half"))
            checks.Duration($"{path}.half_life", subject, "half_life", feature.HalfLife!.Value, isZeroAllowed: false);
        if (Goes("bounds", feature.Bounds, aggregate is Aggregate.Histogram, "the bounds between which it counts"))
            Bounds(checks, feature.Bounds!, $"{path}.bounds", subject);
        if (feature.Sample && !AggregateRules.TakesSample(aggregate))
            checks.Add($"{path}.sample", subject, $"{name} takes no sample. Use it with {Names(AggregateRules.TakesSample)}.");

        bool Goes<T>(string key, T value, bool isNeeded, string meaning)
        {
            if (value is null == !isNeeded)
                return isNeeded;
            checks.Add($"{path}.{key}", subject, isNeeded ? $"{name} needs {key}, {meaning}." : $"{name} takes no {key}. Remove it.");
            return false;
        }

        void Range(string key, int value, int max)
        {
            if (value < 1 || value > max)
                checks.Add($"{path}.{key}", subject, $"{key} is outside 1 to {max}.");
        }
    }

    private static void Bounds(DefinitionChecks checks, IReadOnlyList<double> bounds, string path, string subject)
    {
        if (bounds.Count is 0 or > DefinitionLimits.HistogramBoundsMax)
        {
            checks.Add(path, subject, $"bounds has {bounds.Count} numbers. It takes 1 to {DefinitionLimits.HistogramBoundsMax}.");
            return;
        }

        checks.Ascending(path, subject, bounds);
    }

    /// <summary>Of keys where there is by, else of distinct values.</summary>
    private static void Limit(DefinitionChecks checks, FeatureDefinition feature, string name, string path, string subject)
    {
        if (feature.Limit is not { } limit)
            return;
        var max = feature.By is not null ? DefinitionLimits.ByKeysMax : DefinitionLimits.DistinctValuesMax;
        if (feature.By is null && feature.Aggregate != Aggregate.CountDistinct)
            checks.Add($"{path}.limit", subject, $"{name} takes no limit without by. A window's limit stands in the window.");
        else if (limit < 1 || limit > max)
            checks.Add($"{path}.limit", subject, $"limit is outside 1 to {max}.");
    }

    private static void Default(DefinitionChecks checks, FeatureDefinition feature, ExpressionType? input, string name, string path, string subject)
    {
        if (feature.Default is not { } value || !checks.Finite($"{path}.default", subject, "default", value))
            return;
        var shape = AggregateRules.ShapeOf(feature) ?? (IsText(feature.Aggregate, input) ? "a text" : null);
        if (shape is not null)
            checks.Add($"{path}.default", subject, $"default stands in for a number, and this feature is {shape}. Remove default.");
        else if (value != 0 && AggregateRules.IsZeroOfNothing(feature.Aggregate))
            checks.Add($"{path}.default", subject, $"default {value} would never show: a {name} of nothing is 0. Remove default.");
    }

    /// <summary>Whether an aggregate of an input of some type is a text.</summary>
    public static bool IsText(Aggregate aggregate, ExpressionType? input) => aggregate is Aggregate.First or Aggregate.Last && input == ExpressionType.String;

    private static bool IsNumber(ExpressionType type) => type is ExpressionType.Int or ExpressionType.Uint or ExpressionType.Double or ExpressionType.Bool
        or ExpressionType.Timestamp or ExpressionType.Duration or ExpressionType.Dynamic;

    private static string Names(Func<Aggregate, bool> takes) => string.Join(", ", Enum.GetValues<Aggregate>().Where(takes).Select(DefinitionText.Name));

    private static string OfType(ExpressionType type) => $"of type {DefinitionText.Name(type)}";
}
