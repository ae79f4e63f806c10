using System.Globalization;
using FeatureStore.Core.Definitions;
using FeatureStore.Registry.Yaml;

namespace FeatureStore.Registry;

/// <summary>Reads a mapping's values by key and type. Tells unknown keys at once; a key that is nearly a known one is then read as that.</summary>
internal sealed class MappingReader
{
    private readonly ReadContext _context;
    private readonly DefinitionShape _shape;
    private readonly YamlNode? _node;
    private readonly string _path;
    private readonly string _subject;
    private readonly Dictionary<string, YamlNode> _values = new(StringComparer.Ordinal);

    /// <param name="context">Gets the errors.</param>
    /// <param name="shape">The keys it may have.</param>
    /// <param name="node">Null where it could not be read: each value is then unreadable too, without an error of its own.</param>
    /// <param name="path">Path from the root.</param>
    /// <param name="subject">What messages start with.</param>
    public MappingReader(ReadContext context, DefinitionShape shape, YamlNode? node, string path, string subject)
    {
        (_context, _shape, _node, _path, _subject) = (context, shape, node, path, subject);
        if (node is null)
            return;
        if (node.Kind != YamlKind.Mapping)
        {
            Unreadable(node, path, $"{shape.Title} is a mapping, not {Kind(node)}. {Sentence(shape)}");
            _node = null;
            return;
        }

        foreach (var (key, value) in node.Entries)
        {
            if (shape.Keys.Contains(key.Text))
                _values[key.Text] = value;
        }

        foreach (var (key, value) in node.Entries)
        {
            if (!shape.Keys.Contains(key.Text))
                Unknown(key, value);
        }
    }

    public string Subject => _subject;

    public bool Has(string key) => _values.ContainsKey(key);

    public string PathOf(string key) => _path.Length == 0 ? key : $"{_path}.{key}";

    /// <summary>A text that must be there; empty where it is not.</summary>
    public string Text(string key) => Find(key, isRequired: true) is { } node ? Text(node, key) : "";

    public string? OptionalText(string key) => Find(key) is { } node ? Text(node, key) : null;

    public double Number(string key) => Find(key, isRequired: true) is { } node ? Number(node, PathOf(key), key) : double.NaN;

    public double? OptionalNumber(string key) => Find(key) is { } node ? Number(node, PathOf(key), key) : null;

