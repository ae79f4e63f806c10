using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;

namespace FeatureStore.Api.Http;

/// <summary>Reads values of the fields' types from JSON.</summary>
internal static class JsonValue
{
    public static readonly JsonReaderOptions ReaderOptions = new() { MaxDepth = 32, CommentHandling = JsonCommentHandling.Disallow };

    /// <summary>Sets a field to the reader's value; null stays null.</summary>
    /// <returns>What is wrong with the value: the second half of a sentence that begins with where it is. Null where it was set.</returns>
    public static string? Set(ref Utf8JsonReader reader, EventBatch batch, int row, int field, FieldType type)
    {
        if (reader.TokenType is JsonTokenType.Null)
            return null;
        switch (type)
        {
            case FieldType.Int64 when reader.TokenType is JsonTokenType.Number && reader.TryGetInt64(out var integer):
                batch.SetInt64(row, field, integer);
                return null;
            case FieldType.Double when reader.TokenType is JsonTokenType.Number && reader.TryGetDouble(out var number) && double.IsFinite(number):
                batch.SetDouble(row, field, number);
                return null;
            case FieldType.Bool when reader.TokenType is JsonTokenType.True or JsonTokenType.False:
                batch.SetInt64(row, field, reader.TokenType is JsonTokenType.True ? 1 : 0);
                return null;
            case FieldType.Timestamp when TryGetTimestamp(ref reader, out var unixMs):
                batch.SetInt64(row, field, unixMs);
                return null;
            case FieldType.String when reader.TokenType is JsonTokenType.String:
                return SetText(ref reader, batch, row, field);
            default:
                return $"{Describe(ref reader)} is not {Expected(type)}.";
        }
    }

    /// <summary>RFC 3339 text, or an integer of Unix milliseconds, within the years 0001 to 9999.</summary>
    public static bool TryGetTimestamp(ref Utf8JsonReader reader, out long unixMs)
    {
        if (reader.TokenType is JsonTokenType.Number)
            return reader.TryGetInt64(out unixMs) && unixMs is >= Rfc3339.MinMs and <= Rfc3339.MaxMs;
        unixMs = 0;
        if (reader.TokenType is not JsonTokenType.String || reader.ValueSpan.Length > 128)
            return false;
        if (!reader.ValueIsEscaped)
            return Rfc3339.TryParse(reader.ValueSpan, out unixMs);
        return Rfc3339.TryParse(Encoding.UTF8.GetBytes(Text(ref reader)), out unixMs);
    }

    /// <summary>Unescapes a text.</summary>
    /// <returns>False where it is not valid Unicode.</returns>
    private static bool TryCopyText(ref Utf8JsonReader reader, byte[] text, out int length)
    {
        try
        {
            length = reader.CopyString(text);
            return true;
        }
        catch (InvalidOperationException)
        {
            length = 0;
            return false;
        }
    }

    /// <summary>The reader's text or name; what is not valid Unicode in it is replaced.</summary>
    public static string Text(ref Utf8JsonReader reader)
    {
        if (!reader.ValueIsEscaped)
            return Encoding.UTF8.GetString(reader.ValueSpan);
        try
        {
            return reader.GetString() ?? "";
        }
        catch (InvalidOperationException)
        {
            return Encoding.UTF8.GetString(reader.ValueSpan);
        }
    }

    /// <summary>What the reader is at, for messages; long values cut.</summary>
    public static string Describe(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.String => "the text " + DefinitionText.Quote(Text(ref reader)),
        JsonTokenType.Number => "the number " + Encoding.UTF8.GetString(reader.ValueSpan[..Math.Min(reader.ValueSpan.Length, 40)]),
        JsonTokenType.True => "true",
        JsonTokenType.False => "false",
        JsonTokenType.Null => "null",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.StartObject => "an object",
        _ => "nothing",
    };

    /// <summary>What a value of a type looks like.</summary>
    public static string Expected(FieldType type) => type switch
    {
        FieldType.Int64 => "an int64: write it as a number without quotes, between −9223372036854775808 and 9223372036854775807",
        FieldType.Double => "a double: write it as a finite number without quotes",
        FieldType.Bool => "a bool: write true or false",
        FieldType.Timestamp => "a timestamp: write RFC 3339 text such as \"2018-06-01T00:00:07Z\", or an integer of Unix milliseconds",
        _ => "a string: write it in quotes",
    };

    private static string? SetText(ref Utf8JsonReader reader, EventBatch batch, int row, int field)
    {
        const string TooLong = "the text is longer than 4,096 bytes.";
        const string NotUnicode = "the text is not valid Unicode.";
        if (!reader.ValueIsEscaped)
        {
            if (reader.ValueSpan.Length > RowSchema.TextBytesMax)
                return TooLong;
            if (!Utf8.IsValid(reader.ValueSpan))
                return NotUnicode;
            batch.SetText(row, field, reader.ValueSpan);
            return null;
        }

        // The longest escape, \u0000, has six bytes for one.
        if (reader.ValueSpan.Length > RowSchema.TextBytesMax * 6)
            return TooLong;
        var text = ArrayPool<byte>.Shared.Rent(reader.ValueSpan.Length);
        try
        {
            if (!TryCopyText(ref reader, text, out var length))
                return NotUnicode;
            if (length > RowSchema.TextBytesMax)
                return TooLong;
            batch.SetText(row, field, text.AsSpan(0, length));
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(text);
        }
    }
}
