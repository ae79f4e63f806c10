using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FeatureStore.Ingest.Predictions;

/// <summary>Writes JSON values at a position in memory; each returns the position after what it wrote. The caller has made sure of the room.</summary>
internal static unsafe class JsonWriting
{
    /// <summary>Room for a number: <c>-0.0000012345678901234567</c> has 25 bytes, and up to 15 behind the last one are scratch.</summary>
    public const int NumberBytesMax = 40;

    /// <summary>Bytes that one byte of text becomes at most: <c>\u0000</c>.</summary>
    public const int EscapedBytesMax = 6;

    private static readonly SearchValues<byte> _escaped = SearchValues.Create([.. Enumerable.Range(0, 32).Select(value => (byte)value), (byte)'"', (byte)'\\']);

    /// <summary>Eight ASCII zeros.</summary>
    private const ulong AsciiZeros = 0x3030_3030_3030_3030;

    private static readonly ulong[] _powersOf10 =
    [
        0, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000, 100_000_000_000, 1_000_000_000_000,
        10_000_000_000_000, 100_000_000_000_000, 1_000_000_000_000_000, 10_000_000_000_000_000, 100_000_000_000_000_000, 1_000_000_000_000_000_000,
        10_000_000_000_000_000_000,
    ];

    public static byte* Copy(byte* at, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(new Span<byte>(at, bytes.Length));
        return at + bytes.Length;
    }

    /// <summary>Copies a fixed part of a record, in blocks that run over its end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Copy(byte* at, JsonPart part)
    {
        ref var from = ref MemoryMarshal.GetArrayDataReference(part.Padded);
        for (nuint offset = 0; offset < (nuint)part.Length; offset += JsonPart.BlockBytes)
            Vector256.LoadUnsafe(ref from, offset).Store(at + offset);
        return at + part.Length;
    }

    /// <summary>Text with what JSON does not allow as it is escaped, without the quotes.</summary>
    public static byte* Text(byte* at, ReadOnlySpan<byte> utf8)
    {
        while (true)
        {
            var plain = utf8.IndexOfAny(_escaped);
            if (plain < 0)
                return Copy(at, utf8);
            at = Copy(at, utf8[..plain]);
            var character = utf8[plain];
            utf8 = utf8[(plain + 1)..];
            *at++ = (byte)'\\';
            var letter = character switch
            {
                (byte)'\b' => (byte)'b',
                (byte)'\f' => (byte)'f',
                (byte)'\n' => (byte)'n',
                (byte)'\r' => (byte)'r',
                (byte)'\t' => (byte)'t',
                (byte)'"' or (byte)'\\' => character,
                _ => (byte)'u',
            };
            *at++ = letter;
            if (letter == 'u')
            {
                at = Copy(at, "00"u8);
                *at++ = (byte)('0' + (character >> 4));
                *at++ = "0123456789abcdef"u8[character & 0xf];
            }
        }
    }

    public static byte* Int64(byte* at, long value)
    {
        if (value >= 0)
            return UInt64(at, (ulong)value);
        *at++ = (byte)'-';
        return UInt64(at, 0UL - (ulong)value);
    }

    public static byte* UInt64(byte* at, ulong value)
    {
        const ulong Eight = 100_000_000;
        if (value < Eight)
            return UInt32(at, (uint)value);
        var rest = value / Eight;
        var last = EightDigits((uint)(value - rest * Eight));
        if (rest < Eight)
        {
            at = UInt32(at, (uint)rest);
        }
        else
        {
            var first = rest / Eight;
            at = UInt32(at, (uint)first);
            Unsafe.WriteUnaligned(at, EightDigits((uint)(rest - first * Eight)));
            at += 8;
        }

        Unsafe.WriteUnaligned(at, last);
        return at + 8;
    }

