using System.Buffers;
using System.Globalization;
using FeatureStore.Core.Definitions;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace FeatureStore.Registry.Yaml;

/// <summary>
/// Reads one YAML document into nodes. Works from the parser's events, so that depth and size are bounded while reading, and every repeated key is
/// told. Anchors, aliases and tags are refused: definitions need none, and aliases can make a small file arbitrarily large.
/// </summary>
internal sealed class YamlReader
{
    public const int DepthMax = 32;
    public const int NodesMax = 100_000;

    private static readonly SearchValues<char> _controlCharacters =
        SearchValues.Create([.. Enumerable.Range(0, 0x20).Append(0x7F).Select(code => (char)code).Except("\t\r\n")]);

    private readonly DefinitionFile _file;
    private readonly List<DefinitionFileError> _errors;
    private readonly Parser _parser;
    private int _nodes;

    private YamlReader(DefinitionFile file, List<DefinitionFileError> errors)
    {
        _file = file;
        _errors = errors;
        _parser = new(new StringReader(file.Text));
    }

    /// <summary>The file's document.</summary>
    /// <param name="file">At most <see cref="DefinitionLoader.FileBytesMax"/> bytes.</param>
    /// <param name="errors">Gets what is wrong.</param>
    /// <param name="root">Null where the file has no document.</param>
    /// <returns>False where the file cannot be read as YAML.</returns>
    public static bool TryRead(DefinitionFile file, List<DefinitionFileError> errors, out YamlNode? root)
    {
        root = null;
        var reader = new YamlReader(file, errors);
        try
        {
            RefuseControlCharacters(file.Text);
            root = reader.Document();
            return true;
        }
        catch (YamlException exception)
        {
            errors.Add(new(file.Name, Number(exception.Start.Line), Number(exception.Start.Column), exception.Message));
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException or FormatException or OverflowException)
        {
            // The parser has no error of its own for some malformed texts; what it read last is the nearest known place.
            var last = reader._parser.Current?.End ?? new Mark(0, 1, 1);
            errors.Add(new(file.Name, Number(last.Line), Number(last.Column), "what follows is not valid YAML."));
        }

        return false;
    }

    private YamlNode? Document()
    {
        _parser.Consume<StreamStart>();
        if (_parser.TryConsume<StreamEnd>(out _))
            return null;
        _parser.Consume<DocumentStart>();
        var root = Node(1);
        _parser.Consume<DocumentEnd>();
        if (_parser.TryConsume<DocumentStart>(out var second))
            throw Refuse(second, "a second document starts here. Put each document in a file of its own.");
        _parser.Consume<StreamEnd>();
        return root;
    }

    private YamlNode Node(int depth)
    {
        if (_parser.Accept<AnchorAlias>(out var alias))
            throw Refuse(alias, $"the alias *{alias.Value} is not supported. Write the value out.");
        var start = _parser.Consume<NodeEvent>();
        if (!start.Anchor.IsEmpty)
            throw Refuse(start, $"the anchor &{start.Anchor} is not supported. Remove it.");
        if (!start.Tag.IsEmpty)
            throw Refuse(start, $"the tag {DefinitionText.Quote(start.Tag.Value)} is not supported. Remove it.");
        if (depth > DepthMax)
            throw Refuse(start, $"values are nested deeper than {DepthMax} levels.");
        if (++_nodes > NodesMax)
            throw Refuse(start, $"the file has more than {NodesMax} values. Split it.");
        if (start is Scalar scalar)
            return New(YamlKind.Text, start, scalar.Value, scalar.Style);
        if (start is SequenceStart)
        {
            var list = New(YamlKind.List, start);
            while (!_parser.TryConsume<SequenceEnd>(out _))
                list.Items.Add(Node(depth + 1));
            return list;
        }

        return Mapping(start, depth);
    }

    private YamlNode Mapping(NodeEvent start, int depth)
    {
        var mapping = New(YamlKind.Mapping, start);
        var keys = new Dictionary<string, YamlNode>(StringComparer.Ordinal);
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            var key = Node(depth + 1);
            var value = Node(depth + 1);
            if (key.Kind != YamlKind.Text)
                _errors.Add(Error(key, "a key is a plain text, not a list or a mapping."));
            else if (keys.TryAdd(key.Text, key))
                mapping.Entries.Add(new(key, value));
            else
                _errors.Add(Error(key, $"the key {DefinitionText.Quote(key.Text)} is here twice, first on line {keys[key.Text].Line}. Remove one."));
        }

        return mapping;
    }

    private YamlNode New(YamlKind kind, NodeEvent start, string text = "", ScalarStyle style = ScalarStyle.Any) => new()
    {
        Kind = kind,
        File = _file,
        Index = Number(start.Start.Index),
        Line = Number(start.Start.Line),
        Column = Number(start.Start.Column),
        Text = text,
        Style = style,
    };

    private DefinitionFileError Error(YamlNode node, string message) => new(_file.Name, node.Line, node.Column, message);

    private static YamlException Refuse(ParsingEvent at, string message) => new(at.Start, at.End, message);

    /// <summary>YAML allows none but tab and line breaks; the parser takes NUL for the end of the file.</summary>
    private static void RefuseControlCharacters(string text)
    {
        var index = text.AsSpan().IndexOfAny(_controlCharacters);
        if (index < 0)
            return;
        var (line, column) = TextPosition.Of(text, index);
        var mark = new Mark(index, line, column);
        throw new YamlException(mark, mark, string.Create(CultureInfo.InvariantCulture, $"the control character U+{(int)text[index]:X4} is not allowed in YAML."));
    }

    private static int Number(long value) => (int)value;
}
