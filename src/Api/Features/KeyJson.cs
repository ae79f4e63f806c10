using System.Text.Json;
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
        Span<byte> time = stackalloc byte[Rfc3339.Length];
        for (var key = 0; key < keys.Count; key++)
        {
            writer.WritePropertyName(keys[key].Name);
            switch (keys[key].Type)
            {
                case FieldType.Bool:
                    writer.WriteBooleanValue(row.Bool(key));
                    break;
                case FieldType.String:
                    writer.WriteStringValue(row.Text(key));
                    break;
                case FieldType.Double:
                    writer.WriteNumberValue(row.Double(key));
                    break;
                case FieldType.Timestamp:
                    Rfc3339.Write(row.Int64(key), time);
                    writer.WriteStringValue(time);
                    break;
                default:
                    writer.WriteNumberValue(row.Int64(key));
                    break;
            }
        }
    }
}
