using System.Globalization;
using System.Text.Json;
using FeatureStore.Core.Blocks;
using FeatureStore.Core.Blocks.Cells;
using FeatureStore.Core.Blocks.Containers;
using FeatureStore.Core.Blocks.Sketches;

namespace FeatureStore.Core.Plans;

/// <summary>Writes a feature's value as JSON: a number, a text, a list, a map, or null.</summary>
internal static class FeatureJson
{
    /// <summary>Most values of a top list.</summary>
    private const int KeysMax = 100;

    private const int NumberBytesMax = 40;

    public static void Write(FeatureReader reader, in BlockReading reading, Utf8JsonWriter writer)
    {
        if (reader.Kind is FeatureKind.Integer && reader.TryInteger(reading, out var integer))
        {
            Write(integer, writer);
            return;
        }

        if (reader.Kind is FeatureKind.Number or FeatureKind.Integer)
        {
            Write(reading.Block.IsEmpty ? reader.Empty : reader.Read(reading, reader.Row(reading)), writer);
            return;
        }

        var row = reader.Row(reading);
        var part = reader.FirstPart(row);
        switch (reader.FirstCell)
        {
            case EdgeCell:
                WriteInput(EdgeCell.Value(part), writer);
                break;
            case ListCell list:
                Write(list, part, writer);
                break;
            case HistogramCell:
                WriteHistogram(part, writer);
                break;
            case TopKCell top:
                Write(top, part, writer);
                break;
            case MapCell map:
                Write(reader, map, part, writer);
                break;
        }
    }

    private static void Write(double value, Utf8JsonWriter writer)
    {
        Span<byte> text = stackalloc byte[NumberBytesMax];
        if (double.IsFinite(value))
            writer.WriteRawValue(text[..Format(value, text)], skipInputValidation: true);
        else
            writer.WriteNullValue();
    }

    private static void Write(Int128 value, Utf8JsonWriter writer)
    {
        Span<byte> text = stackalloc byte[NumberBytesMax];
        value.TryFormat(text, out var length, default, CultureInfo.InvariantCulture);
        writer.WriteRawValue(text[..length], skipInputValidation: true);
    }

    /// <summary>The shortest text that reads back to the same number; of powers of two, for which the runtime's shortest may read back to the number below, 17 digits.</summary>
    private static int Format(double value, Span<byte> text)
    {
        const long Mantissa = 0xf_ffff_ffff_ffff;
        var isPower = (BitConverter.DoubleToInt64Bits(value) & Mantissa) == 0;
        value.TryFormat(text, out var length, isPower ? "G17" : "R", CultureInfo.InvariantCulture);
        return length;
    }

    private static void WriteInput(ReadOnlySpan<byte> input, Utf8JsonWriter writer)
    {
        if (EventInput.IsNull(input))
            writer.WriteNullValue();
        else if (input.Length == EventInput.NumberBytes)
            Write(Memory.At<double>(input), writer);
        else if (input.Length == EventInput.IntegerBytes)
            Write(EventInput.Integer(input), writer);
        else
            writer.WriteStringValue(EventInput.Text(input));
    }

    private static void Write(ListCell list, ReadOnlySpan<byte> state, Utf8JsonWriter writer)
    {
        if (ListCell.Count(state) == 0)
        {
            writer.WriteNullValue();
            return;
        }

        writer.WriteStartArray();
        for (var index = 0; index < ListCell.Count(state); index++)
            WriteInput(list.Value(state, index), writer);
        writer.WriteEndArray();
    }

    private static void WriteHistogram(ReadOnlySpan<byte> state, Utf8JsonWriter writer)
    {
        var counts = HistogramCell.Counts(state);
        if (!counts.ContainsAnyExcept(0))
        {
            writer.WriteNullValue();
            return;
        }

        writer.WriteStartArray();
        foreach (var count in counts)
            writer.WriteNumberValue(count);
        writer.WriteEndArray();
    }

    private static void Write(TopKCell top, ReadOnlySpan<byte> state, Utf8JsonWriter writer)
    {
        Span<int> places = stackalloc int[KeysMax];
        places = places[..top.Sketch.Top(state, places)];
        if (places.IsEmpty)
        {
            writer.WriteNullValue();
            return;
        }

        writer.WriteStartArray();
        foreach (var place in places)
        {
            writer.WriteStartObject();
            writer.WritePropertyName("value"u8);
            if (top.Key is TopKKey.Text)
                writer.WriteStringValue(top.Sketch.KeyOf(state, place));
            else if (top.Key is TopKKey.Int64)
                writer.WriteNumberValue((long)top.Sketch.NumberOf(state, place));
            else
                Write(BitConverter.UInt64BitsToDouble(top.Sketch.NumberOf(state, place)), writer);
            writer.WriteNumber("count"u8, top.Sketch.CountOf(state, place));
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void Write(FeatureReader reader, MapCell map, ReadOnlySpan<byte> state, Utf8JsonWriter writer)
    {
        Span<byte> text = stackalloc byte[NumberBytesMax];
        writer.WriteStartObject();
        for (var index = 0; index < MapCell.Count(state); index++)
        {
            var key = map.Key(state, index);
            if (key.Length == EventInput.NumberBytes)
            {
                writer.WritePropertyName(text[..Format(Memory.At<double>(key), text)]);
            }
            else if (key.Length == EventInput.IntegerBytes)
            {
                EventInput.Integer(key).TryFormat(text, out var length, default, CultureInfo.InvariantCulture);
                writer.WritePropertyName(text[..length]);
            }
            else
            {
                writer.WritePropertyName(EventInput.Text(key));
            }

            var row = map.Row(state, index);
            if (reader.AreIntegers && reader.Integer(map.Cells.Part(row, 0)) is var value && !EventInput.IsNull(value))
                Write(value, writer);
            else
                Write(reader.NumberOfKey(map, row), writer);
        }

        writer.WriteEndObject();
    }
}
