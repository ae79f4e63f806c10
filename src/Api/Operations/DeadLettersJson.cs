using System.Text.Json;
using System.Text.Unicode;
using FeatureStore.Runtime;

namespace FeatureStore.Api.Operations;

/// <summary>Dead letters as JSON. Keys and values come as text where they are UTF-8, else as base64.</summary>
internal static class DeadLettersJson
{
    public static void Write(Utf8JsonWriter writer, IDeadLetterLog log, int limit)
    {
        writer.WriteStartObject();
        writer.WriteNumber("total"u8, log.Total);
        writer.WriteStartArray("dead_letters"u8);
        foreach (var letter in log.Newest(limit))
        {
            writer.WriteStartObject();
            StatusJson.WriteTime(writer, "time"u8, letter.TimeMs);
            writer.WriteString("source"u8, letter.Source);
            writer.WriteString("position"u8, letter.Position);
            writer.WriteString("rule"u8, letter.Rule);
            writer.WriteString("reason"u8, letter.Reason);
            if (letter.Key is { } key)
                WriteBytes(writer, "key", key.Span, cut: key.Length == DeadLetterLog.BytesMax);
            else
                writer.WriteNull("key"u8);
            WriteBytes(writer, "value", letter.Value.Span, cut: letter.Value.Length < letter.ValueLength);
            writer.WriteNumber("value_length"u8, letter.ValueLength);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteBytes(Utf8JsonWriter writer, string name, ReadOnlySpan<byte> bytes, bool cut)
    {
        var text = bytes;
        // Where the bytes were cut, the last character may be cut in two.
        for (var less = 0; cut && less < 3 && text.Length > 0 && !Utf8.IsValid(text); less++)
            text = text[..^1];
        if (Utf8.IsValid(text))
            writer.WriteString(name, text);
        else
            writer.WriteBase64String(name + "_base64", bytes);
    }
}
