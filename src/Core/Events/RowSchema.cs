using FeatureStore.Core.Definitions;

namespace FeatureStore.Core.Events;

/// <summary>Names and types of the fields of a row: a source's event or a service's request. At most 64 fields.</summary>
public sealed class RowSchema
{
    public const int FieldsMax = 64;

    /// <summary>Longest text of a field, in UTF-8 bytes.</summary>
    public const int TextBytesMax = 4096;

    private readonly Dictionary<string, int> _indexes;

    public RowSchema(IReadOnlyList<FieldDefinition> fields)
    {
        ArgumentNullException.ThrowIfNull(fields);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(fields.Count, FieldsMax);
        Fields = [.. fields];
        _indexes = new(StringComparer.Ordinal);
        for (var i = 0; i < Fields.Count; i++)
            _indexes.Add(Fields[i].Name, i);
    }

    private RowSchema(IReadOnlyList<FieldDefinition> fields, Dictionary<string, int> indexes)
    {
        Fields = fields;
        _indexes = indexes;
    }

    public IReadOnlyList<FieldDefinition> Fields { get; }

    public int Count => Fields.Count;

    /// <summary>The same rows, in which only fields that another schema has too are found by name.</summary>
    internal RowSchema Only(RowSchema other) =>
        new(Fields, new(_indexes.Where(field => other.IndexOf(field.Key) >= 0), StringComparer.Ordinal));

    /// <summary>Index of a field, or −1.</summary>
    public int IndexOf(string name) => _indexes.GetValueOrDefault(name, -1);
}
