using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Definitions;

/// <summary>What the checks of all sections share: the errors so far, the things by name, and the rules that several sections have.</summary>
internal sealed class DefinitionChecks
{
    /// <summary>Only so many errors get a suggestion, so that hostile definitions cannot buy much work.</summary>
    private const int SuggestionsMax = 50;

    private static readonly HashSet<string> _reservedWords =
    [
        "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop", "namespace",
        "null", "package", "return", "true", "var", "void", "while",
    ];

    private readonly List<DefinitionError> _errors = [];
    private readonly Dictionary<SourceDefinition, RowSchema?> _schemas = new(ReferenceEqualityComparer.Instance);

    public DefinitionChecks(ProjectDefinition project)
    {
        Definition = project;
        Sources = new("source", project.Sources, source => source.Name);
        Entities = new("entity", project.Entities, entity => entity.Name);
        Views = new("feature view", project.FeatureViews, view => view.Name);
        Services = new("feature service", project.FeatureServices, service => service.Name);
        Models = new("model", project.Models, model => model.Name);
    }

    public ProjectDefinition Definition { get; }

    public NamedSet<SourceDefinition> Sources { get; }

    public NamedSet<EntityDefinition> Entities { get; }

    public NamedSet<FeatureViewDefinition> Views { get; }

    public NamedSet<FeatureServiceDefinition> Services { get; }

    public NamedSet<ModelDefinition> Models { get; }

    public IReadOnlyList<DefinitionError> Errors => _errors;

    public void Add(string path, string subject, string message, int offset = 0) =>
        _errors.Add(new(path, $"{subject}: {message}", offset));

    public string Hint(string name, IReadOnlyCollection<string> candidates) =>
        _errors.Count < SuggestionsMax ? " " + DefinitionText.Hint(name, candidates) : "";

    public void Project(string name)
    {
        if (name.Length == 0)
            Add("project", "project", "has no name.");
        else if (name.Length > DefinitionLimits.ProjectLengthMax || !char.IsAsciiLetterOrDigit(name[0]) || !name.All(IsProjectCharacter))
            Add("project", "project", $"{DefinitionText.Quote(name)} is not a project's name. Use lower-case letters, digits, '_' and '-', starting with a letter or a digit, at most {DefinitionLimits.ProjectLengthMax}.");
    }

    /// <summary>The items of a section, each with its path and what messages call it; names and their number are checked on the way.</summary>
    public IEnumerable<(T Item, string Path, string Subject)> Section<T>(NamedSet<T> set, string section, int countMax)
        where T : class
    {
        if (set.Items.Count > countMax)
        {
            Add(section, "project", $"{set.Items.Count} {section} are too many. At most {countMax} are allowed.");
            yield break;
        }

        for (var index = 0; index < set.Items.Count; index++)
        {
            var item = set.Items[index];
            var path = $"{section}[{index}]";
            var name = set.NameOf(item);
            var subject = DefinitionText.Subject(set.Kind, name, path);
            if (Identifier($"{path}.name", subject, "name", name) && set.IndexOfFirst(name) is var first && first != index)
                Add($"{path}.name", subject, $"name is taken by {section}[{first}]. Names of one kind differ.");
            yield return (item, path, subject);
        }
    }

    /// <summary>Letters, digits and '_': usable in expressions, URLs and topics alike.</summary>
    public bool Identifier(string path, string subject, string what, string name)
    {
        if (name.Length == 0)
            Add(path, subject, $"{what} is empty.");
        else if (name.Length > DefinitionLimits.NameLengthMax || char.IsAsciiDigit(name[0]) || !name.All(IsNameCharacter))
            Add(path, subject, $"{what} {DefinitionText.Quote(name)} is not an identifier. Use letters, digits and '_', not a digit first, at most {DefinitionLimits.NameLengthMax}.");
        else
            return true;
        return false;
    }

    public void Topic(string path, string subject, string what, string topic)
    {
        if (topic.Length == 0)
            Add(path, subject, $"{what} is empty.");
        else if (topic.Length > DefinitionLimits.TopicLengthMax || topic is "." or ".." || !topic.All(character => IsNameCharacter(character) || character is '.' or '-'))
            Add(path, subject, $"{what} {DefinitionText.Quote(topic)} is not a Kafka topic's name. Use letters, digits, '.', '_' and '-', at most {DefinitionLimits.TopicLengthMax}.");
    }

    public void Duration(string path, string subject, string what, TimeSpan duration, bool isZeroAllowed)
    {
        if (duration < TimeSpan.Zero || (duration == TimeSpan.Zero && !isZeroAllowed))
            Add(path, subject, $"{what} is not {(isZeroAllowed ? "0 or more" : "more than 0")}.");
        else if (duration > TimeSpan.FromDays(DefinitionLimits.DurationDaysMax))
            Add(path, subject, $"{what} is longer than {DefinitionLimits.DurationDaysMax}d, the longest allowed.");
        else if (duration.Ticks % TimeSpan.TicksPerMillisecond != 0)
            Add(path, subject, $"{what} is not a whole number of milliseconds.");
    }

    /// <summary>Names and types of fields. The order of a source's fields is the order of its row.</summary>
    public void Fields(string path, string subject, IReadOnlyList<FieldDefinition> fields)
    {
        if (fields.Count > RowSchema.FieldsMax)
        {
            Add(path, subject, $"{fields.Count} fields are too many. At most {RowSchema.FieldsMax} are allowed.");
            return;
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var field in fields)
        {
            var fieldPath = $"{path}.{field.Name}";
            FieldName(fieldPath, subject, field.Name);
            if (!names.Add(field.Name))
                Add(fieldPath, subject, $"field {DefinitionText.Quote(field.Name)} is declared twice.");
            Defined(fieldPath, subject, $"type of field {DefinitionText.Quote(field.Name)}", field.Type);
        }
    }

