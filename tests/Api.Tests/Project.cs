namespace FeatureStore.Api.Tests;

/// <summary>Where the project's files are.</summary>
internal static class Project
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        var directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "global.json")))
            directory = Path.GetDirectoryName(directory) ?? throw new InvalidOperationException("No global.json above the tests.");
        return directory;
    }
}
