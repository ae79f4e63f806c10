using System.Buffers.Binary;

namespace FeatureStore.Core.Blocks;

/// <summary>
/// The first bytes of every block, little-endian:
/// <code>
///  0  uint32  magic and format version
///  4  int32   length of the block in bytes
///  8  uint64  layout fingerprint of its entity
/// 16  int64   sequence: grows by one with every event applied or taken back
/// 24  int32   length of the key
/// 28  int32   offset of the fixed section: 32 + key length, rounded up to 8
/// 32          key, padding
/// </code>
/// The fixed section has the size that the entity's plan says; the containers' data follow it to the block's end.
/// </summary>
internal static class BlockHeader
{
    public const int Size = 32;

    private const uint Magic = 0x01_42_53_46;

    public static int FixedOffset(int keyLength) => Size + (keyLength + 7 & ~7);

    public static void Write(Span<byte> block, ulong fingerprint, ReadOnlySpan<byte> key)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(block, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(block[4..], block.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(block[8..], fingerprint);
        BinaryPrimitives.WriteInt32LittleEndian(block[24..], key.Length);
        BinaryPrimitives.WriteInt32LittleEndian(block[28..], FixedOffset(key.Length));
        key.CopyTo(block[Size..]);
    }

    public static int Length(ReadOnlySpan<byte> block) => BinaryPrimitives.ReadInt32LittleEndian(block[4..]);

    /// <summary>Says that a block has the length that it has.</summary>
    public static void SetLength(Span<byte> block) => BinaryPrimitives.WriteInt32LittleEndian(block[4..], block.Length);

    /// <summary>Fingerprint of its layout; 0 where it is shorter than a header.</summary>
    public static ulong Fingerprint(ReadOnlySpan<byte> block) => block.Length < Size ? 0 : BinaryPrimitives.ReadUInt64LittleEndian(block[8..]);

    public static long Sequence(ReadOnlySpan<byte> block) => BinaryPrimitives.ReadInt64LittleEndian(block[16..]);

    public static void SetSequence(Span<byte> block, long sequence) => BinaryPrimitives.WriteInt64LittleEndian(block[16..], sequence);

    public static void CountEvent(Span<byte> block) => SetSequence(block, Sequence(block) + 1);

    public static ReadOnlySpan<byte> Key(ReadOnlySpan<byte> block) =>
        block.Slice(Size, BinaryPrimitives.ReadInt32LittleEndian(block[24..]));

    public static int FixedOffset(ReadOnlySpan<byte> block) => BinaryPrimitives.ReadInt32LittleEndian(block[28..]);

    /// <summary>Says what is wrong with a block that came from outside; null where its header fits.</summary>
    public static string? Check(ReadOnlySpan<byte> block, ulong fingerprint, int fixedSize)
    {
        if (block.Length < Size)
            return $"has {block.Length} bytes, fewer than a header";
        if (BinaryPrimitives.ReadUInt32LittleEndian(block) != Magic)
            return "does not begin as a block of this version";
        if (Length(block) != block.Length)
            return $"has {block.Length} bytes and says {Length(block)}";
        if (BinaryPrimitives.ReadUInt64LittleEndian(block[8..]) != fingerprint)
            return "has another layout than the definitions";
        var keyLength = BinaryPrimitives.ReadInt32LittleEndian(block[24..]);
        if (keyLength is < 0 or > Plans.EntityPlan.KeyBytesMax || FixedOffset(block) != FixedOffset(keyLength))
            return "has an impossible key length";
        return FixedOffset(block) + fixedSize > block.Length ? "ends within its fixed section" : null;
    }
}
