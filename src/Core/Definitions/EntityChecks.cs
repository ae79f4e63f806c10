namespace FeatureStore.Core.Definitions;

internal static class EntityChecks
{
    public static void Check(DefinitionChecks checks)
    {
        foreach (var (entity, path, subject) in checks.Section(checks.Entities, "entities", DefinitionLimits.EntitiesMax))
        {
            if (entity.Keys.Count is 0 or > DefinitionLimits.EntityKeysMax)
            {
                checks.Add($"{path}.keys", subject, $"has {entity.Keys.Count} keys. An entity has 1 to {DefinitionLimits.EntityKeysMax}.");
                continue;
            }

            var names = new HashSet<string>(StringComparer.Ordinal);
            for (var index = 0; index < entity.Keys.Count; index++)
            {
                var keyPath = $"{path}.keys[{index}]";
                if (!checks.Identifier(keyPath, subject, "key", entity.Keys[index]))
                    continue;
                if (!names.Add(entity.Keys[index]))
                    checks.Add(keyPath, subject, $"key {DefinitionText.Quote(entity.Keys[index])} is listed twice.");
                else
                    Key(checks, entity, entity.Keys[index], keyPath, subject);
            }

            Size(checks, entity, path, subject);
        }
    }

    /// <summary>Type of a key, as the first source that feeds the entity and has it declares it; null where none does.</summary>
    public static FieldDefinition? KeyField(DefinitionChecks checks, EntityDefinition entity, string key) =>
        Feeds(checks, entity).Select(feed => FieldOf(feed.Source, key)).FirstOrDefault(field => field is not null);

    /// <summary>A block stays one value of every store, whatever its events.</summary>
    private static void Size(DefinitionChecks checks, EntityDefinition entity, string path, string subject)
    {
        var bytes = checks.Views.Items.Where(view => view.Entity == entity.Name && checks.Sources.Find(view.Source) is not null)
            .SelectMany(view => view.Features.Select(feature => (view.Source, Feature: feature)))
            .GroupBy(fed => (fed.Source, fed.Feature.Where))
            .Sum(group => StateSize.BytesMax(checks.Sources.Find(group.Key.Source)!, [.. group.Select(fed => fed.Feature)]));
        if (bytes > DefinitionLimits.EntityBytesMax)
            checks.Add(path, subject, $"its features may come to keep {bytes:N0} bytes for one key. At most {DefinitionLimits.EntityBytesMax:N0} are allowed. Lower limit, use longer tiles, or aggregate fewer different inputs.");
    }

    /// <summary>Every source that feeds a view of the entity declares the key, with one type.</summary>
    private static void Key(DefinitionChecks checks, EntityDefinition entity, string key, string path, string subject)
    {
        var feeds = Feeds(checks, entity).ToArray();
        if (feeds.Length == 0)
            return;
        var quoted = DefinitionText.Quote(key);
        if (KeyField(checks, entity, key) is not { } declared)
        {
            checks.Add(path, subject, $"key {quoted} is not a field of source {DefinitionText.Quote(feeds[0].Source.Name)}, which feeds feature view {DefinitionText.Quote(feeds[0].View.Name)}.{checks.Hint(key, DefinitionChecks.FieldNames(feeds[0].Source.Fields))}");
            return;
        }

        if (declared.Type == FieldType.Double)
            checks.Add(path, subject, $"key {quoted} is a double, which has no reliable equality. A key is an int64, a string, a bool or a timestamp.");
        var first = feeds.First(feed => FieldOf(feed.Source, key) is not null).Source;
        foreach (var (source, view, viewPath) in feeds)
        {
            var viewSubject = DefinitionText.Subject("feature view", view.Name, viewPath);
            var field = FieldOf(source, key);
            if (field is null)
                checks.Add($"{viewPath}.source", viewSubject, $"source {DefinitionText.Quote(source.Name)} has no field {quoted}, a key of entity {DefinitionText.Quote(entity.Name)}.{checks.Hint(key, DefinitionChecks.FieldNames(source.Fields))}");
            else if (field.Type != declared.Type && Enum.IsDefined(field.Type) && Enum.IsDefined(declared.Type))
                checks.Add($"{viewPath}.source", viewSubject, $"{quoted}, a key of entity {DefinitionText.Quote(entity.Name)}, is {DefinitionText.AValueOf(field.Type)} in source {DefinitionText.Quote(source.Name)} and {DefinitionText.AValueOf(declared.Type)} in source {DefinitionText.Quote(first.Name)}. Declare one type.");
        }
    }

    /// <summary>The first view of each source that feeds the entity.</summary>
    private static IEnumerable<(SourceDefinition Source, FeatureViewDefinition View, string Path)> Feeds(DefinitionChecks checks, EntityDefinition entity) =>
        checks.Views.Items
            .Select((view, index) => (Source: checks.Sources.Find(view.Source)!, View: view, Path: $"feature_views[{index}]"))
            .Where(feed => feed.View.Entity == entity.Name && feed.Source is { Fields.Count: > 0 } && feed.Source.Fields.All(field => field.Name.Length > 0))
            .DistinctBy(feed => feed.Source.Name);

    private static FieldDefinition? FieldOf(SourceDefinition source, string name) => source.Fields.FirstOrDefault(field => field.Name == name);
}
