using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;
using FeatureStore.Core.Joins;
using FeatureStore.Core.Vectors;

namespace FeatureStore.Core.Plans;

/// <summary>A project's definitions, compiled: what the runtimes, ingest, scoring and the API work from. Immutable.</summary>
public sealed class ProjectPlan
{
    public required ProjectDefinition Definition { get; init; }

    public required IReadOnlyList<SourcePlan> Sources { get; init; }

    public required IReadOnlyList<EntityPlan> Entities { get; init; }

    public required IReadOnlyList<ServicePlan> Services { get; init; }

    public required IReadOnlyList<ModelPlan> Models { get; init; }

    /// <summary>The joins of sources. What each keeps for a key is state like an entity's; in a checkpoint their indexes come after those of the entities.</summary>
    public IReadOnlyList<JoinPlan> Joins { get; init; } = [];

    /// <summary>The sources that read topics, in order.</summary>
    public IEnumerable<SourcePlan> TopicSources => Sources.Where(source => source.Join is null);

    /// <summary>Hash of the name, place and layout of every entity and join: equal exactly where stored blocks can be read on as they are.</summary>
    public required ulong LayoutFingerprint { get; init; }

    /// <summary>Compiles definitions that <see cref="DefinitionValidator"/> found sound.</summary>
    public static ProjectPlan Compile(ProjectDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        definition = JoinedSources.Expand(definition);
        var sources = definition.Sources.Select(CompileSource).ToList();
        var entities = definition.Entities.Select((entity, index) => new EntityPlan(new EntityPlanBuilder(index, entity, definition, sources))).ToList();
        List<JoinPlan> joins = [.. sources.Where(source => source.Definition.Join is not null).Select((source, index) => new JoinPlan(index, source, sources))];
        joins.ForEach(join => join.FindOwners(entities));
        foreach (var source in sources)
            Relate(source, definition, sources, entities, joins);
        var services = definition.FeatureServices.Select(service => CompileService(service, entities)).ToList();
        return new ProjectPlan
        {
            Definition = definition,
            Sources = sources,
            Entities = entities,
            Services = services,
            Models = [.. definition.Models.Select(model => CompileModel(model, sources, entities, services))],
            Joins = joins,
            LayoutFingerprint = FingerprintOf(entities, joins),
        };
    }

    /// <summary>Models that score every event of a source.</summary>
    public IEnumerable<ModelPlan> ModelsOn(SourcePlan source) => Models.Where(model => model.On == source);

    /// <summary>Their services, each once, in order: one vector an event is filled for each.</summary>
    public IReadOnlyList<ServicePlan> ServicesOn(SourcePlan source) => [.. ModelsOn(source).Select(model => model.Service).Distinct()];

