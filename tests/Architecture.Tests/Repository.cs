using System.Xml.Linq;

namespace FeatureStore.Architecture.Tests;

/// <summary>The project's own files, found from the tests' output folder upwards.</summary>
internal static class Repository
{
    private static readonly string[] _made = [".git", "bin", "obj", "artifacts", "data", "node_modules", "__pycache__"];

    /// <summary>The folder of the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Debug or Release: the configuration that these tests were built in.</summary>
    public static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    /// <summary>The projects of <c>src/</c> by name.</summary>
    public static IReadOnlyDictionary<string, Project> Sources { get; } = Projects("src").ToDictionary(project => project.Name);

    public static IEnumerable<Project> Projects(string folder) =>
        Files().Where(path => path.StartsWith(folder + "/", StringComparison.Ordinal) && path.EndsWith(".csproj", StringComparison.Ordinal))
            .Select(path => new Project(path));

    /// <summary>Paths from the root, with slashes, of all files but those that a build or a run makes.</summary>
    public static IEnumerable<string> Files() => Walk(new DirectoryInfo(Root));

    public static string Absolute(string path) => Path.Combine(Root, path);

    private static IEnumerable<string> Walk(DirectoryInfo folder)
    {
        foreach (var file in folder.EnumerateFiles())
            yield return Path.GetRelativePath(Root, file.FullName).Replace('\\', '/');
        foreach (var inner in folder.EnumerateDirectories())
        {
            if (_made.Contains(inner.Name) || inner.LinkTarget is not null)
                continue;
            foreach (var path in Walk(inner))
                yield return path;
        }
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (folder.EnumerateFiles("*.sln").Any())
                return folder.FullName;
        }

        throw new InvalidOperationException($"No solution at or above \"{AppContext.BaseDirectory}\".");
    }
}

/// <summary>A project file.</summary>
internal sealed class Project(string path)
{
    private readonly XDocument _document = XDocument.Load(Repository.Absolute(path));

    /// <summary>From the root, with slashes.</summary>
    public string Path => path;

    public string Name { get; } = System.IO.Path.GetFileNameWithoutExtension(path);

    public IEnumerable<XElement> PackageReferences => _document.Descendants("PackageReference");

    /// <summary>Names of the projects it references.</summary>
    public IEnumerable<string> ProjectReferences =>
        _document.Descendants("ProjectReference").Select(reference => System.IO.Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')));

    /// <summary>The assembly that the build of these tests made of it.</summary>
    public CompiledAssembly Compiled() =>
        new(Repository.Absolute($"{System.IO.Path.GetDirectoryName(path)}/bin/{Repository.Configuration}/net10.0/FeatureStore.{Name}.dll"));

    public override string ToString() => Path;
}
