using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Text = System.ReadOnlySpan<byte>;

namespace FeatureStore.Core.Expressions;

/// <summary>Conversions between types. False: not a number, out of range.</summary>
internal static class Conversions
{
    private const double TwoTo63 = 9223372036854775808.0;
    private const double TwoTo64 = 18446744073709551616.0;

    public static bool ToInt(ulong value, out long result)
    {
        result = (long)value;
        return result >= 0;
    }

    /// <summary>Toward zero. Both bounds are out of range, since doubles near them stand for more than one integer.</summary>
    public static bool ToInt(double value, out long result)
    {
        var fits = value is > -TwoTo63 and < TwoTo63;
        result = fits ? (long)value : 0;
        return fits;
    }

    public static bool ToInt(Text text, out long result) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out result);

    /// <summary>Unix seconds, rounded down.</summary>
    public static bool ToInt(Instant instant, out long result)
    {
        result = instant.Seconds;
        return true;
    }

    public static bool ToUint(long value, out ulong result)
    {
        result = (ulong)value;
        return value >= 0;
    }

    /// <summary>Toward zero.</summary>
    public static bool ToUint(double value, out ulong result)
    {
        var fits = value is >= 0 and < TwoTo64;
        result = fits ? (ulong)value : 0;
        return fits;
    }

    public static bool ToUint(Text text, out ulong result) =>
        ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out result);

    public static bool ToDouble(long value, out double result)
    {
        result = value;
        return true;
    }

    public static bool ToDouble(ulong value, out double result)
    {
        result = value;
        return true;
    }

    /// <summary>Decimal, with or without an exponent; NaN, Infinity and inf in any case.</summary>
    public static bool ToDouble(Text text, out double result)
    {
        const NumberStyles style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        var unsigned = text is [(byte)'+' or (byte)'-', ..] ? text[1..] : text;
        if (Ascii.EqualsIgnoreCase(unsigned, "inf"u8) || Ascii.EqualsIgnoreCase(unsigned, "infinity"u8))
        {
            result = text[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
            return true;
        }
        if (Ascii.EqualsIgnoreCase(text, "nan"u8))
        {
            result = double.NaN;
            return true;
        }
        return double.TryParse(text, style, CultureInfo.InvariantCulture, out result) && double.IsFinite(result);
    }

    public static bool ToBool(Text text, out bool result)
    {
        result = text.SequenceEqual("true"u8) || text.SequenceEqual("True"u8) || text.SequenceEqual("TRUE"u8)
            || text.SequenceEqual("t"u8) || text.SequenceEqual("T"u8) || text.SequenceEqual("1"u8);
        return result || text.SequenceEqual("false"u8) || text.SequenceEqual("False"u8) || text.SequenceEqual("FALSE"u8)
            || text.SequenceEqual("f"u8) || text.SequenceEqual("F"u8) || text.SequenceEqual("0"u8);
    }

    public static bool ToText(long value, out Text result)
    {
        result = Formatted(value);
        return true;
    }

    public static bool ToText(ulong value, out Text result)
    {
        result = Formatted(value);
        return true;
    }

    /// <summary>The shortest text that reads back to the same double.</summary>
    public static bool ToText(double value, out Text result)
    {
        result = Formatted(value);
        return true;
    }

    public static bool ToText(bool value, out Text result)
    {
        result = value ? "true"u8 : "false"u8;
        return true;
    }

    public static bool ToText(Instant value, out Text result)
    {
        result = TimeText.Format(value);
        return true;
    }

    public static bool DurationToText(long nanos, out Text result)
    {
        result = TimeText.Format(nanos);
        return true;
    }

    public static bool BytesToText(Text bytes, out Text result)
    {
        result = bytes;
        return Utf8.IsValid(bytes);
    }

    public static bool Same(Text text, out Text result)
    {
        result = text;
        return true;
    }

    private static byte[] Formatted<T>(T value)
        where T : IUtf8SpanFormattable
    {
        Span<byte> buffer = stackalloc byte[32];
        value.TryFormat(buffer, out var length, default, CultureInfo.InvariantCulture);
        // .NET's shortest text of 2⁻²⁵ and of 2⁻⁹⁵⁸ is that of the double below.
        if (value is double number && double.IsFinite(number) && double.Parse(buffer[..length], CultureInfo.InvariantCulture) != number)
            value.TryFormat(buffer, out length, "G17", CultureInfo.InvariantCulture);
        return buffer[..length].ToArray();
    }
}
