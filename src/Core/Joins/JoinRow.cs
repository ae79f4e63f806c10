using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using FeatureStore.Core.Events;

namespace FeatureStore.Core.Joins;

/// <summary>
/// An event that waits for partners, in a join's block; little-endian, a multiple of 8 bytes:
/// <code>
///  0  int32   length of the row
///  4  byte    side: 0 left, 1 right
///  5  byte    1: has had a partner
///  8  int64   event time
/// 16  int64   offset
/// 24  int32   partition
/// 28  int32   bytes of texts
/// 32  uint64  fields that have a value, one bit each
/// 40          a slot of 8 bytes a field, as in a <see cref="FieldRow"/>; then the texts, padded
/// </code>
/// </summary>
internal static class JoinRow
{
    public const int HeadBytes = 40;

    public static int Length(ReadOnlySpan<byte> row) => BinaryPrimitives.ReadInt32LittleEndian(row);

    public static int Side(ReadOnlySpan<byte> row) => row[4];

    public static bool IsMatched(ReadOnlySpan<byte> row) => row[5] != 0;

    public static void SetMatched(Span<byte> row) => row[5] = 1;

    public static long TimeMs(ReadOnlySpan<byte> row) => BinaryPrimitives.ReadInt64LittleEndian(row[8..]);

    public static long Offset(ReadOnlySpan<byte> row) => BinaryPrimitives.ReadInt64LittleEndian(row[16..]);

    public static int Partition(ReadOnlySpan<byte> row) => BinaryPrimitives.ReadInt32LittleEndian(row[24..]);

    public static unsafe FieldRow Fields(ReadOnlySpan<byte> row, RowSchema schema) => new(
        Slots(row, schema), BinaryPrimitives.ReadUInt64LittleEndian(row[32..]), null, row[(HeadBytes + schema.Count * 8)..]);

    /// <summary>Bytes of the row of an event.</summary>
    public static int LengthOf(in FieldRow fields, RowSchema schema)
    {
        var text = 0;
        for (var field = 0; field < schema.Count; field++)
            text += IsText(schema, field) && fields.Has(field) ? fields.Text(field).Length : 0;
        return HeadBytes + schema.Count * 8 + (text + 7 & ~7);
    }

    /// <summary>Writes an event without a partner.</summary>
    /// <param name="row">As long as <see cref="LengthOf"/> says.</param>
    /// <param name="side">0 left, 1 right.</param>
    /// <param name="header">Time and place of the event.</param>
    /// <param name="fields">Its fields.</param>
    /// <param name="schema">Their schema.</param>
    public static void Write(Span<byte> row, int side, in EventHeader header, in FieldRow fields, RowSchema schema)
    {
        row.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(row, row.Length);
        row[4] = (byte)side;
        BinaryPrimitives.WriteInt64LittleEndian(row[8..], header.TimeMs);
        BinaryPrimitives.WriteInt64LittleEndian(row[16..], header.Offset);
        BinaryPrimitives.WriteInt32LittleEndian(row[24..], header.Partition);
        var (present, used) = (0UL, 0);
        var slots = MemoryMarshal.Cast<byte, long>(row.Slice(HeadBytes, schema.Count * 8));
        var texts = row[(HeadBytes + schema.Count * 8)..];
        for (var field = 0; field < schema.Count; field++)
        {
            if (!fields.Has(field))
                continue;
            present |= 1UL << field;
            slots[field] = fields.Int64(field);
            if (!IsText(schema, field))
                continue;
            var text = fields.Text(field);
            text.CopyTo(texts[used..]);
            slots[field] = new TextSlot(true, used, text.Length).Bits;
            used += text.Length;
        }

        BinaryPrimitives.WriteInt32LittleEndian(row[28..], used);
        BinaryPrimitives.WriteUInt64LittleEndian(row[32..], present);
    }

    /// <summary>Says what is wrong with a row that came from outside; null where it can be used.</summary>
    /// <param name="rows">The row and what follows it.</param>
    /// <param name="left">Schema of the left side.</param>
    /// <param name="right">Schema of the right side.</param>
    public static string? Check(ReadOnlySpan<byte> rows, RowSchema left, RowSchema right)
    {
        if (rows.Length < HeadBytes || Length(rows) is var length && (length < HeadBytes || length > rows.Length || length % 8 != 0))
            return "ends within a row";
        if (rows[4] > 1 || rows[5] > 1)
            return "has a row of no side";
        var schema = Side(rows) == 0 ? left : right;
        var textBytes = BinaryPrimitives.ReadInt32LittleEndian(rows[28..]);
        if (textBytes < 0 || textBytes > length || length != HeadBytes + schema.Count * 8 + (textBytes + 7 & ~7))
            return "has a row of another length than its fields";
        if (TimeMs(rows) is < Rfc3339.MinMs or > Rfc3339.MaxMs || Offset(rows) < 0 || Partition(rows) < 0)
            return "has a row of an impossible time or place";
        var present = BinaryPrimitives.ReadUInt64LittleEndian(rows[32..]);
        if (64 - BitOperations.LeadingZeroCount(present) > schema.Count)
            return "has a row with more fields than its source";
        var slots = Slots(rows, schema);
        for (var field = 0; field < schema.Count; field++)
        {
            if ((present >> field & 1) != 0 && !IsPossible(slots[field], schema.Fields[field].Type, textBytes))
                return "has a row with an impossible value";
        }

        return null;
    }

    public static bool IsText(RowSchema schema, int field) => schema.Fields[field].Type == Definitions.FieldType.String;

    private static bool IsPossible(long slot, Definitions.FieldType type, int textBytes) => type switch
    {
        Definitions.FieldType.Bool => slot is 0 or 1,
        Definitions.FieldType.Timestamp => slot is >= Rfc3339.MinMs and <= Rfc3339.MaxMs,
        Definitions.FieldType.String => new TextSlot(slot) is var text && text == new TextSlot(true, text.Offset, text.Length)
            && text.Length <= RowSchema.TextBytesMax && text.Offset <= textBytes - text.Length,
        _ => true,
    };

    private static ReadOnlySpan<long> Slots(ReadOnlySpan<byte> row, RowSchema schema) => MemoryMarshal.Cast<byte, long>(row.Slice(HeadBytes, schema.Count * 8));
}
