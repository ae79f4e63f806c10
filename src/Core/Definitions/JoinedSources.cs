using FeatureStore.Core.Events;

namespace FeatureStore.Core.Definitions;

/// <summary>What a joined source has from its sides.</summary>
internal static class JoinedSources
{
    /// <summary>Gives each joined source its fields and how late its events may come; one whose sides are not sound has no fields.</summary>
    public static ProjectDefinition Expand(ProjectDefinition project)
    {
        if (project.Sources.All(source => source.Join is null))
            return project;
        return project with { Sources = [.. project.Sources.Select(source => source.Join is null ? source : Expand(source, project.Sources))] };
    }

    /// <summary>Name of a right field in the joined event: with a prefix where the left source has a field of its name.</summary>
    public static string NameOfRight(SourceDefinition left, string name) => left.EventFields.Any(field => field.Name == name) ? $"right_{name}" : name;

    /// <summary>How much later than the newest of a side a partner may take effect, whichever side it is of.</summary>
    public static TimeSpan DisorderOf(SourceDefinition left, SourceDefinition right) => Longer(left.Lateness, right.Lateness) + Longer(left.Align, right.Align);

    private static SourceDefinition Expand(SourceDefinition source, IReadOnlyList<SourceDefinition> sources)
    {
        var (left, right) = (Side(source.Join!.Left), Side(source.Join.Right));
        if (left is null || right is null || !IsSound(left.EventFields) || !IsSound(right.EventFields))
            return source with { Fields = [] };
        var disorder = DisorderOf(left, right);
        return source with
        {
            Fields = [.. left.EventFields, .. right.EventFields.Where(field => !source.Join.On.Contains(field.Name)).Select(field => field with { Name = NameOfRight(left, field.Name) })],
            // Pairs come as late as the later of the two; what found no partner comes when none can come any more.
            Lateness = source.Join.Unmatched == JoinUnmatched.None ? disorder : disorder + disorder + source.Join.Within,
            Align = Longer(left.Align, right.Align),
        };

        SourceDefinition? Side(string name) => sources.FirstOrDefault(source => source.Name == name && source.Join is null);
    }

    private static bool IsSound(IReadOnlyList<FieldDefinition> fields) => fields.Count is > 0 and <= RowSchema.FieldsMax && fields.All(field => field.Name.Length > 0);

    private static TimeSpan Longer(TimeSpan left, TimeSpan right) => left > right ? left : right;
}
