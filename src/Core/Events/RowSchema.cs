using FeatureStore.Core.Definitions;

namespace FeatureStore.Core.Events;

/// <summary>Names and types of the fields of a row: a source's event or a service's request. At most 64 fields.</summary>
public sealed class RowSchema
{
    public const int FieldsMax = 64;

    /// <summary>Longest text of a field, in UTF-8 bytes.</summary>
    public const int TextBytesMax = 4096;

    private readonly Dictionary<string, int> _indexes = new(StringComparer.Ordinal);

    public RowSchema(IReadOnlyList<FieldDefinition> fields)
    {
        ArgumentNullException.ThrowIfNull(fields);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(fields.Count, FieldsMax);
        Fields = [.. fields];
        for (var i = 0; i < Fields.Count; i++)
            _indexes.Add(Fields[i].Name, i);
    }

    public IReadOnlyList<FieldDefinition> Fields { get; }

    public int Count => Fields.Count;

    /// <summary>Index of a field, or −1.</summary>
    public int IndexOf(string name) => _indexes.GetValueOrDefault(name, -1);
}
