using System.Globalization;
using FeatureStore.Api.Features;
using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using Microsoft.AspNetCore.Http;

namespace FeatureStore.Api.Changes;

/// <summary>Reads a selection from the query of a request.</summary>
internal sealed class ChangeQuery(ProjectPlan plan, FeatureCatalog catalog, FeatureStoreApiOptions options)
{
    private const int MinIntervalDefaultMs = 100;

    private static readonly string[] _names = ["features", "feature_view", "feature_service", "full_feature_names", "entity", "on_change", "where", "min_interval_ms"];

    /// <summary>Reads a selection.</summary>
    /// <exception cref="ApiException">It cannot be read.</exception>
    public ChangeSelection Read(IQueryCollection query)
    {
        var fullNames = Single(query, "full_feature_names") switch
        {
            null or "false" => false,
            "true" => true,
            var text => throw ApiException.BadRequest("bad-request", $"\"full_feature_names\" is {DefinitionText.Quote(text)}, neither true nor false."),
        };
        var features = Features(query, fullNames);
        var entities = Entities(query, features);
        CheckNames(query, entities);
        var hasKeys = entities.Any(entity => entity.Keys.Any(key => query.ContainsKey(key.Name)));
        if (hasKeys && entities.Count > 1)
        {
            throw ApiException.BadRequest("bad-key",
                $"The features are of the entities {string.Join(", ", entities.Select(entity => $"\"{entity.Name}\""))}. Name the one that the join keys are of by entity=….");
        }

        var sets = entities.Select(entity => FeatureSet.OfFeatures(plan, features.Where(feature => feature.Entity == entity), fullNames)).ToList();
        var onChange = OnChange(query, sets);
        var where = Single(query, "where");
        if (where is not null && entities.Count > 1)
        {
            throw ApiException.BadRequest("bad-where",
                $"The features are of the entities {string.Join(", ", entities.Select(entity => $"\"{entity.Name}\""))}. Name the one that \"where\" is of by entity=….");
        }

        var parts = entities.Select((entity, index) => new ChangePart(
            entity, sets[index], hasKeys ? Keys(query, entity) : null, onChange?[index], where is null ? null : new ChangeCondition(where, sets[index])));
        return new ChangeSelection([.. parts], MinInterval(query));
    }

    private static string? Single(IQueryCollection query, string name)
    {
        var values = query[name];
        return values.Count > 1 ? throw ApiException.BadRequest("bad-request", $"\"{name}\" comes {values.Count} times. Give it once.")
            : values.Count == 1 ? values[0] : null;
    }

    private static string[] List(IQueryCollection query, string name) =>
        [.. query[name].SelectMany(text => text!.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))];

    private List<NamedFeature> Features(IQueryCollection query, bool fullNames)
    {
        var (view, service) = (Single(query, "feature_view"), Single(query, "feature_service"));
        var given = new[] { query.ContainsKey("features"), view is not null, service is not null }.Count(isGiven => isGiven);
        if (given != 1)
        {
            throw ApiException.BadRequest("bad-request",
                $"The query has {(given == 0 ? "none" : "more than one")} of \"features\", \"feature_view\" and \"feature_service\". Name the features in one of them.");
        }

        if (service is not null)
            return OfService(service);
        if (view is null)
            return [.. catalog.Resolve(List(query, "features"), fullNames).Select(feature => new NamedFeature(feature.Entity, feature.Feature, feature.Entity.Features[feature.Feature].Name))];
        List<NamedFeature> features = [.. plan.Entities.SelectMany(entity => entity.Features.Index()
            .Where(feature => feature.Item.View.Name == view).Select(feature => new NamedFeature(entity, feature.Index, feature.Item.Name)))];
        return features.Count > 0 ? features : throw ApiException.NotFound("unknown-feature-view",
            $"There is no feature view {DefinitionText.Quote(view)}. {DefinitionText.Hint(view, [.. plan.Definition.FeatureViews.Select(known => known.Name)])}");
    }

    private List<NamedFeature> OfService(string name)
    {
        var service = plan.Services.FirstOrDefault(service => service.Name == name) ?? throw ApiException.NotFound("unknown-feature-service",
            $"There is no feature service {DefinitionText.Quote(name)}. {DefinitionText.Hint(name, [.. plan.Services.Select(known => known.Name)])}");
        List<NamedFeature> features = [];
        foreach (var feature in service.Features)
        {
            if (feature.Origin is FeatureOrigin.OfEntity origin)
                features.Add(new NamedFeature(plan.Entities[origin.Entity], origin.Feature, feature.Name));
        }

        return features.Count > 0 ? features : throw ApiException.BadRequest("bad-request", $"All features of feature service \"{name}\" come from the request, so that none of them can change.");
    }

    private List<EntityPlan> Entities(IQueryCollection query, List<NamedFeature> features)
    {
        List<EntityPlan> entities = [.. features.Select(feature => feature.Entity).Distinct()];
        if (Single(query, "entity") is not { } name)
            return entities;
        if (plan.Entities.All(entity => entity.Name != name))
        {
            throw ApiException.NotFound("unknown-entity",
                $"There is no entity {DefinitionText.Quote(name)}. {DefinitionText.Hint(name, [.. plan.Entities.Select(known => known.Name)])}");
        }

        entities.RemoveAll(entity => entity.Name != name);
        return entities.Count > 0 ? entities : throw ApiException.BadRequest("bad-request", $"None of the features is of entity \"{name}\".");
    }

    private static void CheckNames(IQueryCollection query, List<EntityPlan> entities)
    {
        string[] known = [.. _names, .. entities.SelectMany(entity => entity.Keys).Select(key => key.Name).Distinct(StringComparer.Ordinal)];
        if (query.Keys.FirstOrDefault(name => !known.Contains(name, StringComparer.Ordinal)) is { } unknown)
            throw ApiException.BadRequest("unknown-parameter", $"There is no parameter or join key {DefinitionText.Quote(unknown)}. {DefinitionText.Hint(unknown, known)}");
    }

    private HashSet<byte[]> Keys(IQueryCollection query, EntityPlan entity)
    {
        var columns = entity.Keys.Select(key => query[key.Name]).ToList();
        var count = columns.Max(column => column.Count);
        for (var field = 0; field < columns.Count; field++)
        {
            if (columns[field].Count != count)
                throw ApiException.BadRequest("bad-key", $"Join key \"{entity.Keys[field].Name}\" comes {columns[field].Count} times, another {count} times. Give each entity a value of every join key.");
        }

        if (count > options.ChangeKeysMax)
            throw ApiException.BadRequest("too-many-keys", $"The query names {count:N0} entities, more than {options.ChangeKeysMax:N0}. Name fewer, or none for all.");
        var keys = new HashSet<byte[]>(BytesComparer.Instance);
        var rows = new EventBatch(new RowSchema(entity.Keys), 1);
        var buffer = new byte[EntityPlan.KeyBytesMax];
        int[] fields = [.. Enumerable.Range(0, entity.Keys.Count)];
        for (var index = 0; index < count; index++)
        {
            rows.Clear();
            rows.Add(default);
            for (var field = 0; field < columns.Count; field++)
                KeyText.Set(rows, 0, field, entity.Keys[field], columns[field][index]!);
            var length = entity.EncodeKey(rows.Row(0), fields, buffer);
            if (length == 0)
                throw ApiException.BadRequest("bad-key", $"The key of entity \"{entity.Name}\" is longer than {EntityPlan.KeyBytesMax:N0} bytes, so no event can have carried it.");
            keys.Add(buffer[..length]);
        }

        return keys;
    }

    /// <summary>The columns, of each set, one of which must have changed.</summary>
    private static List<int[]>? OnChange(IQueryCollection query, List<FeatureSet> sets)
    {
        if (!query.ContainsKey("on_change"))
            return null;
        var names = List(query, "on_change");
        string[] known = [.. sets.SelectMany(set => set.Columns).Select(column => column.Name)];
        if (names.Length == 0)
            throw ApiException.BadRequest("bad-request", "\"on_change\" is empty. Name at least one of the features.");
        if (names.FirstOrDefault(name => !known.Contains(name, StringComparer.Ordinal)) is { } unknown)
            throw ApiException.BadRequest("bad-request", $"\"on_change\" names {DefinitionText.Quote(unknown)}, which is none of the features that are sent. {DefinitionText.Hint(unknown, known)}");
        return [.. sets.Select(set => Enumerable.Range(0, set.Columns.Count).Where(column => names.Contains(set.Columns[column].Name, StringComparer.Ordinal)).ToArray())];
    }

    private static TimeSpan MinInterval(IQueryCollection query) => Single(query, "min_interval_ms") switch
    {
        null => TimeSpan.FromMilliseconds(MinIntervalDefaultMs),
        var text when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var ms) && ms is >= 10 and <= 3_600_000 => TimeSpan.FromMilliseconds(ms),
        var text => throw ApiException.BadRequest("bad-request", $"\"min_interval_ms\" is {DefinitionText.Quote(text)}. Give a whole number from 10 to 3600000."),
    };
}
