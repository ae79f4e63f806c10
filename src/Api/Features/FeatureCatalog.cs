using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;

namespace FeatureStore.Api.Features;

/// <summary>Finds the feature set that a request names. Sets are resolved once and kept; of listed features, a bounded number of lists.</summary>
internal sealed class FeatureCatalog
{
    private const int ListsMax = 1024;
    private const int ListBytesMax = 16 << 10;

    private readonly ProjectPlan _plan;
    private readonly FeatureStoreApiOptions _options;
    private readonly (byte[] Name, FeatureSet Plain, FeatureSet Full)[] _services;
    private readonly ConcurrentDictionary<byte[], FeatureSet> _plainLists = new(BytesComparer.Instance);
    private readonly ConcurrentDictionary<byte[], FeatureSet> _fullLists = new(BytesComparer.Instance);

    public FeatureCatalog(ProjectPlan plan, FeatureStoreApiOptions options)
    {
        _plan = plan;
        _options = options;
        _services = [.. plan.Services.Select(service => (Encoding.UTF8.GetBytes(service.Name), FeatureSet.OfService(plan, service, false), FeatureSet.OfService(plan, service, true)))];
    }

    /// <summary>The set of a service.</summary>
    /// <param name="json">The name as a JSON value.</param>
    /// <param name="fullNames">Whether features are called <c>view__feature</c>.</param>
    public FeatureSet OfService(ReadOnlySpan<byte> json, bool fullNames)
    {
        var reader = new Utf8JsonReader(json, JsonValue.ReaderOptions);
        reader.Read();
        if (reader.TokenType is not JsonTokenType.String)
            throw ApiException.BadRequest("bad-request", $"\"feature_service\" is {JsonValue.Describe(ref reader)}. Give the name of a feature service in quotes.");
        foreach (var (name, plain, full) in _services)
        {
            if (reader.ValueTextEquals(name))
                return fullNames ? full : plain;
        }

        var unknown = JsonValue.Text(ref reader);
        throw ApiException.NotFound("unknown-feature-service",
            $"There is no feature service {DefinitionText.Quote(unknown)}. {DefinitionText.Hint(unknown, [.. _plan.Services.Select(service => service.Name)])}");
    }

    /// <summary>The set of listed features.</summary>
    /// <param name="json">A JSON array of <c>"view:feature"</c>.</param>
    /// <param name="fullNames">Whether features are called <c>view__feature</c>.</param>
    public FeatureSet OfFeatures(ReadOnlySpan<byte> json, bool fullNames)
    {
        var lists = fullNames ? _fullLists : _plainLists;
        if (lists.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(json, out var set))
            return set;
        set = FeatureSet.OfFeatures(_plan, Resolve(json, fullNames), fullNames);
        if (lists.Count < ListsMax && json.Length <= ListBytesMax)
            lists.TryAdd(json.ToArray(), set);
        return set;
    }

    private List<(EntityPlan Entity, int Feature)> Resolve(ReadOnlySpan<byte> json, bool fullNames)
    {
        var reader = new Utf8JsonReader(json, JsonValue.ReaderOptions);
        reader.Read();
        if (reader.TokenType is not JsonTokenType.StartArray)
            throw ApiException.BadRequest("bad-request", $"\"features\" is {JsonValue.Describe(ref reader)}. Give an array of \"view:feature\".");
        var references = new List<string>();
        while (reader.Read() && reader.TokenType is not JsonTokenType.EndArray)
        {
            if (reader.TokenType is not JsonTokenType.String)
                throw ApiException.BadRequest("bad-request", $"\"features\" has {JsonValue.Describe(ref reader)} at {references.Count}. Give an array of \"view:feature\".");
            if (references.Count == _options.FeaturesMax)
                throw TooMany();
            references.Add(JsonValue.Text(ref reader));
        }

        return Resolve(references, fullNames);
    }

    /// <summary>Finds listed features, each <c>view:feature</c>, by entity and index.</summary>
    public List<(EntityPlan Entity, int Feature)> Resolve(IReadOnlyList<string> references, bool fullNames)
    {
        if (references.Count > _options.FeaturesMax)
            throw TooMany();
        var features = new List<(EntityPlan Entity, int Feature)>();
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (var reference in references)
        {
            var feature = Resolve(reference);
            var definition = feature.Entity.Features[feature.Feature];
            if (!taken.Add(fullNames ? $"{definition.View.Name}:{definition.Name}" : definition.Name))
            {
                throw ApiException.BadRequest("duplicate-feature", fullNames
                    ? $"Feature \"{definition.View.Name}:{definition.Name}\" is asked for twice. Name it once."
                    : $"Two features are named \"{definition.Name}\". Name each once, or set \"full_feature_names\" to true.");
            }

            features.Add(feature);
        }

        return features.Count > 0 ? features : throw ApiException.BadRequest("bad-request", "\"features\" is empty. Name at least one \"view:feature\".");
    }

    private ApiException TooMany() =>
        ApiException.BadRequest("too-many-features", $"\"features\" has more than {_options.FeaturesMax:N0} entries. Ask in several requests.");

    private (EntityPlan Entity, int Feature) Resolve(string reference)
    {
        var colon = reference.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0)
            throw ApiException.BadRequest("bad-request", $"feature {DefinitionText.Quote(reference)} names no feature view. Write \"view:feature\".");
        var (view, name) = (reference[..colon], reference[(colon + 1)..]);
        foreach (var entity in _plan.Entities)
        {
            if (entity.IndexOf(view, name) is >= 0 and var feature)
                return (entity, feature);
        }

        var definition = _plan.Definition.FeatureViews.FirstOrDefault(definition => definition.Name == view);
        throw ApiException.NotFound("unknown-feature", definition is null
            ? $"There is no feature view {DefinitionText.Quote(view)}. {DefinitionText.Hint(view, [.. _plan.Definition.FeatureViews.Select(known => known.Name)])}"
            : $"Feature view \"{view}\" has no feature {DefinitionText.Quote(name)}. {DefinitionText.Hint(name, [.. definition.Features.Select(known => known.Name)])}");
    }
}