    private static ulong FingerprintOf(IEnumerable<EntityPlan> entities, IEnumerable<JoinPlan> joins) =>
        BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(
            entities.Select(entity => (entity.Name, entity.LayoutFingerprint)).Concat(joins.Select(join => ("join " + join.Source.Definition.Name, join.LayoutFingerprint)))
                .Select(state => string.Create(CultureInfo.InvariantCulture, $"{state.Item1} {state.LayoutFingerprint:x16}\n"))))));

    private static SourcePlan CompileSource(SourceDefinition definition, int index)
    {
        var schema = new RowSchema(definition.EventFields);
        return new SourcePlan
        {
            Index = index,
            Definition = definition,
            Schema = schema,
            TimestampField = definition.Timestamp.Length == 0 ? -1 : schema.IndexOf(definition.Timestamp),
            IdField = definition.Id is null ? -1 : schema.IndexOf(definition.Id),
        };
    }

    /// <summary>Finds what enriches a source's events, and which sources must not run ahead of each other for it.</summary>
    private static void Relate(SourcePlan source, ProjectDefinition definition, List<SourcePlan> sources, List<EntityPlan> entities, List<JoinPlan> joins)
    {
        source.Join = joins.Find(join => join.Source == source);
        source.Joins = [.. joins.Where(join => join.Left == source || join.Right == source)];
        source.Enrichment = [.. source.Definition.Enrich.Select((field, index) =>
        {
            var (entity, feature) = Find(field.Feature, entities);
            return new Enrichment(source.ReadFields + index, entity, feature);
        })];
        var enriched = source.Schema.Count == 64 ? ulong.MaxValue : (1UL << source.Schema.Count) - 1;
        enriched &= ulong.MaxValue << source.ReadFields;
        source.EntitiesOfEnriched = [.. definition.FeatureViews
            .Where(view => source.Enrichment.Count > 0 && view.Source == source.Definition.Name && (EnrichChecks.FieldsUsed(view, source.Schema) & enriched) != 0)
            .Select(view => entities.First(entity => entity.Name == view.Entity).Index).Distinct()];
        source.Peers = [.. sources.Where(other => other != source && (Enriches(source, other) || Enriches(other, source) || source.Joins.Any(join => join.Left == other || join.Right == other)))];

        bool Enriches(SourcePlan feeding, SourcePlan enriched) => enriched.Definition.Enrich
            .Any(field => definition.FeatureViews.First(view => view.Name == field.Feature[..field.Feature.IndexOf(':')]).Source == feeding.Definition.Name);
    }

    private static (EntityPlan Entity, int Feature) Find(string reference, List<EntityPlan> entities)
    {
        var (view, feature) = (reference[..reference.IndexOf(':')], reference[(reference.IndexOf(':') + 1)..]);
        var entity = entities.First(entity => entity.IndexOf(view, feature) >= 0);
        return (entity, entity.IndexOf(view, feature));
    }

    private static ServicePlan CompileService(FeatureServiceDefinition definition, List<EntityPlan> entities)
    {
        var request = new RowSchema(definition.Request);
        var expressions = ServiceExpressions.Compile(definition.Features, request);
        if (expressions.Errors.FirstOrDefault(error => error is not null) is { } error)
            throw new ArgumentException($"feature service \"{definition.Name}\": {error.Message} Validate the definitions before they are compiled.");
        var features = definition.Features.Select((feature, index) => CompileFeature(feature, expressions.Compiled[index], entities));
        return new ServicePlan(definition.Name, request, [.. features], expressions.Order);
    }

    private static VectorFeature CompileFeature(ServiceFeatureDefinition definition, CompiledExpression? expression, List<EntityPlan> entities)
    {
        if (definition.Feature is not null)
        {
            var (entity, feature) = Find(definition.Feature, entities);
            return new VectorFeature(
                definition.Name, false, new FeatureOrigin.OfEntity(entity.Index, entity.Features[feature].View.Name, feature), definition.Transforms);
        }

        var text = definition.Expression ?? definition.RequestField!;
        return new VectorFeature(definition.Name, expression!.Type == ExpressionType.String, new FeatureOrigin.OfRequest(text, expression), definition.Transforms);
    }

    private static ModelPlan CompileModel(ModelDefinition definition, List<SourcePlan> sources, List<EntityPlan> entities, List<ServicePlan> services)
    {
        var service = services.First(service => service.Name == definition.Service);
        var entity = definition.Entity is not null
            ? entities.First(entity => entity.Name == definition.Entity)
            : entities[service.Features.Select(feature => feature.Origin).OfType<FeatureOrigin.OfEntity>().First().Entity];
        return new ModelPlan
        {
            Definition = definition,
            Service = service,
            Entity = entity,
            On = definition.On is null ? null : sources.First(source => source.Definition.Name == definition.On),
        };
    }
}

/// <summary>A source, compiled.</summary>
public sealed class SourcePlan
{
    public required int Index { get; init; }

    public required SourceDefinition Definition { get; init; }

    /// <summary>Its fields: first those that records hold, then those of <see cref="Enrichment"/>.</summary>
    public required RowSchema Schema { get; init; }

    /// <summary>How many of the fields are read from records.</summary>
    public int ReadFields => Definition.Fields.Count;

    /// <summary>The fields that no record holds, in order, with what the runtime sets them to.</summary>
    public IReadOnlyList<Enrichment> Enrichment { get; internal set; } = [];

    /// <summary>Indexes of the entities that events feed with enriched fields: they change after all that enriches an event is known.</summary>
    public IReadOnlyList<int> EntitiesOfEnriched { get; internal set; } = [];

    /// <summary>Sources that are aligned with this one as if all their partitions were of one source.</summary>
    public IReadOnlyList<SourcePlan> Peers { get; internal set; } = [];

    /// <summary>What its events are pairs of; null for a source that reads a topic.</summary>
    public JoinPlan? Join { get; internal set; }

    /// <summary>The joins that it is a side of.</summary>
    public IReadOnlyList<JoinPlan> Joins { get; internal set; } = [];

    /// <summary>Index of the field that holds event time; −1 for a joined source, whose events have their time in their headers alone.</summary>
    public required int TimestampField { get; init; }

    /// <summary>Index of the field that identifies an event, or −1.</summary>
    public required int IdField { get; init; }
}

/// <summary>A field of an event that holds a feature of the entity that the event is about.</summary>
/// <param name="Field">Index in the source's schema.</param>
/// <param name="Entity">The entity.</param>
/// <param name="Feature">Index in the entity's features.</param>
public sealed record Enrichment(int Field, EntityPlan Entity, int Feature);

/// <summary>A model of the definitions, compiled.</summary>
public sealed class ModelPlan
{
    public required ModelDefinition Definition { get; init; }

    public required ServicePlan Service { get; init; }

    /// <summary>Entity whose key is the prediction's.</summary>
    public required EntityPlan Entity { get; init; }

    /// <summary>The source whose every event is scored, or null.</summary>
    public required SourcePlan? On { get; init; }
}
