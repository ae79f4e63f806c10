using System.Buffers.Binary;

namespace FeatureStore.Core.Events;

/// <summary>
/// RFC 3339 text ↔ Unix milliseconds, years 0001 to 9999. Read: a date and a time with a zone (<c>Z</c> or <c>±hh:mm</c>); <c>T</c> may be a space, letters may be
/// lower case; digits beyond the millisecond are cut off; a leap second (23:59:60 UTC on the last day of a month) is the second after it, as in POSIX time.
/// </summary>
public static class Rfc3339
{
    public const long MinMs = -62_135_596_800_000;
    public const long MaxMs = 253_402_300_799_999;

    /// <summary>Bytes that <see cref="Write"/> writes: <c>2018-04-01T00:00:31.000Z</c>.</summary>
    public const int Length = 24;

    private const long DayMs = 86_400_000;

    /// <summary>Days before each month of a common year.</summary>
    private static readonly short[] _daysBefore = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

    /// <summary>Reads a timestamp.</summary>
    /// <returns>False where the text is no such timestamp or lies outside the years 0001 to 9999; <paramref name="unixMs"/> is 0 then.</returns>
    public static bool TryParse(ReadOnlySpan<byte> text, out long unixMs)
    {
        unixMs = 0;
        // The shortest form, 2018-04-01T00:00:31Z, has 20 bytes. Its first 19 are read as three words.
        if (text.Length < 20)
            return false;
        var date = BinaryPrimitives.ReadUInt64LittleEndian(text) ^ 0x2d30_302d_3030_3030; // 0000-00-
        var time = BinaryPrimitives.ReadUInt64LittleEndian(text[8..]) ^ 0x3030_3a30_3054_3030; // 00T00:00
        var rest = BinaryPrimitives.ReadUInt32LittleEndian(text[15..]) ^ 0x3030_3a30; // 0:00
        // A lower-case t and a space differ from T in these bits.
        if ((time & 0xff_0000) is 0x20_0000 or 0x74_0000)
            time &= ~0xff_0000UL;
        if ((date & 0xff00_00ff_0000_0000) != 0 || (time & 0xff00_00ff_0000) != 0 || (rest & 0xff00) != 0
            || NotDigits(date) || NotDigits(time) || NotDigits(rest))
        {
            return false;
        }

        var dates = Pairs(date);
        var times = Pairs(time);
        var year = (int)((dates & 0xff) * 100 + (dates >> 16 & 0xff));
        var month = (int)(dates >> 40 & 0xff);
        var day = (int)(times & 0xff);
        var hour = (int)(times >> 24 & 0xff);
        var minute = (int)(times >> 48 & 0xff);
        var second = (int)(Pairs(rest) >> 16 & 0xff);
        if (year == 0 || month is 0 or > 12 || day == 0 || day > DaysIn(year, month) || hour > 23 || minute > 59 || second > 60)
            return false;

        var milliseconds = (((Days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000;
        if (text.Length != 20 || text[19] != 'Z')
        {
            if (!TryParseEnd(text[19..], out var fraction, out var offsetMinutes))
                return false;
            milliseconds += fraction - offsetMinutes * 60_000L;
        }

        if (milliseconds is < MinMs or > MaxMs || (second == 60 && !IsFirstSecondOfMonth(milliseconds)))
            return false;
        unixMs = milliseconds;
        return true;
    }

    /// <summary>Writes a timestamp with milliseconds in UTC.</summary>
    /// <param name="unixMs">Between <see cref="MinMs"/> and <see cref="MaxMs"/>; what lies outside is written as the nearer of them.</param>
    /// <param name="text">At least <see cref="Length"/> bytes.</param>
    public static void Write(long unixMs, Span<byte> text)
    {
        unixMs = Math.Clamp(unixMs, MinMs, MaxMs);
        var days = DayOf(unixMs);
        var inDay = (uint)(unixMs - days * DayMs);
        Civil(days, out var year, out var month, out var day);
        var seconds = inDay / 1000;
        var minutes = seconds / 60;
        var hours = minutes / 60;
        var milliseconds = inDay - seconds * 1000;
        var date = Digits((uint)year / 100, (uint)year % 100, (uint)month, (uint)day);
        var time = Digits(hours, minutes - hours * 60, seconds - minutes * 60, milliseconds / 10);
        // YYYY-MM- DDThh:mm :ss.fffZ
        BinaryPrimitives.WriteUInt64LittleEndian(text, date & 0xffff_ffff | (date >> 32 & 0xffff) << 40 | 0x2d00_002d_0000_0000);
        BinaryPrimitives.WriteUInt64LittleEndian(text[8..], date >> 48 | (time & 0xffff) << 24 | (time >> 16 & 0xffff) << 48 | 0x3a00_0054_0000);
        BinaryPrimitives.WriteUInt64LittleEndian(text[16..], (time >> 32 & 0xffff) << 8 | time >> 48 << 32 | (ulong)(milliseconds % 10) << 48 | 0x5a30_0000_2e00_003a);
    }

    private static bool TryParseEnd(ReadOnlySpan<byte> text, out int fractionMs, out int offsetMinutes)
    {
        fractionMs = 0;
        offsetMinutes = 0;
        var at = 0;
        if (text[0] == '.')
        {
            var weight = 100;
            for (at = 1; at < text.Length && char.IsAsciiDigit((char)text[at]); at++, weight /= 10)
                fractionMs += (text[at] - '0') * weight;
            if (at == 1 || at == text.Length)
                return false;
        }

        var zone = text[at..];
        if (zone.Length == 1)
            return (zone[0] | 0x20) == 'z';
        if (zone.Length != 6 || zone[0] is not ((byte)'+' or (byte)'-') || zone[3] != ':'
            || !TryDigits2(zone[1..], out var hours) || !TryDigits2(zone[4..], out var minutes) || hours > 23 || minutes > 59)
        {
            return false;
        }

        offsetMinutes = hours * 60 + minutes;
        if (zone[0] == '-')
            offsetMinutes = -offsetMinutes;
        return true;
    }

    private static bool TryDigits2(ReadOnlySpan<byte> text, out int value)
    {
        value = (text[0] - '0') * 10 + text[1] - '0';
        return char.IsAsciiDigit((char)text[0]) && char.IsAsciiDigit((char)text[1]);
    }

    /// <summary>Whether any byte is greater than 9.</summary>
    private static bool NotDigits(ulong bytes) => ((bytes + 0x7676_7676_7676_7676 | bytes) & 0x8080_8080_8080_8080) != 0;

    /// <summary>Each byte becomes 10 × itself + the next one; of digits that fits a byte.</summary>
    private static ulong Pairs(ulong digits) => digits * 10 + (digits >> 8);

    /// <summary>Four numbers less than 100 as eight ASCII digits, the first lowest. x · 103 >> 10 is x / 10.</summary>
    private static ulong Digits(uint first, uint second, uint third, uint fourth)
    {
        var pairs = first | (ulong)second << 16 | (ulong)third << 32 | (ulong)fourth << 48;
        var tens = pairs * 103 >> 10 & 0xf_000f_000f_000f;
        return tens | pairs - tens * 10 << 8 | 0x3030_3030_3030_3030;
    }

    private static bool IsLeap(int year) => (year & 3) == 0 && (year % 100 != 0 || (year & 15) == 0);

    private static int DaysIn(int year, int month) => _daysBefore[month] - _daysBefore[month - 1] + (month == 2 && IsLeap(year) ? 1 : 0);

    /// <summary>Days since 1970-01-01 of a date in the proleptic Gregorian calendar.</summary>
    private static long Days(int year, int month, int day)
    {
        var years = year - 1;
        return years * 365 + years / 4 - years / 100 + years / 400 + _daysBefore[month - 1] + (month > 2 && IsLeap(year) ? 1 : 0) + day - 1 - 719_162;
    }

    /// <summary>Where a leap second lands: the second after 23:59:60 on the last day of a month is the first of the next month.</summary>
    private static bool IsFirstSecondOfMonth(long unixMs)
    {
        var days = DayOf(unixMs);
        Civil(days, out _, out _, out var day);
        return day == 1 && unixMs - days * DayMs < 1000;
    }

    /// <summary>Date of a number of days since 1970-01-01. Years are counted from 1 March, so that the leap day is a year's last.</summary>
    private static void Civil(long days, out int year, out int month, out int day)
    {
        var fromMarchOfYear0 = (uint)(days + 719_468);
        var century = (4 * fromMarchOfYear0 + 3) / 146_097;
        var dayOfCentury = fromMarchOfYear0 - 146_097 * century / 4;
        var yearOfCentury = (4 * dayOfCentury + 3) / 1461;
        var dayOfYear = dayOfCentury - 1461 * yearOfCentury / 4;
        var monthFromMarch = (5 * dayOfYear + 2) / 153;
        day = (int)(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1);
        month = (int)(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9);
        year = (int)(100 * century + yearOfCentury + (monthFromMarch < 10 ? 0U : 1U));
    }

    /// <summary>Days since 1970-01-01 of a time that is not before <see cref="MinMs"/>.</summary>
    private static long DayOf(long unixMs) => (long)((ulong)(unixMs - MinMs) / DayMs) + MinMs / DayMs;
}
