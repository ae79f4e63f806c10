namespace FeatureStore.Architecture.Tests;

/// <summary>Core ← Runtime ← {Grains, Ingest, Scoring, Storage, Lake, Monitoring, Registry} ← Api ← {Silo, Cli}; those in braces do not see each other.</summary>
[TestClass]
public sealed class LayersTests
{
    private static readonly string[][] _layers =
    [
        ["Core"],
        ["Runtime"],
        ["Grains", "Ingest", "Scoring", "Storage", "Lake", "Monitoring", "Registry"],
        ["Api"],
        ["Silo", "Cli"],
    ];

    [TestMethod]
    public void EveryProjectHasALayer()
    {
        var known = _layers.SelectMany(layer => layer).ToHashSet();
        Rule.Holds("no layer is known for", Repository.Sources.Keys.Where(name => !known.Contains(name)));
        Assert.IsTrue(Repository.Sources.ContainsKey("Core"), "src/Core was not found: the test looks in the wrong place.");
    }

    [TestMethod]
    public void ProjectFilesPointDownOnly() =>
        Rule.Holds("references must point down", Repository.Sources.Values.SelectMany(project => Wrong(project.Name, project.ProjectReferences)));

    [TestMethod]
    public void CompiledAssembliesPointDownOnly() =>
        Rule.Holds("references must point down", Repository.Sources.Values.SelectMany(project => Wrong(project.Name, OwnReferences(project))));

    [TestMethod]
    public void CompiledRuntimeSeesCore() =>
        CollectionAssert.Contains(OwnReferences(Repository.Sources["Runtime"]).ToList(), "Core");

    private static IEnumerable<string> OwnReferences(Project project) =>
        project.Compiled().References.Where(name => name.StartsWith("FeatureStore.", StringComparison.Ordinal)).Select(name => name["FeatureStore.".Length..]);

    private static IEnumerable<string> Wrong(string name, IEnumerable<string> references) =>
        references.Where(reference => Layer(reference) >= Layer(name)).Select(reference => $"{name} → {reference}");

    private static int Layer(string name) => Array.FindIndex(_layers, layer => layer.Contains(name));
}
