using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace FeatureStore.Registry.Tests;

/// <summary>The reference page and the examples say what the loader does.</summary>
[TestClass]
public sealed partial class DocumentTests
{
    private static readonly string _page = Repository.Read("docs", "definitions.md");

    [TestMethod]
    public void YamlOfThePageIsAProject()
    {
        var blocks = YamlBlock().Matches(_page).Select((block, index) => new DefinitionFile($"block {index + 1}", block.Groups[1].Value)).ToArray();
        Assert.HasCount(8, blocks);
        Assert.AreEqual(
            "project \"shop\": 4 sources, 1 entity, 1 feature view with 13 features, 1 feature service, 1 model.",
            DefinitionLoader.Load(blocks).ToString());
        var schema = new JsonSchema(Repository.Schema());
        foreach (var block in blocks)
            Assert.IsNull(schema.Refusal(Repository.ToJson(block.Text)), block.Name);
    }

    /// <summary>Each kind of mapping has a section named after it, with a row for each of its keys, in order; parameters of transforms are in the transforms' rows.</summary>
    [TestMethod]
    public void PageHasEveryKey()
    {
        var shapes = typeof(DefinitionShape).GetFields(BindingFlags.Static | BindingFlags.Public).ToDictionary(field => field.Name, field => (DefinitionShape)field.GetValue(null)!);
        var transforms = shapes.Where(shape => shapes["Transform"].Keys.Contains(JsonNamingPolicy.SnakeCaseLower.ConvertName(shape.Key))).Select(shape => shape.Key).ToHashSet();
        foreach (var (name, shape) in shapes.Where(shape => !transforms.Contains(shape.Key)))
        {
            var heading = name == "Root" ? "File" : char.ToUpperInvariant(name[0]) + JsonNamingPolicy.SnakeCaseLower.ConvertName(name)[1..].Replace('_', ' ');
            var section = Regex.Match(_page, $@"^##+ {heading}\n(.*?)(?=^##|\z)", RegexOptions.Multiline | RegexOptions.Singleline);
            Assert.IsTrue(section.Success, $"no section {heading}");
            Assert.AreEqual(string.Join(", ", shape.Keys), string.Join(", ", KeyRow().Matches(section.Value).Select(row => row.Groups[1].Value)), heading);
        }
    }

    [TestMethod]
    public void LinksOfThePageLeadSomewhere()
    {
        var headings = Heading().Matches(_page).Select(heading => "#" + heading.Groups[1].Value.ToLowerInvariant().Replace(' ', '-')).ToHashSet();
        foreach (var link in Anchor().Matches(_page).Select(link => link.Groups[1].Value))
            Assert.Contains(link, headings);
    }

    [TestMethod]
    public void ExamplesLoadAndFitTheSchema()
    {
        var schema = new JsonSchema(Repository.Schema());
        var directories = Directory.GetDirectories(Path.Combine(Repository.Root, "examples"));
        Assert.IsNotEmpty(directories);
        foreach (var directory in directories)
        {
            var definitions = Path.Combine(directory, "definitions");
            Assert.IsEmpty(DefinitionLoader.Load(definitions).Errors, DefinitionLoader.Load(definitions).ToString());
            foreach (var file in Directory.GetFiles(definitions))
                Assert.IsNull(schema.Refusal(Repository.ToJson(File.ReadAllText(file))), file);
        }
    }

    [GeneratedRegex("^```yaml\n(.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex YamlBlock();

    [GeneratedRegex(@"^\| `(\w+)` \|", RegexOptions.Multiline)]
    private static partial Regex KeyRow();

    [GeneratedRegex("^#+ (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"\]\((#[^)]*)\)")]
    private static partial Regex Anchor();
}
