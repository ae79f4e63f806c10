using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

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
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Of(ulong number) => Mix(number + Root5);

    /// <summary>128-bit hash of a number: different for different numbers.</summary>
    public static UInt128 Of128(ulong number) => new(Mix(number ^ Root7), Mix(number + Root5));

    /// <summary>64-bit hash of bytes.</summary>
    public static ulong Of(ReadOnlySpan<byte> bytes)
    {
        var (first, second) = Lanes(bytes);
        return Mix(first ^ BitOperations.RotateLeft(second, 32));
    }

    /// <summary>128-bit hash of bytes.</summary>
    public static UInt128 Of128(ReadOnlySpan<byte> bytes)
    {
        var (first, second) = Lanes(bytes);
        return new UInt128(Mix(second), Mix(first));
    }

    /// <summary>Two hashes of all bytes, apart from each other: where one has a collision, the other has none but by chance.</summary>
    private static (ulong First, ulong Second) Lanes(ReadOnlySpan<byte> bytes)
    {
        var first = Root2 + (ulong)bytes.Length;
        var second = Root3 ^ (ulong)bytes.Length * Root5;
        for (; bytes.Length > 16; bytes = bytes[16..])
            Absorb(ref first, ref second, Word(bytes), Word(bytes[8..]));
        // The length is in the hash, so words that overlap are as good as the bytes.
        var (low, high) = bytes.Length switch
        {
            >= 8 => (Word(bytes), Word(bytes[^8..])),
            >= 4 => (BinaryPrimitives.ReadUInt32LittleEndian(bytes), (ulong)BinaryPrimitives.ReadUInt32LittleEndian(bytes[^4..])),
            > 0 => (bytes[0] | (ulong)bytes[bytes.Length / 2] << 8, bytes[^1]),
            _ => (0UL, 0UL),
        };
        Absorb(ref first, ref second, low, high);
        return (first, second);
    }

    private static void Absorb(ref ulong first, ref ulong second, ulong low, ulong high)
    {
        first = Fold(first ^ low, Root7 ^ high);
        second = Fold(second ^ high, Root5 ^ low);
    }

    private static ulong Fold(ulong left, ulong right)
    {
        var high = Math.BigMul(left, right, out var low);
        return high ^ low;
    }

    /// <summary>A permutation of the 64-bit numbers in which every bit of the result depends on every bit of the number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Mix(ulong number)
    {
        number = (number ^ number >> 32) * Root2;
        number = (number ^ number >> 29) * Root3;
        number = (number ^ number >> 32) * Root7;
        return number ^ number >> 30;
    }

    private static ulong Word(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt64LittleEndian(bytes);
}
