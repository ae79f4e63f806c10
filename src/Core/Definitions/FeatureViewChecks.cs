using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Definitions;

internal static class FeatureViewChecks
{
    public static void Check(DefinitionChecks checks)
    {
        var featuresOfEntity = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (view, path, subject) in checks.Section(checks.Views, "feature_views", DefinitionLimits.FeatureViewsMax))
        {
            checks.Resolve(checks.Entities, view.Entity, $"{path}.entity", subject);
            var source = checks.Resolve(checks.Sources, view.Source, $"{path}.source", subject);
            if (view.Ttl is { } ttl)
                checks.Duration($"{path}.ttl", subject, "ttl", ttl, isZeroAllowed: false);
            if (view.Features.Count == 0)
                checks.Add($"{path}.features", subject, "has no features.");

            var count = featuresOfEntity.GetValueOrDefault(view.Entity) + view.Features.Count;
            featuresOfEntity[view.Entity] = count;
            if (count > DefinitionLimits.EntityFeaturesMax)
                checks.Add($"{path}.features", subject, $"entity {DefinitionText.Quote(view.Entity)} has {count} features up to here. At most {DefinitionLimits.EntityFeaturesMax} are allowed.");
            else
                Features(checks, view, source is null ? null : checks.SchemaOf(source), path, subject);
        }
    }

    private static void Features(DefinitionChecks checks, FeatureViewDefinition view, RowSchema? schema, string viewPath, string viewSubject)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var index = 0; index < view.Features.Count; index++)
        {
            var feature = view.Features[index];
            var path = $"{viewPath}.features[{index}]";
            if (checks.Identifier($"{path}.name", viewSubject, "feature", feature.Name) && !names.Add(feature.Name))
                checks.Add($"{path}.name", viewSubject, $"feature {DefinitionText.Quote(feature.Name)} is defined twice.");
            var subject = feature.Name.Length == 0 ? viewSubject : $"{viewSubject}: feature {DefinitionText.Quote(feature.Name)}";
            Aggregate(checks, feature, schema, path, subject);
            if (feature.Where is { } where && checks.Compile(where, schema, $"{path}.where", subject) is { } type && type is not (ExpressionType.Bool or ExpressionType.Dynamic))
                checks.Add($"{path}.where", subject, $"where is {OfType(type)}, not a condition. Compare it with something.");
            if (feature.Window is WindowDefinition.Sliding window)
                Window(checks, window, $"{path}.window", subject);
            if (feature.Default is { } value && checks.Finite($"{path}.default", subject, "default", value)
                && value != 0 && feature.Aggregate is Definitions.Aggregate.Count or Definitions.Aggregate.Sum)
                checks.Add($"{path}.default", subject, $"default {value} would never show: a {DefinitionText.Name(feature.Aggregate)} of nothing is 0. Remove default.");
        }
    }

    private static void Aggregate(DefinitionChecks checks, FeatureDefinition feature, RowSchema? schema, string path, string subject)
    {
        var isDefined = checks.Defined($"{path}.aggregate", subject, "aggregate", feature.Aggregate);
        var name = DefinitionText.Name(feature.Aggregate);
        if (feature.Of is not { } of)
        {
            if (isDefined && feature.Aggregate != Definitions.Aggregate.Count)
                checks.Add($"{path}.of", subject, $"{name} needs an input. Add of, a field or an expression.");
            return;
        }

        if (checks.Compile(of, schema, $"{path}.of", subject) is not { } type || !isDefined || feature.Aggregate == Definitions.Aggregate.Count)
            return;
        if (type is not (ExpressionType.Int or ExpressionType.Uint or ExpressionType.Double or ExpressionType.Bool or ExpressionType.Timestamp or ExpressionType.Duration or ExpressionType.Dynamic))
            checks.Add($"{path}.of", subject, $"{name} takes a number, a bool or a timestamp; of is {OfType(type)}. Only count takes anything.");
    }

    private static void Window(DefinitionChecks checks, WindowDefinition.Sliding window, string path, string subject)
    {
        checks.Duration($"{path}.sliding", subject, "window", window.Length, isZeroAllowed: false);
        checks.Duration($"{path}.delay", subject, "delay", window.Delay, isZeroAllowed: true);
        if (window.Limit is < 1 or > DefinitionLimits.WindowEventsMax)
            checks.Add($"{path}.limit", subject, $"limit is outside 1 to {DefinitionLimits.WindowEventsMax}.");
    }

    private static string OfType(ExpressionType type) => $"of type {DefinitionText.Name(type)}";
}
