using System.Buffers.Binary;

namespace FeatureStore.Core.Blocks.Sketches;

/// <summary>
/// Hashes that blocks keep, so they never change: the same on every machine and in every version. They have no key; whoever chooses the values can choose
/// some that collide, and so make his own entity's approximations wrong.
/// </summary>
internal static class StableHash
{
    // The first 64 fractional bits of the square roots of 2, 3, 5 and 7, made odd.
    private const ulong Root2 = 0x6a09e667f3bcc909;
    private const ulong Root3 = 0xbb67ae8584caa73b;
    private const ulong Root5 = 0x3c6ef372fe94f82b;
    private const ulong Root7 = 0xa54ff53a5f1d36f1;

    /// <summary>64-bit hash of a number: different for different numbers.</summary>
    public static ulong Of(ulong number) => MixFirst(number + Root5);

    /// <summary>128-bit hash of a number: different for different numbers.</summary>
    public static UInt128 Of128(ulong number) => new(MixSecond(number + Root2), MixFirst(number + Root5));

    /// <summary>64-bit hash of bytes.</summary>
    public static ulong Of(ReadOnlySpan<byte> bytes)
    {
        var hash = Root5 + (ulong)bytes.Length * Root7;
        var rest = bytes;
        for (; rest.Length > sizeof(ulong); rest = rest[sizeof(ulong)..])
            hash = MixFirst(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(rest));
        return MixFirst(hash ^ LastWord(bytes));
    }

    /// <summary>128-bit hash of bytes: two of 64 bits that have nothing in common. The low half is <see cref="Of(ReadOnlySpan{byte})"/>.</summary>
    public static UInt128 Of128(ReadOnlySpan<byte> bytes)
    {
        var (first, second) = (Root5 + (ulong)bytes.Length * Root7, Root2 + (ulong)bytes.Length * Root3);
        var rest = bytes;
        for (; rest.Length > sizeof(ulong); rest = rest[sizeof(ulong)..])
        {
            var word = BinaryPrimitives.ReadUInt64LittleEndian(rest);
            first = MixFirst(first ^ word);
            second = MixSecond(second + word);
        }

        var last = LastWord(bytes);
        return new UInt128(MixSecond(second + last), MixFirst(first ^ last));
    }

    /// <summary>What is left behind the last full word. It may overlap with what came before: the length is in the hash, so nothing is lost.</summary>
    private static ulong LastWord(ReadOnlySpan<byte> bytes) => bytes.Length switch
    {
        >= 8 => BinaryPrimitives.ReadUInt64LittleEndian(bytes[^8..]),
        >= 4 => BinaryPrimitives.ReadUInt32LittleEndian(bytes) | (ulong)BinaryPrimitives.ReadUInt32LittleEndian(bytes[^4..]) << 32,
        > 0 => bytes[0] | (ulong)bytes[bytes.Length / 2] << 8 | (ulong)bytes[^1] << 16,
        _ => 0,
    };

    private static ulong MixFirst(ulong number) => Mix(number, Root2, Root3, Root7);

    private static ulong MixSecond(ulong number) => Mix(number, Root7, Root5, Root2);

    /// <summary>A permutation of the 64-bit numbers in which every bit of the result depends on every bit of the number.</summary>
    private static ulong Mix(ulong number, ulong first, ulong second, ulong third)
    {
        number = (number ^ number >> 32) * first;
        number = (number ^ number >> 29) * second;
        number = (number ^ number >> 32) * third;
        return number ^ number >> 30;
    }
}
