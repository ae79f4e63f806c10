using System.Globalization;
using System.Runtime.CompilerServices;

namespace FeatureStore.Ingest.Decoding;

/// <summary>A JSON number as it is written: (−1)^Negative · Mantissa · 10^Exponent, exact unless <see cref="IsCut"/>.</summary>
internal unsafe struct JsonNumber
{
    /// <summary>Digits that a mantissa holds whatever they are: 10^19 − 1 is less than 2^64.</summary>
    private const int DigitsMax = 19;

    /// <summary>Exponents beyond it differ in nothing: of a document's at most 2^24 digits they make zero, or a number out of any range.</summary>
    private const int ExponentMax = 1 << 26;

    public ulong Mantissa;
    public int Exponent;
    public bool Negative;

    /// <summary>Whether digits other than 0 follow those in <see cref="Mantissa"/>.</summary>
    public bool IsCut;

    private static readonly double[] _powersOf10 =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

    /// <summary>Reads an integer of at most 18 digits without sign, point or exponent.</summary>
    /// <param name="at">Its first byte, before <paramref name="end"/>.</param>
    /// <param name="end">End of the document.</param>
    /// <param name="value">The integer.</param>
    /// <param name="after">The position after it.</param>
    /// <returns>False where something else begins here; that may be a number too.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryReadShort(byte* at, byte* end, out long value, out byte* after)
    {
        var first = at;
        var digits = 0UL;
        at = ScanDigits(at, end, ref digits);
        after = at;
        value = (long)digits;
        return at - first is > 0 and <= 18 && at < end && *at is (byte)',' or (byte)'}' && (*first != '0' || at - first == 1);
    }

    /// <summary>Steps over a number.</summary>
    /// <param name="at">Its first byte, before <paramref name="end"/>.</param>
    /// <param name="end">End of the document.</param>
    /// <param name="number">The number.</param>
    /// <returns>The position after it; null where no JSON number begins here.</returns>
    public static byte* Scan(byte* at, byte* end, out JsonNumber number)
    {
        number = default;
        if (*at == '-')
        {
            number.Negative = true;
            at++;
        }

        var first = at;
        var mantissa = 0UL;
        at = ScanDigits(at, end, ref mantissa);
        var digits = (int)(at - first);
        if (digits == 0 || (digits > 1 && *first == '0'))
            return null;
        var exponent = 0;
        if (at < end && *at == '.')
        {
            var point = at;
            at = ScanDigits(at + 1, end, ref mantissa);
            exponent = (int)(point + 1 - at);
            if (exponent == 0)
                return null;
            digits -= exponent;
        }

        if (digits > DigitsMax)
            mantissa = ScanLong(first, at, ref exponent, out number.IsCut);
        if (at < end && (*at | 0x20) == 'e')
        {
            at = ScanExponent(at + 1, end, ref exponent);
            if (at == null)
                return null;
        }

        number.Mantissa = mantissa;
        number.Exponent = exponent;
        return at;
    }

    /// <summary>The number as an int64.</summary>
    /// <param name="value">The number, or 0.</param>
    /// <param name="isWhole">Whether it is a whole number.</param>
    /// <returns>Whether it is whole and in range.</returns>
    public readonly bool TryGetInt64(out long value, out bool isWhole)
    {
        var magnitude = Mantissa;
        var exponent = magnitude == 0 ? 0 : Exponent;
        value = 0;
        for (; exponent < 0; exponent++)
        {
            var (quotient, remainder) = Math.DivRem(magnitude, 10);
            if (remainder != 0)
                break;
            magnitude = quotient;
        }

        // A mantissa that was cut has 19 digits before the cut and a digit other than 0 behind it.
        isWhole = exponent >= 0 && !(IsCut && Exponent <= 0);
        if (!isWhole || IsCut)
            return false;
        for (; exponent > 0; exponent--)
        {
            if (magnitude > ulong.MaxValue / 10)
                return false;
            magnitude *= 10;
        }

        if (magnitude > (ulong)long.MaxValue + (Negative ? 1UL : 0))
            return false;
        value = Negative ? -(long)magnitude : (long)magnitude;
        return true;
    }

    /// <summary>The nearest double, ties to even.</summary>
    /// <param name="text">The number as it is written.</param>
    /// <param name="value">It; 0 where it is out of range.</param>
    /// <returns>False where it rounds to infinity.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool TryGetDouble(ReadOnlySpan<byte> text, out double value)
    {
        // Clinger 1990: both operands are exact doubles, so the one operation rounds correctly.
        if (Mantissa <= 1UL << 53 && !IsCut && Exponent is >= -22 and <= 22)
        {
            value = Exponent < 0 ? (long)Mantissa / _powersOf10[-Exponent] : (long)Mantissa * _powersOf10[Exponent];
            if (Negative)
                value = -value;
            return true;
        }

        return TryParse(text, out value);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private readonly bool TryParse(ReadOnlySpan<byte> text, out double value)
    {
        if (Mantissa == 0)
        {
            value = Negative ? -0.0 : 0.0;
            return true;
        }

        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && double.IsFinite(value))
            return true;
        value = 0;
        return false;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* ScanDigits(byte* at, byte* end, ref ulong mantissa)
    {
        var value = mantissa;
        for (; at < end; at++)
        {
            var digit = (uint)*at - '0';
            if (digit > 9)
                break;
            value = value * 10 + digit;
        }

        mantissa = value;
        return at;
    }

    /// <summary>Reads the digits of a number that has more of them than a mantissa holds; zeros before and behind are not counted.</summary>
    /// <param name="at">The first digit.</param>
    /// <param name="end">End of the digits.</param>
    /// <param name="exponent">Of the last digit; becomes that of the last one taken.</param>
    /// <param name="isCut">Whether digits other than 0 were left out.</param>
    private static ulong ScanLong(byte* at, byte* end, ref int exponent, out bool isCut)
    {
        while (end > at && end[-1] is (byte)'0' or (byte)'.')
        {
            if (*--end == '0')
                exponent++;
        }

        while (at < end && *at is (byte)'0' or (byte)'.')
            at++;
        var mantissa = 0UL;
        var digits = 0;
        for (; at < end && digits < DigitsMax; at++)
        {
            if (*at == '.')
                continue;
            mantissa = mantissa * 10 + *at - '0';
            digits++;
        }

        isCut = at < end;
        for (; at < end; at++)
        {
            if (*at != '.')
                exponent++;
        }

        return mantissa;
    }

    private static byte* ScanExponent(byte* at, byte* end, ref int exponent)
    {
        var negative = at < end && *at == '-';
        if (at < end && *at is (byte)'+' or (byte)'-')
            at++;
        var first = at;
        var value = 0;
        for (; at < end && (uint)*at - '0' <= 9; at++)
            value = Math.Min(value * 10 + *at - '0', ExponentMax);
        if (at == first)
            return null;
        exponent += negative ? -value : value;
        return at;
    }
}
