using System.Text.Json;
using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;

namespace FeatureStore.Api.Features;

/// <summary>Join keys as members of a JSON object.</summary>
internal static class KeyJson
{
    /// <param name="writer">In an object.</param>
    /// <param name="keys">The keys.</param>
    /// <param name="row">A row that has them in order, none null.</param>
    public static void Write(Utf8JsonWriter writer, IReadOnlyList<FieldDefinition> keys, in FieldRow row)
    {
        for (var key = 0; key < keys.Count; key++)
        {
            writer.WritePropertyName(keys[key].Name);
            WriteValue(writer, keys[key].Type, row, key);
        }
    }

    /// <summary>Writes the value of one field of a row that is not null.</summary>
    public static void WriteValue(Utf8JsonWriter writer, FieldType type, in FieldRow row, int field)
    {
        switch (type)
        {
            case FieldType.Bool:
                writer.WriteBooleanValue(row.Bool(field));
                break;
            case FieldType.String:
                writer.WriteStringValue(row.Text(field));
                break;
            case FieldType.Double:
                writer.WriteDoubleValue(row.Double(field));
                break;
            case FieldType.Timestamp:
                Span<byte> time = stackalloc byte[Rfc3339.Length];
                Rfc3339.Write(row.Int64(field), time);
                writer.WriteStringValue(time);
                break;
            default:
                writer.WriteNumberValue(row.Int64(field));
                break;
        }
    }
}
