using System.Text.Json;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using Microsoft.Extensions.ObjectPool;

namespace FeatureStore.Api.Features;

/// <summary>Features that are asked for together, resolved: what must come in, what is read from which entity, and what goes out. Immutable.</summary>
internal sealed class FeatureSet
{
    private readonly ObjectPool<FeatureQuery> _queries;

    private FeatureSet(IReadOnlyList<FeatureColumn> columns, IReadOnlyList<EntityPart> parts, RowSchema request, ServicePlan? service)
    {
        Columns = columns;
        Parts = parts;
        Request = request;
        Service = service;
        Inputs = InputsOf(parts, request);
        HasOthers = parts.Any(part => part.Groups.Any(group => group.Others.Length > 0));
        Computed = service is null ? null : new ComputedFeatures(service, request);
        _queries = new DefaultObjectPool<FeatureQuery>(new QueryPolicy(this));
    }

    /// <summary>What goes out, in order.</summary>
    public IReadOnlyList<FeatureColumn> Columns { get; }

    /// <summary>The entities that are read.</summary>
    public IReadOnlyList<EntityPart> Parts { get; }

    /// <summary>Fields that come with the request; none where the features are listed.</summary>
    public RowSchema Request { get; }

    /// <summary>The service, where the features are a service's.</summary>
    public ServicePlan? Service { get; }

    /// <summary>Whether some views' values may be more than doubles tell.</summary>
    public bool HasOthers { get; }

    /// <summary>What computes the columns that no view gives; null where the features are listed.</summary>
    public ComputedFeatures? Computed { get; }

    /// <summary>Columns that a request must have: join keys, then request fields.</summary>
    public IReadOnlyList<InputColumn> Inputs { get; }

    /// <summary>All features of a service, and the keys of one more entity where that is given.</summary>
    public static FeatureSet OfService(ProjectPlan plan, ServicePlan service, bool fullNames, EntityPlan? entity = null)
    {
        var builder = new Builder(plan);
        foreach (var feature in service.Features)
        {
            if (feature.Origin is FeatureOrigin.OfEntity origin)
                builder.Add(plan.Entities[origin.Entity], origin.Feature, feature.Name, fullNames);
            else
                builder.Add(feature.Name, feature.IsText);
        }

        if (entity is not null)
            builder.PartOf(entity);
        return builder.Build(service.Request, service);
    }

    /// <summary>Features by entity plan and index, under their own names.</summary>
    public static FeatureSet OfFeatures(ProjectPlan plan, IEnumerable<(EntityPlan Entity, int Feature)> features, bool fullNames)
    {
        var builder = new Builder(plan);
        foreach (var (entity, feature) in features)
            builder.Add(entity, feature, entity.Features[feature].Name, fullNames);
        return builder.Build(new RowSchema([]), null);
    }

    public FeatureQuery RentQuery() => _queries.Get();

    public void Return(FeatureQuery query) => _queries.Return(query);

    private static List<InputColumn> InputsOf(IReadOnlyList<EntityPart> parts, RowSchema request)
    {
        var names = parts.SelectMany(part => part.Entity.Keys).Concat(request.Fields).Select(field => field.Name).Distinct(StringComparer.Ordinal);
        return [.. names.Select(name => new InputColumn(
            name,
            [.. parts.SelectMany((part, index) => part.Entity.Keys.Select((key, field) => (key.Name, Target: new KeyTarget(index, field, key.Type))))
                .Where(key => key.Name == name).Select(key => key.Target)],
            request.IndexOf(name)))];
    }

    private sealed class QueryPolicy(FeatureSet set) : PooledObjectPolicy<FeatureQuery>
    {
        public override FeatureQuery Create() => new(set);

        public override bool Return(FeatureQuery obj) => obj.Reset();
    }

    private sealed class Builder(ProjectPlan plan)
    {
        private readonly List<FeatureColumn> _columns = [];
        private readonly List<EntityPlan> _entities = [];
        private readonly List<List<(int Feature, int Column)>> _features = [];

        public void Add(EntityPlan entity, int feature, string name, bool fullName)
        {
            var view = entity.Features[feature].View;
            _features[PartOf(entity)].Add((feature, _columns.Count));
            _columns.Add(new FeatureColumn(fullName ? $"{view.Name}__{name}" : name, view, false) { Kind = entity.Features[feature].Kind });
        }

        public void Add(string name, bool isText) => _columns.Add(new FeatureColumn(name, null, isText));

        public int PartOf(EntityPlan entity)
        {
            var part = _entities.IndexOf(entity);
            if (part >= 0)
                return part;
            _entities.Add(entity);
            _features.Add([]);
            return _entities.Count - 1;
        }

        public FeatureSet Build(RowSchema request, ServicePlan? service) =>
            new(_columns, [.. _entities.Select((entity, index) => new EntityPart(entity, GroupsOf(entity, _features[index])))], request, service);

        /// <summary>Features of one source have one "now".</summary>
        private ReadGroup[] GroupsOf(EntityPlan entity, List<(int Feature, int Column)> features) =>
            [.. features.GroupBy(feature => entity.Features[feature.Feature].View.Source).Select(group => new ReadGroup(
                plan.Sources.First(source => source.Definition.Name == group.Key),
                [.. group.Select(feature => feature.Feature)],
                [.. group.Select(feature => feature.Column)],
                [.. group.Index().Where(feature => entity.Features[feature.Item.Feature].Kind != FeatureKind.Number).Select(feature => feature.Index)]))];
    }
}

/// <summary>A feature that goes out.</summary>
/// <param name="Name">As the answer calls it.</param>
/// <param name="View">Its view; null where it is computed: a request field or an expression.</param>
/// <param name="IsText">Whether its values are texts.</param>
internal sealed record FeatureColumn(string Name, FeatureViewDefinition? View, bool IsText)
{
    public JsonEncodedText JsonName { get; } = JsonEncodedText.Encode(Name);

    /// <summary>What a view's values are.</summary>
    public FeatureKind Kind { get; init; }

    /// <summary>Age from which values are too old, ms; <see cref="long.MaxValue"/>: none.</summary>
    public long TtlMs { get; } = View?.Ttl is { } ttl ? (long)ttl.TotalMilliseconds : long.MaxValue;
}

/// <summary>An entity that is read.</summary>
internal sealed record EntityPart(EntityPlan Entity, ReadGroup[] Groups)
{
    /// <summary>The keys' fields in rows of <see cref="Keys"/>: all, in order.</summary>
    public int[] KeyFields { get; } = [.. Enumerable.Range(0, Entity.Keys.Count)];

    public RowSchema Keys { get; } = new(Entity.Keys);
}

/// <summary>Features of one entity that share a source, and so a "now".</summary>
/// <param name="Source">The source.</param>
/// <param name="Features">Indexes in the entity plan.</param>
/// <param name="Columns">Where each value goes.</param>
/// <param name="Others">Which of them are no numbers, or may be greater integers than a double tells exactly.</param>
internal sealed record ReadGroup(SourcePlan Source, int[] Features, int[] Columns, int[] Others);

/// <summary>A column that comes in.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Keys">The join keys that it is.</param>
/// <param name="RequestField">Index of the request field that it is, or −1.</param>
internal sealed record InputColumn(string Name, KeyTarget[] Keys, int RequestField)
{
    public byte[] Utf8Name { get; } = System.Text.Encoding.UTF8.GetBytes(Name);

    public JsonEncodedText JsonName { get; } = JsonEncodedText.Encode(Name);
}

/// <summary>A join key of a part.</summary>
internal readonly record struct KeyTarget(int Part, int Field, FieldType Type);
