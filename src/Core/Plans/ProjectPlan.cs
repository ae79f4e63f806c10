using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;
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

    /// <summary>Hash of every entity's name, place and layout: equal exactly where stored blocks can be read on as they are.</summary>
    public required ulong LayoutFingerprint { get; init; }

    /// <summary>Compiles definitions that <see cref="DefinitionValidator"/> found sound.</summary>
    public static ProjectPlan Compile(ProjectDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        var sources = definition.Sources.Select(CompileSource).ToList();
        var entities = definition.Entities.Select((entity, index) => new EntityPlan(new EntityPlanBuilder(index, entity, definition, sources))).ToList();
        var services = definition.FeatureServices.Select(service => CompileService(service, entities)).ToList();
        return new ProjectPlan
        {
            Definition = definition,
            Sources = sources,
            Entities = entities,
            Services = services,
            Models = [.. definition.Models.Select(model => CompileModel(model, sources, entities, services))],
            LayoutFingerprint = FingerprintOf(entities),
        };
    }

    /// <summary>Models that score every event of a source.</summary>
    public IEnumerable<ModelPlan> ModelsOn(SourcePlan source) => Models.Where(model => model.On == source);

    /// <summary>Their services, each once, in order: one vector an event is filled for each.</summary>
    public IReadOnlyList<ServicePlan> ServicesOn(SourcePlan source) => [.. ModelsOn(source).Select(model => model.Service).Distinct()];

    private static ulong FingerprintOf(IEnumerable<EntityPlan> entities) =>
        BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(
            entities.Select(entity => string.Create(CultureInfo.InvariantCulture, $"{entity.Name} {entity.LayoutFingerprint:x16}\n"))))));

    private static SourcePlan CompileSource(SourceDefinition definition, int index)
    {
        var schema = new RowSchema(definition.Fields);
        return new SourcePlan
        {
            Index = index,
            Definition = definition,
            Schema = schema,
            TimestampField = schema.IndexOf(definition.Timestamp),
            IdField = definition.Id is null ? -1 : schema.IndexOf(definition.Id),
        };
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
            var (view, feature) = (definition.Feature[..definition.Feature.IndexOf(':')], definition.Feature[(definition.Feature.IndexOf(':') + 1)..]);
            var entity = entities.First(entity => entity.IndexOf(view, feature) >= 0);
            return new VectorFeature(
                definition.Name, false, new FeatureOrigin.OfEntity(entity.Index, view, entity.IndexOf(view, feature)), definition.Transforms);
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

    public required RowSchema Schema { get; init; }

    /// <summary>Index of the field that holds event time.</summary>
    public required int TimestampField { get; init; }

    /// <summary>Index of the field that identifies an event, or −1.</summary>
    public required int IdField { get; init; }
}

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
