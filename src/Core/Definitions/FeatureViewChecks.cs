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
                Features(checks, view, source, path, subject);
        }
    }

    private static void Features(DefinitionChecks checks, FeatureViewDefinition view, SourceDefinition? source, string viewPath, string viewSubject)
    {
        var schema = source is null ? null : checks.SchemaOf(source);
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var index = 0; index < view.Features.Count; index++)
        {
            var feature = view.Features[index];
            var path = $"{viewPath}.features[{index}]";
            if (checks.Identifier($"{path}.name", viewSubject, "feature", feature.Name) && !names.Add(feature.Name))
                checks.Add($"{path}.name", viewSubject, $"feature {DefinitionText.Quote(feature.Name)} is defined twice.");
            var subject = feature.Name.Length == 0 ? viewSubject : $"{viewSubject}: feature {DefinitionText.Quote(feature.Name)}";
            AggregateChecks.Check(checks, feature, schema, path, subject);
            WindowChecks.Check(checks, feature, source, path, subject);
        }
    }
}
