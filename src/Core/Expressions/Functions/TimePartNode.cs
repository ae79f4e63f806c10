using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

/// <summary>A part of a timestamp.</summary>
internal enum TimePart
{
    FullYear,

    /// <summary>0 to 11.</summary>
    Month,

    /// <summary>1 to 31.</summary>
    Date,

    /// <summary>0 to 30.</summary>
    DayOfMonth,

    /// <summary>0 (Sunday) to 6.</summary>
    DayOfWeek,

    /// <summary>0 to 365.</summary>
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// <summary>timestamp.getHours() and the like, in a time zone; integer arithmetic on the proleptic Gregorian calendar.</summary>
internal sealed class TimePartNode(Node<Instant> operand, TimePart part, TimeZoneRules zone) : Node<long>(operand)
{
    /// <summary>Days from 0000-03-01 to the epoch. Counted from there, each instant in each zone is positive, and a leap day is the last of its year.</summary>
    private const int EpochDay = 719_468;

    private const int SecondsPerDay = 86_400;

    private readonly bool _isUtc = zone == TimeZoneRules.Utc;

    public override bool Try(in FieldRow row, Scope? scope, out long value)
    {
        if (!operand.Try(row, scope, out var instant))
        {
            value = 0;
            return false;
        }
        var seconds = instant.Seconds + (_isUtc ? 0 : zone.OffsetSeconds(instant.Seconds));
        var sinceMarch = (ulong)(seconds + (long)EpochDay * SecondsPerDay);
        var day = (uint)(sinceMarch / SecondsPerDay);
        var second = (uint)(sinceMarch - (ulong)day * SecondsPerDay);
        value = part switch
        {
            TimePart.Hours => second / 3600,
            TimePart.Minutes => second / 60 % 60,
            TimePart.Seconds => second % 60,
            TimePart.Milliseconds => instant.Nanos / 1_000_000,
            TimePart.DayOfWeek => (day + 3) % 7,
            _ => CalendarPart(day),
        };
        return true;
    }

    /// <param name="day">Days since 0000-03-01.</param>
    private long CalendarPart(uint day)
    {
        const uint daysPerEra = 146_097; // 400 years
        var dayOfEra = day % daysPerEra;
        var yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
        var dayOfMarchYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
        var monthFromMarch = (5 * dayOfMarchYear + 2) / 153;
        var month = monthFromMarch < 10 ? monthFromMarch + 2 : monthFromMarch - 10;
        var year = day / daysPerEra * 400 + yearOfEra + (month < 2 ? 1u : 0);
        var isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        return part switch
        {
            TimePart.FullYear => year,
            TimePart.Month => month,
            TimePart.DayOfMonth => dayOfMarchYear - (153 * monthFromMarch + 2) / 5,
            TimePart.Date => dayOfMarchYear - (153 * monthFromMarch + 2) / 5 + 1,
            _ => month < 2 ? dayOfMarchYear - 306 : dayOfMarchYear + 59 + (isLeap ? 1u : 0),
        };
    }
}
