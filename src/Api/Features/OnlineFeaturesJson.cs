using System.Text.Json;
using FeatureStore.Core.Events;

namespace FeatureStore.Api.Features;

/// <summary>Columns of an answer as Feast writes them: values, statuses and event timestamps, a row after the other.</summary>
internal static class OnlineFeaturesJson
{
    private static readonly JsonEncodedText _epoch = JsonEncodedText.Encode("1970-01-01T00:00:00Z");
    private static readonly JsonEncodedText[] _statuses = [.. Enum.GetNames<FeatureStatus>().Select(name => JsonEncodedText.Encode(name))];

    /// <summary>Writes a feature's column.</summary>
    /// <param name="writer">In an array.</param>
    /// <param name="column">The column.</param>
    /// <param name="index">Its index.</param>
    /// <param name="query">Read.</param>
    /// <param name="counts">Gets the number of values of each status added, where it is not empty.</param>
    public static void WriteFeature(Utf8JsonWriter writer, FeatureColumn column, int index, FeatureQuery query, Span<int> counts)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("values"u8);
        for (var row = 0; row < query.Rows; row++)
        {
            if (query.IsLeftOut(row))
                continue;
            if (column.View is null)
                query.WriteComputedValue(writer, column, row, index);
            else
                query.WriteValue(writer, column, row, index);
        }

        writer.WriteEndArray();
        writer.WriteStartArray("statuses"u8);
        for (var row = 0; row < query.Rows; row++)
        {
            if (query.IsLeftOut(row))
                continue;
            var status = query.Status(row, index, column);
            if (!counts.IsEmpty)
                counts[(int)status]++;
            writer.WriteStringValue(_statuses[(int)status]);
        }

        writer.WriteEndArray();
        if (column.View is null)
            WriteRepeated(writer, "event_timestamps"u8, _epoch, query.RowsLeft);
        else
            WriteTimestamps(writer, index, query);
        writer.WriteEndObject();
    }

    /// <summary>Writes what comes after a join key's values.</summary>
    public static void WriteKeyStatuses(Utf8JsonWriter writer, int rows)
    {
        WriteRepeated(writer, "statuses"u8, _statuses[(int)FeatureStatus.PRESENT], rows);
        WriteRepeated(writer, "event_timestamps"u8, _epoch, rows);
    }

    private static void WriteTimestamps(Utf8JsonWriter writer, int index, FeatureQuery query)
    {
        Span<byte> text = stackalloc byte[Rfc3339.Length];
        writer.WriteStartArray("event_timestamps"u8);
        for (var row = 0; row < query.Rows; row++)
        {
            if (query.IsLeftOut(row))
                continue;
            if (query.NewestMs(row, index) is var newestMs && newestMs == long.MinValue)
                writer.WriteStringValue(_epoch);
            else
                writer.WriteStringValue(Timestamp(newestMs, text));
        }

        writer.WriteEndArray();
    }

    /// <summary>As protocol buffers write timestamps in JSON: no fraction where it is zero.</summary>
    private static ReadOnlySpan<byte> Timestamp(long unixMs, Span<byte> text)
    {
        Rfc3339.Write(unixMs, text);
        if (!text.EndsWith(".000Z"u8))
            return text;
        text[^5] = (byte)'Z';
        return text[..^4];
    }

    private static void WriteRepeated(Utf8JsonWriter writer, ReadOnlySpan<byte> name, JsonEncodedText value, int count)
    {
        writer.WriteStartArray(name);
        for (var row = 0; row < count; row++)
            writer.WriteStringValue(value);
        writer.WriteEndArray();
    }
}
