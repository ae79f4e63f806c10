using FeatureStore.Core.Definitions;

namespace FeatureStore.Registry;

/// <summary>What loading gave: a sound project, or everything that is wrong with it.</summary>
public sealed class DefinitionLoadResult
{
    internal DefinitionLoadResult(ProjectDefinition? project, IReadOnlyList<DefinitionFileError> errors)
    {
        Project = errors.Count == 0 ? project : null;
        Errors = errors;
    }

    /// <summary>The project; null exactly where there are errors.</summary>
    public ProjectDefinition? Project { get; }

    /// <summary>By file, line and column.</summary>
    public IReadOnlyList<DefinitionFileError> Errors { get; }

    /// <summary>The errors, one a line, and how many; or what was loaded.</summary>
    public override string ToString()
    {
        if (Project is null)
            return $"{string.Join('\n', Errors)}\n{Count(Errors.Count, "error")}; nothing was loaded.";
        var features = Project.FeatureViews.Sum(view => view.Features.Count);
        return $"project {DefinitionText.Quote(Project.Project)}: {Count(Project.Sources.Count, "source")}, "
            + $"{Count(Project.Entities.Count, "entity", "entities")}, {Count(Project.FeatureViews.Count, "feature view")} with {Count(features, "feature")}, "
            + $"{Count(Project.FeatureServices.Count, "feature service")}, {Count(Project.Models.Count, "model")}.";
    }

    private static string Count(int count, string one, string? many = null) => count == 1 ? $"1 {one}" : $"{count} {many ?? one + "s"}";
}
