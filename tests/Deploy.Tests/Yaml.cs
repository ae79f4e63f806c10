using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace FeatureStore.Deploy.Tests;

/// <summary>YAML as JSON, by YAML's core schema.</summary>
internal static class Yaml
{
    /// <summary>The documents that are not empty. Anchors and merge keys are resolved.</summary>
    public static IReadOnlyList<JsonObject> Documents(string text)
    {
        var stream = new YamlStream();
        stream.Load(new MergingParser(new Parser(new StringReader(text))));
        return [.. stream.Documents.Select(document => ToJson(document.RootNode)).OfType<JsonObject>()];
    }

    public static JsonObject File(string path) => Documents(System.IO.File.ReadAllText(path)).Single();

    /// <summary>A node and all below it, with where each is.</summary>
    public static IEnumerable<(string Path, JsonNode? Node)> Descendants(JsonNode? node, string path = "")
    {
        yield return (path, node);
        var children = node switch
        {
            JsonObject mapping => mapping.Select(pair => (Path: $"{path}.{pair.Key}".TrimStart('.'), pair.Value)),
            JsonArray list => list.Select((item, index) => (Path: $"{path}[{index}]", Value: item)),
            _ => [],
        };
        foreach (var descendant in children.SelectMany(child => Descendants(child.Value, child.Path)))
            yield return descendant;
    }

    private static JsonNode? ToJson(YamlNode node) => node switch
    {
        YamlSequenceNode list => new JsonArray([.. list.Select(ToJson)]),
        YamlMappingNode mapping => new JsonObject(mapping.Select(pair => KeyValuePair.Create(((YamlScalarNode)pair.Key).Value!, ToJson(pair.Value)))),
        YamlScalarNode { Style: ScalarStyle.Plain } plain => plain.Value switch
        {
            null or "" or "~" or "null" => null,
            "true" => JsonValue.Create(true),
            "false" => JsonValue.Create(false),
            var text when int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => JsonValue.Create(number),
            var text when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) => JsonValue.Create(number),
            var text => JsonValue.Create(text),
        },
        YamlScalarNode scalar => JsonValue.Create(scalar.Value),
        _ => throw new FormatException($"a node of type {node.NodeType}"),
    };
}
