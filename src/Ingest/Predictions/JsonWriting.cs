using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FeatureStore.Ingest.Predictions;

/// <summary>Writes JSON values at a position in memory; each returns the position after what it wrote. The caller has made sure of the room.</summary>
internal static unsafe class JsonWriting
{
    /// <summary>Most bytes of a number: <c>-0.0000012345678901234567</c> has 25.</summary>
    public const int NumberBytesMax = 32;

    /// <summary>Bytes that one byte of text becomes at most: <c>\u0000</c>.</summary>
    public const int EscapedBytesMax = 6;

    private static readonly SearchValues<byte> Escaped = SearchValues.Create([.. Enumerable.Range(0, 32).Select(value => (byte)value), (byte)'"', (byte)'\\']);

    private static ReadOnlySpan<byte> DigitPairs =>
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"u8;

    private static ReadOnlySpan<ulong> PowersOf10 =>
    [
        0, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000, 100_000_000_000, 1_000_000_000_000,
        10_000_000_000_000, 100_000_000_000_000, 1_000_000_000_000_000, 10_000_000_000_000_000, 100_000_000_000_000_000, 1_000_000_000_000_000_000,
        10_000_000_000_000_000_000,
    ];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Copy(byte* at, ReadOnlySpan<byte> bytes)
    {
        Unsafe.CopyBlockUnaligned(ref *at, ref MemoryMarshal.GetReference(bytes), (uint)bytes.Length);
        return at + bytes.Length;
    }

    /// <summary>Text with what JSON does not allow as it is escaped, without the quotes.</summary>
    public static byte* Text(byte* at, ReadOnlySpan<byte> utf8)
    {
        while (true)
        {
            var plain = utf8.IndexOfAny(Escaped);
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
        var length = CountDigits(value);
        ref var pairs = ref MemoryMarshal.GetReference(DigitPairs);
        var end = at + length;
        var to = end;
        while (value >= 100)
        {
            var rest = value / 100;
            to -= 2;
            Unsafe.WriteUnaligned(to, Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref pairs, (nint)(value - rest * 100) * 2)));
            value = rest;
        }

        if (value >= 10)
            Unsafe.WriteUnaligned(to - 2, Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref pairs, (nint)value * 2)));
        else
            to[-1] = (byte)('0' + value);
        return end;
    }

    /// <summary>The shortest number that reads back to the same double, plain between 1e-6 and 1e21 as in JavaScript; null for NaN and the infinities, which JSON does not have.</summary>
    public static byte* Double(byte* at, double value)
    {
        // Whole numbers are most of what there is.
        var whole = (long)value;
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

        // Up to 15 digits with few decimals: the division is of exact doubles, so it says what a reader would make of these digits;
        // and no two decimals of 15 digits read as the same double, so there is no shorter one.
        const double Scale = 1e6;
        var millionths = Math.Round(value * Scale);
        ulong digits;
        int exponent;
        if (millionths < 1e15 && millionths / Scale == value)
        {
            digits = (ulong)millionths;
            exponent = -6;
        }
        else
        {
            digits = ShortestDecimal.Find(value, out exponent);
        }

        return Decimal(at, digits, exponent);
    }

    /// <summary>digits · 10^exponent.</summary>
    private static byte* Decimal(byte* at, ulong digits, int exponent)
    {
        while (true)
        {
            var tenth = digits / 10;
            if (tenth * 10 != digits)
                break;
            digits = tenth;
            exponent++;
        }

        var length = CountDigits(digits);
        var point = length + exponent;
        if (exponent < 0 && point > 0)
        {
            // The digits before the point move one to the left.
            UInt64(at + 1, digits);
            for (var i = 0; i < point; i++)
                at[i] = at[i + 1];
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
        return estimate + (value >= PowersOf10[estimate] ? 1 : 0);
    }
}
