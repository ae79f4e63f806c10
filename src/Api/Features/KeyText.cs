using System.Globalization;
using System.Text;
using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;

namespace FeatureStore.Api.Features;

/// <summary>Join keys as texts of a path or a query.</summary>
internal static class KeyText
{
    /// <summary>Sets a join key.</summary>
    /// <param name="keys">Rows of the entity's keys.</param>
    /// <param name="row">The row.</param>
    /// <param name="field">Index of the key.</param>
    /// <param name="key">The key.</param>
    /// <param name="text">Its value.</param>
    /// <exception cref="ApiException">The text is no value of the key's type.</exception>
    public static void Set(EventBatch keys, int row, int field, FieldDefinition key, string text)
    {
        if (!TrySet(keys, row, field, key.Type, text))
            throw ApiException.BadRequest("bad-key", $"join key \"{key.Name}\": {DefinitionText.Quote(text)} is not {Expected(key.Type)}.");
    }

    private static bool TrySet(EventBatch keys, int row, int field, FieldType type, string text)
    {
        switch (type)
        {
            case FieldType.Int64 when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer):
                keys.SetInt64(row, field, integer);
                return true;
            case FieldType.Double when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number):
                keys.SetDouble(row, field, number);
                return true;
            case FieldType.Bool when text is "true" or "false":
                keys.SetInt64(row, field, text == "true" ? 1 : 0);
                return true;
            case FieldType.Timestamp when Rfc3339.TryParse(Encoding.UTF8.GetBytes(text), out var unixMs)
                || (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out unixMs) && unixMs is >= Rfc3339.MinMs and <= Rfc3339.MaxMs):
                keys.SetInt64(row, field, unixMs);
                return true;
            case FieldType.String when Encoding.UTF8.GetByteCount(text) <= RowSchema.TextBytesMax:
                keys.SetText(row, field, Encoding.UTF8.GetBytes(text));
                return true;
            default:
                return false;
        }
    }

    private static string Expected(FieldType type) => type switch
    {
        FieldType.Int64 => "an int64, such as 596",
        FieldType.Double => "a finite number",
        FieldType.Bool => "true or false",
        FieldType.Timestamp => "a timestamp, such as 2018-06-01T00:00:07Z",
        _ => "a text of at most 4,096 bytes",
    };
}
