using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Text = System.ReadOnlySpan<byte>;

namespace FeatureStore.Core.Expressions;

/// <summary>Timestamps as RFC 3339 text, durations as text such as 1h30m or -1.5s.</summary>
internal static class TimeText
{
    private const int DateTimeLength = 19;

    /// <summary>yyyy-mm-ddThh:mm:ss, a fraction of 1 to 9 digits, and Z or an offset ±hh:mm.</summary>
    public static bool TryParseInstant(Text text, out Instant instant)
    {
        instant = default;
        if (text.Length <= DateTimeLength || text[4] != '-' || text[7] != '-' || text[10] is not ((byte)'T' or (byte)'t') || text[13] != ':' || text[16] != ':')
            return false;
        if (!TryDigits(text[..4], out int year) || !TryDigits(text[5..7], out int month) || !TryDigits(text[8..10], out int day)
            || !TryDigits(text[11..13], out int hour) || !TryDigits(text[14..16], out int minute) || !TryDigits(text[17..19], out int second)
            || year < 1 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month) || hour > 23 || minute > 59 || second > 59)
        {
            return false;
        }
        var rest = text[DateTimeLength..];
        if (!TryFraction(ref rest, out var nanos) || !TryOffset(rest, out var offsetSeconds))
            return false;
        var local = new DateTime(year, month, day, hour, minute, second, DateTimeKind.Utc).Ticks / TimeSpan.TicksPerSecond + Instant.SecondsMin;
        instant = new Instant(local - offsetSeconds, nanos);
        return instant.Seconds is >= Instant.SecondsMin and <= Instant.SecondsMax;
    }

    /// <summary>+hh:mm, -hh:mm.</summary>
    public static bool TryParseOffset(Text text, out int seconds)
    {
        seconds = 0;
        if (text.Length != 6 || text[0] is not ((byte)'+' or (byte)'-') || text[3] != ':'
            || !TryDigits(text[1..3], out int hours) || !TryDigits(text[4..6], out int minutes) || hours > 23 || minutes > 59)
        {
            return false;
        }
        seconds = (hours * 60 + minutes) * (text[0] == '-' ? -60 : 60);
        return true;
    }

    /// <summary>0, or a sign and numbers with the units h, m, s, ms, us (µs) and ns.</summary>
    /// <param name="text">The text.</param>
    /// <param name="nanos">Nanoseconds; digits beyond are cut off.</param>
    /// <returns>False where the text is no duration, or more than about 292 years.</returns>
    public static bool TryParseDuration(Text text, out long nanos)
    {
        nanos = 0;
        var isNegative = text is [(byte)'-', ..];
        if (text is [(byte)'-' or (byte)'+', ..])
            text = text[1..];
        if (text is [(byte)'0'])
            return true;
        if (text.IsEmpty)
            return false;
        Int128 total = 0;
        while (!text.IsEmpty)
        {
            var length = text.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
            if (length < 0 || length > 19 || !TryDigits(text[..length], out ulong whole))
                return false;
            var hasWhole = length > 0;
            text = text[length..];
            var fraction = default(Text);
            if (text[0] == '.')
            {
                length = text[1..].IndexOfAnyExceptInRange((byte)'0', (byte)'9');
                if (length < 0)
                    return false;
                fraction = text.Slice(1, length);
                text = text[(1 + length)..];
            }
            if (!hasWhole && fraction.IsEmpty || !TryUnit(ref text, out var unitNanos))
                return false;
            total += (Int128)whole * unitNanos + FractionOf(fraction, unitNanos);
            if (total > (Int128)long.MaxValue + 1)
                return false;
        }
        total = isNegative ? -total : total;
        nanos = (long)total;
        return total == nanos;
    }

    /// <summary>RFC 3339 in UTC, with as many digits of a second as there are.</summary>
    public static byte[] Format(Instant instant)
    {
        var time = new DateTime((instant.Seconds - Instant.SecondsMin) * TimeSpan.TicksPerSecond, DateTimeKind.Utc);
        var text = time.ToString("yyyy-MM-ddTHH:mm:ss", CultureInfo.InvariantCulture);
        return Encoding.UTF8.GetBytes($"{text}{Fraction(instant.Nanos)}Z");
    }

    /// <summary>Seconds, with as many digits as there are, and s.</summary>
    public static byte[] Format(long durationNanos)
    {
        var magnitude = durationNanos < 0 ? 0 - (ulong)durationNanos : (ulong)durationNanos;
        var seconds = magnitude / (ulong)Instant.NanosPerSecond;
        var nanos = (int)(magnitude % (ulong)Instant.NanosPerSecond);
        return Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{(durationNanos < 0 ? "-" : "")}{seconds}{Fraction(nanos)}s"));
    }

    private static string Fraction(int nanos) => nanos == 0 ? "" : "." + nanos.ToString("D9", CultureInfo.InvariantCulture).TrimEnd('0');

    private static bool TryDigits(Text text, out int number)
    {
        var isNumber = Utf8Parser.TryParse(text, out number, out var length) && length == text.Length && char.IsAsciiDigit((char)text[0]);
        return isNumber;
    }

    /// <summary>No digits are 0.</summary>
    private static bool TryDigits(Text text, out ulong number)
    {
        number = 0;
        return text.IsEmpty || Utf8Parser.TryParse(text, out number, out _);
    }

    private static bool TryFraction(ref Text text, out int nanos)
    {
        nanos = 0;
        if (text is not [(byte)'.', ..])
            return true;
        var length = text[1..].IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        if (length is < 1 or > 9)
            return false;
        nanos = (int)FractionOf(text.Slice(1, length), Instant.NanosPerSecond);
        text = text[(1 + length)..];
        return true;
    }

    private static bool TryOffset(Text text, out int seconds)
    {
        seconds = 0;
        return text is [(byte)'Z' or (byte)'z'] || TryParseOffset(text, out seconds);
    }

    private static bool TryUnit(ref Text text, out long nanos)
    {
        (nanos, var length) = text switch
        {
            [(byte)'n', (byte)'s', ..] => (1L, 2),
            [(byte)'u', (byte)'s', ..] => (1_000L, 2),
            [0xC2, 0xB5, (byte)'s', ..] or [0xCE, 0xBC, (byte)'s', ..] => (1_000L, 3),
            [(byte)'m', (byte)'s', ..] => (1_000_000L, 2),
            [(byte)'s', ..] => (Instant.NanosPerSecond, 1),
            [(byte)'m', ..] => (60 * Instant.NanosPerSecond, 1),
            [(byte)'h', ..] => (3600 * Instant.NanosPerSecond, 1),
            _ => (0L, 0),
        };
        text = text[length..];
        return length > 0;
    }

    /// <summary>The decimal fraction 0.digits of a unit, cut off to whole nanoseconds.</summary>
    private static long FractionOf(Text digits, long unitNanos)
    {
        Int128 numerator = 0;
        Int128 denominator = 1;
        foreach (var digit in digits[..Math.Min(digits.Length, 18)])
        {
            numerator = numerator * 10 + (digit - '0');
            denominator *= 10;
        }
        return (long)(numerator * unitNanos / denominator);
    }
}