    /// <summary>An identifier that expressions can name.</summary>
    public bool FieldName(string path, string subject, string name)
    {
        if (!Identifier(path, subject, "field", name))
            return false;
        if (_reservedWords.Contains(name))
            Add(path, subject, $"field {DefinitionText.Quote(name)} is a word of the expression language. Use another name.");
        return true;
    }

    public bool Defined<T>(string path, string subject, string what, T value)
        where T : struct, Enum
    {
        if (Enum.IsDefined(value))
            return true;
        Add(path, subject, $"{what} is not known. Use {string.Join(", ", DefinitionText.Names<T>())}.");
        return false;
    }

    public bool Finite(string path, string subject, string what, double value)
    {
        if (double.IsFinite(value))
            return true;
        Add(path, subject, $"{what} is not a finite number.");
        return false;
    }

    /// <summary>Bounds are finite, each greater than the one before.</summary>
    public void Ascending(string path, string subject, IReadOnlyList<double> bounds)
    {
        for (var index = 0; index < bounds.Count; index++)
        {
            if (!Finite($"{path}[{index}]", subject, "bound", bounds[index]))
                return;
            if (index > 0 && bounds[index] <= bounds[index - 1])
                Add($"{path}[{index}]", subject, $"bound {bounds[index]} is not greater than the one before, {bounds[index - 1]}.");
        }
    }

    /// <summary>What a name refers to. Null, with an error, where there is no such thing.</summary>
    public T? Resolve<T>(NamedSet<T> set, string name, string path, string subject)
        where T : class
    {
        if (set.Find(name) is { } item)
            return item;
        if (name.Length == 0)
            Add(path, subject, $"{set.Kind} is empty.");
        else if (set.IsComplete)
            Add(path, subject, $"unknown {set.Kind} {DefinitionText.Quote(name)}.{Hint(name, set.Names)}");
        return null;
    }

    /// <summary>The declaration of a source's field. Null where there is none, with an error unless the source itself has one that explains it.</summary>
    public FieldDefinition? Field(SourceDefinition source, string name, string path, string subject, string what)
    {
        var field = source.Fields.FirstOrDefault(field => field.Name == name);
        if (name.Length == 0)
            Add(path, subject, $"{what} is empty.");
        else if (field is null && source.Fields.Count > 0 && source.Fields.All(field => field.Name.Length > 0))
            Add(path, subject, $"{what} {DefinitionText.Quote(name)} is not among the fields.{Hint(name, FieldNames(source.Fields))}");
        return field is not null && Enum.IsDefined(field.Type) ? field : null;
    }

    /// <summary>A source's row; null where its fields are not sound.</summary>
    public RowSchema? SchemaOf(SourceDefinition source)
    {
        if (!_schemas.TryGetValue(source, out var schema))
            _schemas.Add(source, schema = source.Fields.Count == 0 ? null : Schema(source.EventFields));
        return schema;
    }

    public static RowSchema? Schema(IReadOnlyList<FieldDefinition> fields) =>
        fields.Count <= RowSchema.FieldsMax
        && fields.All(field => field.Name.Length > 0 && Enum.IsDefined(field.Type))
        && fields.DistinctBy(field => field.Name).Count() == fields.Count
            ? new(fields)
            : null;

    /// <summary>Type of an expression. Null where it is wrong, with an error, or where the schema is not known.</summary>
    public ExpressionType? Compile(string text, RowSchema? schema, string path, string subject)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            Add(path, subject, "the expression is empty.");
            return null;
        }

        if (schema is null)
            return null;
        var expression = CompiledExpression.Compile(text, schema, out var error);
        if (error is not null)
            Add(path, subject, error.Message, error.Position);
        return expression?.Type;
    }

    public static IReadOnlyCollection<string> FieldNames(IReadOnlyList<FieldDefinition> fields) => [.. fields.Select(field => field.Name)];

    private static bool IsProjectCharacter(char character) => char.IsAsciiLetterLower(character) || char.IsAsciiDigit(character) || character is '_' or '-';

    private static bool IsNameCharacter(char character) => char.IsAsciiLetterOrDigit(character) || character == '_';
}

/// <summary>The things of one kind, by name; of two with one name the first.</summary>
internal sealed class NamedSet<T>
    where T : class
{
    private readonly Dictionary<string, int> _indexes = new(StringComparer.Ordinal);
    private readonly Func<T, string> _name;

    public NamedSet(string kind, IReadOnlyList<T> items, Func<T, string> name)
    {
        Kind = kind;
        Items = items;
        _name = name;
        for (var index = 0; index < items.Count; index++)
            _indexes.TryAdd(name(items[index]), index);
    }

    public string Kind { get; }

    public IReadOnlyList<T> Items { get; }

    public IReadOnlyCollection<string> Names => _indexes.Keys;

    /// <summary>Whether each has a name; else one that is not found may be the nameless one.</summary>
    public bool IsComplete => !_indexes.ContainsKey("");

    public string NameOf(T item) => _name(item);

    public int IndexOfFirst(string name) => _indexes[name];

    public T? Find(string name) => name.Length > 0 && _indexes.TryGetValue(name, out var index) ? Items[index] : null;
}