    /// <param name="at">Where to.</param>
    /// <param name="value">Less than 10^8.</param>
    private static byte* UInt32(byte* at, uint value)
    {
        if (value < 10)
        {
            *at = (byte)('0' + value);
            return at + 1;
        }

        // The digits as bytes, the first one lowest; the zeros before them are shifted out.
        var digits = EightDigits(value);
        var zeros = BitOperations.TrailingZeroCount(digits ^ AsciiZeros) / 8;
        Unsafe.WriteUnaligned(at, digits >> zeros * 8);
        return at + 8 - zeros;
    }

    /// <summary>Eight digits of a number less than 10^8 as ASCII, in the order of memory: two halves of four, four pairs, eight digits at once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong EightDigits(uint value)
    {
        var high = value / 10_000;
        var halves = high | (ulong)(value - high * 10_000) << 32;
        // x · 10486 >> 20 is x / 100 for x < 10^4, and x · 103 >> 10 is x / 10 for x < 100.
        var hundreds = halves * 10_486 >> 20 & 0x7f_0000_007f;
        var pairs = hundreds | halves - hundreds * 100 << 16;
        var tens = pairs * 103 >> 10 & 0xf_000f_000f_000f;
        return tens | pairs - tens * 10 << 8 | AsciiZeros;
    }

    /// <summary>
    /// The shortest number that reads back to the same double, plain between 1e-6 and 1e21 as in JavaScript; null for NaN and the infinities, which JSON
    /// does not have.
    /// </summary>
    public static byte* Double(byte* at, double value)
    {
        // Whole numbers are most of what there is.
        var whole = double.ConvertToIntegerNative<long>(value);
        if (whole == value && whole is > -1L << 53 and < 1L << 53)
        {
            // −0 would come back as the integer 0 from parsers that have integers.
            return whole == 0 && double.IsNegative(value) ? Copy(at, "-0.0"u8) : Int64(at, whole);
        }

        if (!double.IsFinite(value))
            return Copy(at, "null"u8);
        if (value < 0)
        {
            *at++ = (byte)'-';
            value = -value;
        }

        // Money and its like: the division is of exact doubles, so it says what a reader would make of these digits; and no two decimals of at most
        // 15 digits read as the same double, so there is no shorter one.
        var hundredths = Math.Round(value * 100);
        if (hundredths < 1e15 && hundredths / 100 == value)
        {
            var digits = (ulong)(long)hundredths;
            var tenths = digits / 10;
            return tenths * 10 == digits ? Decimal(at, tenths, -1) : Decimal(at, digits, -2);
        }

        return Decimal(at, ShortestDecimal.Find(value, out var exponent), exponent);
    }

    /// <summary>digits · 10^exponent.</summary>
    private static byte* Decimal(byte* at, ulong digits, int exponent)
    {
        var length = CountDigits(digits);
        var point = length + exponent;
        if (exponent < 0 && point > 0)
        {
            // The digits after the point, 16 at most, move one to the right.
            UInt64(at, digits);
            Vector128.Load(at + point).Store(at + point + 1);
            at[point] = (byte)'.';
            return at + length + 1;
        }

        if (exponent >= 0 && point <= 21)
        {
            at = UInt64(at, digits);
            new Span<byte>(at, exponent).Fill((byte)'0');
            return at + exponent;
        }

        if (point is <= 0 and > -6)
        {
            at = Copy(at, "0.000000"u8[..(2 - point)]);
            return UInt64(at, digits);
        }

        var end = UInt64(at + 1, digits);
        at[0] = at[1];
        at[1] = (byte)'.';
        if (length == 1)
            end = at + 1;
        *end++ = (byte)'e';
        return Int64(end, point - 1);
    }

    private static int CountDigits(ulong value)
    {
        // log10(2) ≈ 1233 / 4096 gives the number of digits or one less.
        var estimate = (64 - BitOperations.LeadingZeroCount(value | 1)) * 1233 >> 12;
        return estimate + (value >= _powersOf10[estimate] ? 1 : 0);
    }
}