    /// <summary>A whole number; one beyond int is the nearest int.</summary>
    public int? OptionalInteger(string key)
    {
        if (Find(key) is not { } node || !IsText(node, PathOf(key), key))
            return null;
        if (node.IsPlain && System.Numerics.BigInteger.TryParse(node.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
            return (int)System.Numerics.BigInteger.Clamp(number, int.MinValue, int.MaxValue);
        Unreadable(node, PathOf(key), $"{key} {DefinitionText.Quote(node.Text)} is not a whole number.");
        return null;
    }

    /// <summary>A whole number that must be there, else 0.</summary>
    public int Integer(string key) => Find(key, isRequired: true) is null ? 0 : OptionalInteger(key) ?? 0;

    public bool? OptionalBool(string key)
    {
        if (Find(key) is not { } node || !IsText(node, PathOf(key), key))
            return null;
        if (node.IsPlain && bool.TryParse(node.Text, out var value))
            return value;
        Unreadable(node, PathOf(key), $"{key} {DefinitionText.Quote(node.Text)} is not true or false.");
        return null;
    }

    /// <summary>An enum's value; an undefined one where it is not known, null where there is none and none is required.</summary>
    public T? EnumValue<T>(string key, bool isRequired = false)
        where T : struct, Enum => Find(key, isRequired) is { } node ? EnumValue<T>(node, PathOf(key), key) : isRequired ? Undefined<T>() : null;

    /// <param name="key">The key.</param>
    /// <param name="what">What messages call it.</param>
    /// <param name="isRequired">Whether it must be there.</param>
    public TimeSpan? Duration(string key, string what, bool isRequired = false)
    {
        if (Find(key, isRequired) is not { } node || !IsText(node, PathOf(key), what))
            return null;
        if (DurationText.TryParse(node.Text, out var duration))
            return duration;
        Unreadable(node, PathOf(key), $"{what} {DefinitionText.Quote(node.Text)} is not a duration. Use 500ms, 30s, 5m, 1h, 7d.");
        return null;
    }

    public MappingReader Mapping(string key, DefinitionShape shape) => new(_context, shape, Find(key, isRequired: true), PathOf(key), _subject);

    public MappingReader? OptionalMapping(string key, DefinitionShape shape) =>
        Find(key) is { } node ? new(_context, shape, node, PathOf(key), _subject) : null;

    /// <summary>The items of a list, each with its path.</summary>
    /// <param name="key">The key.</param>
    /// <param name="isRequired">Whether it must be there.</param>
    /// <param name="first">Index of the first item, where the list continues another file's.</param>
    public IReadOnlyList<(YamlNode Node, string Path)> List(string key, bool isRequired, int first = 0)
    {
        if (Find(key, isRequired) is not { } node)
            return [];
        if (node.Kind == YamlKind.List)
            return Items(node, PathOf(key), first);
        Unreadable(node, PathOf(key), $"{key} is a list, not {Kind(node)}.");
        return [];
    }

    /// <summary>Texts of a list.</summary>
    public IReadOnlyList<string> Texts(string key) => [.. List(key, isRequired: true).Select(item => TextOf(item.Node, item.Path, $"an item of {key}"))];

    public IReadOnlyList<double> Numbers(string key) => [.. List(key, isRequired: true).Select(item => Number(item.Node, item.Path, $"an item of {key}"))];

    /// <summary>A mapping whose keys are the user's own: names with the node of each value.</summary>
    public IReadOnlyList<(string Name, YamlNode Value, string Path)> Named(string key, bool isRequired, bool atKey)
    {
        if (Find(key, isRequired) is not { } node)
            return [];
        if (node.Kind != YamlKind.Mapping)
        {
            Unreadable(node, PathOf(key), $"{key} is a mapping, not {Kind(node)}.");
            return [];
        }

        var path = PathOf(key);
        foreach (var (name, value) in node.Entries)
            _context.Locate($"{path}.{name.Text}", atKey ? name : value);
        return [.. node.Entries.Select(entry => (entry.Key.Text, entry.Value, $"{path}.{entry.Key.Text}"))];
    }

    public IReadOnlyList<FieldDefinition> Fields(string key, bool isRequired) =>
        [.. Named(key, isRequired, atKey: true).Select(field => new FieldDefinition(field.Name, EnumValue<FieldType>(field.Value, field.Path, $"field {DefinitionText.Quote(field.Name)}: type")))];

    /// <summary>The node of a key, for values of no fixed type.</summary>
    public YamlNode? Find(string key, bool isRequired = false)
    {
        if (!_shape.Keys.Contains(key))
            throw new InvalidOperationException($"'{key}' is not in the table of keys of {_shape.Title}.");
        if (_values.TryGetValue(key, out var value))
        {
            _context.Locate(PathOf(key), value);
            return value;
        }

        if (_node is null)
            _context.MarkUnreadable(PathOf(key));
        else if (isRequired)
            Unreadable(_node, PathOf(key), $"{_shape.Title} needs {key}.");
        return null;
    }

    public string TextOf(YamlNode node, string path, string what) => IsText(node, path, what) ? node.Text : "";

    public void Unreadable(YamlNode at, string path, string message)
    {
        _context.Add(at, _subject, message);
        _context.MarkUnreadable(path);
    }

    /// <summary>What a node is, in a sentence.</summary>
    public static string Kind(YamlNode node) => node.Kind switch
    {
        YamlKind.List => "a list",
        YamlKind.Mapping => "a mapping",
        _ => node.IsNull ? "nothing" : "a text",
    };

    private string Text(YamlNode node, string key) => TextOf(node, PathOf(key), key);

    private bool IsText(YamlNode node, string path, string what)
    {
        if (node is { Kind: YamlKind.Text, IsNull: false })
            return true;
        Unreadable(node, path, node.IsNull ? $"{what} has no value." : $"{what} is a single value, not {Kind(node)}.");
        return false;
    }

    private double Number(YamlNode node, string path, string what)
    {
        if (!IsText(node, path, what))
            return double.NaN;
        if (node.IsPlain && double.TryParse(node.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number))
            return number;
        Unreadable(node, path, $"{what} {DefinitionText.Quote(node.Text)} is not a {(node.IsPlain ? "finite number" : "number but a text. Remove the quotes")}.");
        return double.NaN;
    }

    private T EnumValue<T>(YamlNode node, string path, string what)
        where T : struct, Enum
    {
        // `outside: null` means the name, so the name goes before YAML's null.
        if (node.Kind == YamlKind.Text && DefinitionText.TryParse<T>(node.Text, out var value))
            return value;
        if (!IsText(node, path, what))
            return Undefined<T>();
        var names = DefinitionText.Names<T>();
        var hint = _context.Nearest(node.Text, names) is { } nearest ? $"Did you mean {nearest}?" : $"Use {string.Join(", ", names)}.";
        Unreadable(node, path, $"{what} {DefinitionText.Quote(node.Text)} is not known. {hint}");
        return Undefined<T>();
    }

    private static T Undefined<T>()
        where T : struct, Enum => (T)Enum.ToObject(typeof(T), -1);

    private (YamlNode Node, string Path)[] Items(YamlNode list, string path, int first)
    {
        var items = new (YamlNode Node, string Path)[list.Items.Count];
        for (var index = 0; index < items.Length; index++)
        {
            items[index] = (list.Items[index], $"{path}[{first + index}]");
            _context.Locate(items[index].Path, items[index].Node);
        }

        return items;
    }

    private void Unknown(YamlNode key, YamlNode value)
    {
        var nearest = _context.Nearest(key.Text, _shape.Keys.Except(_values.Keys));
        if (nearest is not null)
            _values.Add(nearest, value);
        _context.Add(key, _subject, $"unknown key {DefinitionText.Quote(key.Text)} in {_shape.Title}. {(nearest is null ? Sentence(_shape) : $"Did you mean {nearest}?")}");
    }

    private static string Sentence(DefinitionShape shape) =>
        shape.Keys.Length == 0 ? "It has no keys." : $"Its keys are {string.Join(", ", shape.Keys)}.";
}
