using YamlDotNet.Core;

namespace FeatureStore.Registry.Yaml;

internal enum YamlKind
{
    Text,
    List,
    Mapping,
}

/// <summary>A value in a YAML file, and where it stands.</summary>
internal sealed class YamlNode
{
    public required YamlKind Kind { get; init; }

    public required DefinitionFile File { get; init; }

    /// <summary>Characters into the file's text.</summary>
    public required int Index { get; init; }

    /// <summary>Counted from 1.</summary>
    public required int Line { get; init; }

    /// <summary>Counted from 1, in characters.</summary>
    public required int Column { get; init; }

    public string Text { get; init; } = "";

    public ScalarStyle Style { get; init; }

    public List<YamlNode> Items { get; } = [];

    public List<KeyValuePair<YamlNode, YamlNode>> Entries { get; } = [];

    public bool IsPlain => Kind == YamlKind.Text && Style == ScalarStyle.Plain;

    public bool IsNull => IsPlain && Text is "" or "~" or "null" or "Null" or "NULL";

    public YamlNode? Find(string key) => Entries.FirstOrDefault(entry => entry.Key.Text == key).Value;
}
