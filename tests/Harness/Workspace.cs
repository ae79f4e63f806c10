namespace FeatureStore.Harness;

/// <summary>Where the project and the shared test data lie on this machine.</summary>
public static class Workspace
{
    /// <summary>The project's root: the nearest folder above the running program that holds the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The shared folder; null where this machine has none.</summary>
    public static string? Shared { get; } = FindShared();

    public static string FraudExample => Path.Combine(Root, "examples", "fraud");

    /// <summary>A path inside the shared folder.</summary>
    /// <exception cref="FixtureMissingException">It is not there.</exception>
    public static string SharedPath(params string[] parts)
    {
        if (Shared is null)
            throw new FixtureMissingException("The shared test folder is missing: neither FEATURESTORE_SHARED nor ../shared from the project's root leads to it.");
        var path = Path.Combine([Shared, .. parts]);
        return Path.Exists(path) ? path : throw new FixtureMissingException($"\"{path}\" is missing from the shared test folder.");
    }

    /// <summary>A new temporary folder.</summary>
    public static string NewFolder(string name) => Directory.CreateTempSubdirectory($"featurestore-{name}-").FullName;

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Orleans.FeatureStore.sln")))
                return folder.FullName;
        }

        throw new InvalidOperationException($"No folder above \"{AppContext.BaseDirectory}\" holds Orleans.FeatureStore.sln.");
    }

    private static string? FindShared()
    {
        var named = Environment.GetEnvironmentVariable("FEATURESTORE_SHARED");
        var path = string.IsNullOrEmpty(named) ? Path.GetFullPath(Path.Combine(Root, "..", "shared")) : named;
        return Directory.Exists(path) ? path : null;
    }
}

/// <summary>Something a test needs is not on this machine: the test is skipped, with this message as its reason.</summary>
public sealed class FixtureMissingException(string message) : Exception(message);
