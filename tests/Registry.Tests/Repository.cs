using System.Globalization;
using System.Text.Json.Nodes;
using FeatureStore.Registry.Yaml;

namespace FeatureStore.Registry.Tests;

/// <summary>The repository's own files, and YAML as an editor with a JSON schema sees it.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string Read(params string[] path) => File.ReadAllText(Path.Combine([Root, .. path]));

    public static JsonObject Schema() => JsonNode.Parse(Read("docs", "definitions.schema.json"))!.AsObject();

    public static JsonNode? ToJson(string yaml)
    {
        var errors = new List<DefinitionFileError>();
        Assert.IsTrue(YamlReader.TryRead(new("yaml", yaml), errors, out var root) && errors.Count == 0, string.Join('\n', errors));
        return ToJson(root!);
    }

    private static JsonNode? ToJson(YamlNode node) => node.Kind switch
    {
        YamlKind.List => new JsonArray([.. node.Items.Select(ToJson)]),
        YamlKind.Mapping => new JsonObject(node.Entries.Select(entry => KeyValuePair.Create(entry.Key.Text, ToJson(entry.Value)))),
        _ when node.IsNull => null,
        _ when node.IsPlain && node.Text is "true" or "false" => JsonValue.Create(node.Text == "true"),
        _ when node.IsPlain && double.TryParse(node.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) => JsonValue.Create(number),
        _ => JsonValue.Create(node.Text),
    };

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Orleans.FeatureStore.sln")))
            directory = directory.Parent;
        return directory?.FullName ?? throw new AssertFailedException("the tests are not within the repository");
    }
}
