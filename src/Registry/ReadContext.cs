using FeatureStore.Core.Definitions;
using FeatureStore.Registry.Yaml;

namespace FeatureStore.Registry;

/// <summary>
/// What reading gathers: errors, where each path stands, and which paths could not be read. An unreadable value becomes one that the validator
/// refuses (an empty text, an undefined enum value, an empty list), and what the validator says of an unreadable path is left out: so one fault
/// is told once, and the rest of the definitions is still checked.
/// </summary>
internal sealed class ReadContext(List<DefinitionFileError> errors)
{
    /// <summary>Only so many errors get a suggestion, so that hostile files cannot buy much work.</summary>
    private const int SuggestionsMax = 50;

    private readonly Dictionary<string, YamlNode> _nodes = new(StringComparer.Ordinal);
    private readonly HashSet<string> _unreadable = new(StringComparer.Ordinal);

    public void Locate(string path, YamlNode node) => _nodes.TryAdd(path, node);

    public bool IsUnreadable(string path) => _unreadable.Contains(path);

    public void MarkUnreadable(string path) => _unreadable.Add(path);

    public void Add(YamlNode at, string subject, string message) =>
        errors.Add(new(at.File.Name, at.Line, at.Column, subject.Length == 0 ? message : $"{subject}: {message}"));

    /// <summary>The known name that an unknown one was probably meant to be, or null.</summary>
    public string? Nearest(string name, IEnumerable<string> candidates) =>
        errors.Count < SuggestionsMax ? DefinitionText.Nearest(name, candidates) : null;

    /// <summary>Turns what the validator found into places in files.</summary>
    public void AddSemantic(DefinitionError error)
    {
        YamlNode? found = null;
        var offset = error.Offset;
        for (var path = error.Path; path.Length > 0; path = Parent(path))
        {
            if (_unreadable.Contains(path))
                return;
            if (found is null && !_nodes.TryGetValue(path, out found))
                offset = 0;
        }

        found ??= _nodes[""];
        var (line, column) = found.Kind == YamlKind.Text ? TextPosition.InScalar(found, offset) : (found.Line, found.Column);
        errors.Add(new(found.File.Name, line, column, error.Message));
    }

    private static string Parent(string path)
    {
        var end = path.AsSpan().LastIndexOfAny('.', '[');
        return end < 0 ? "" : path[..end];
    }
}
