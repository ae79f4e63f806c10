namespace FeatureStore.Core.Definitions;

/// <summary>Checks definitions as a whole.</summary>
public static class DefinitionValidator
{
    /// <summary>Everything that is wrong, in order of definition; empty where the project is sound.</summary>
    public static IReadOnlyList<DefinitionError> Validate(ProjectDefinition project) => throw new NotImplementedException();
}
