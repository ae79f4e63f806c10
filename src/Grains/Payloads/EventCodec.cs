using System.Buffers.Binary;
using System.Numerics;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;

namespace FeatureStore.Grains.Payloads;

/// <summary>
/// Rows as bytes, little-endian: event time, offset (int64 each), partition, origin (int32 each), flags (byte: 1 taken back, 2 half of an update), mask of the fields that
/// have values (uint64), then their values: 8 bytes, or of a text 2 bytes of length and UTF-8.
/// </summary>
internal static class EventCodec
{
    private const int HeaderBytes = 8 + 8 + 4 + 4 + 1 + 8;
    private const byte Retraction = 1;
    private const byte Update = 2;

    /// <summary>Bytes of a row.</summary>
    public static int Length(EventBatch events, int row)
    {
        var fields = events.Schema.Fields;
        var values = events.Row(row);
        var length = HeaderBytes;
        for (var field = 0; field < fields.Count; field++)
        {
            if (values.Has(field))
                length += fields[field].Type == FieldType.String ? 2 + values.Text(field).Length : 8;
        }

        return length;
    }

    /// <summary>Writes a row.</summary>
    /// <returns>Bytes written.</returns>
    public static int Write(EventBatch events, int row, Span<byte> bytes)
    {
        ref readonly var header = ref events[row];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, header.TimeMs);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[8..], header.Offset);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[16..], header.Partition);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[20..], header.Origin);
        bytes[24] = (byte)((header.IsRetraction ? Retraction : 0) | (header.IsUpdate ? Update : 0));
        var fields = events.Schema.Fields;
        var values = events.Row(row);
        var mask = 0UL;
        var length = HeaderBytes;
        for (var field = 0; field < fields.Count; field++)
        {
            if (!values.Has(field))
                continue;
            mask |= 1UL << field;
            if (fields[field].Type == FieldType.String)
            {
                var text = values.Text(field);
                BinaryPrimitives.WriteUInt16LittleEndian(bytes[length..], checked((ushort)text.Length));
                text.CopyTo(bytes[(length + 2)..]);
                length += 2 + text.Length;
            }
            else
            {
                BinaryPrimitives.WriteInt64LittleEndian(bytes[length..], values.Int64(field));
                length += 8;
            }
        }

        BinaryPrimitives.WriteUInt64LittleEndian(bytes[25..], mask);
        return length;
    }

    /// <summary>Appends a row to a batch.</summary>
    /// <returns>Bytes read.</returns>
    public static int Read(ReadOnlySpan<byte> bytes, EventBatch events)
    {
        var row = events.Add(new EventHeader
        {
            TimeMs = BinaryPrimitives.ReadInt64LittleEndian(bytes),
            Offset = BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]),
            Partition = BinaryPrimitives.ReadInt32LittleEndian(bytes[16..]),
            Origin = BinaryPrimitives.ReadInt32LittleEndian(bytes[20..]),
            IsRetraction = (bytes[24] & Retraction) != 0,
            IsUpdate = (bytes[24] & Update) != 0,
        });
        var fields = events.Schema.Fields;
        var length = HeaderBytes;
        for (var mask = BinaryPrimitives.ReadUInt64LittleEndian(bytes[25..]); mask != 0; mask &= mask - 1)
        {
            var field = BitOperations.TrailingZeroCount(mask);
            if (fields[field].Type == FieldType.String)
            {
                var textLength = BinaryPrimitives.ReadUInt16LittleEndian(bytes[length..]);
                events.SetText(row, field, bytes.Slice(length + 2, textLength));
                length += 2 + textLength;
            }
            else
            {
                events.SetInt64(row, field, BinaryPrimitives.ReadInt64LittleEndian(bytes[length..]));
                length += 8;
            }
        }

        return length;
    }
}
