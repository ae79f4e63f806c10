namespace FeatureStore.Core.Definitions;

/// <summary>Everything a project declares. Immutable; loaded as a whole or not at all.</summary>
public sealed record ProjectDefinition
{
    /// <summary>Name of the project: lower-case letters, digits, '_' and '-', at most 64. Prefixes Redis keys and the consumer group.</summary>
    public required string Project { get; init; }

    public IReadOnlyList<SourceDefinition> Sources { get; init; } = [];

    public IReadOnlyList<EntityDefinition> Entities { get; init; } = [];

    public IReadOnlyList<FeatureViewDefinition> FeatureViews { get; init; } = [];

    public IReadOnlyList<FeatureServiceDefinition> FeatureServices { get; init; } = [];

    public IReadOnlyList<ModelDefinition> Models { get; init; } = [];
}

/// <summary>A thing that features describe: a customer, a terminal, a device.</summary>
public sealed record EntityDefinition
{
    public required string Name { get; init; }

    /// <summary>Join keys: field names that every source of the entity's views declares, with one type. 1 to 8.</summary>
    public required IReadOnlyList<string> Keys { get; init; }
}
