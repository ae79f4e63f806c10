using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Vectors;

namespace FeatureStore.Core.Plans;

/// <summary>A project's definitions, compiled: what the runtimes, ingest, scoring and the API work from. Immutable.</summary>
public sealed class ProjectPlan
{
    /// <summary>Compiles definitions that <see cref="DefinitionValidator"/> found sound.</summary>
    public static ProjectPlan Compile(ProjectDefinition definition) => throw new NotImplementedException();

    public required ProjectDefinition Definition { get; init; }

    public required IReadOnlyList<SourcePlan> Sources { get; init; }

    public required IReadOnlyList<EntityPlan> Entities { get; init; }

    public required IReadOnlyList<ServicePlan> Services { get; init; }

    public required IReadOnlyList<ModelPlan> Models { get; init; }

    /// <summary>Hash of every layout of state: equal exactly where stored blocks can be read on.</summary>
    public required ulong LayoutFingerprint { get; init; }
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
