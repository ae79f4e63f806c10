namespace FeatureStore.Core.Definitions;

/// <summary>Checks definitions as a whole.</summary>
public static class DefinitionValidator
{
    /// <summary>
    /// Everything that is wrong, in order of definition; empty where the project is sound. Each fault is told once: what only follows from it
    /// (a reference to a nameless source, an expression over a field without a type) is not.
    /// </summary>
    public static IReadOnlyList<DefinitionError> Validate(ProjectDefinition project)
    {
        ArgumentNullException.ThrowIfNull(project);
        var checks = new DefinitionChecks(JoinedSources.Expand(project));
        checks.Project(project.Project);
        SourceChecks.Check(checks);
        EntityChecks.Check(checks);
        FeatureViewChecks.Check(checks);
        EnrichChecks.Check(checks);
        FeatureServiceChecks.Check(checks);
        ModelChecks.Check(checks);
        return checks.Errors;
    }
}
