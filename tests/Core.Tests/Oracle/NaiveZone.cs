using System.Collections.Concurrent;

namespace FeatureStore.Core.Tests.Oracle;

/// <summary>
/// Periods [k·length + offset, (k + 1)·length + offset) as a zone's clock shows them. One of whole days begins at the first instant at which the clock has reached
/// its beginning, so that the day begins with the change where a change skips midnight. A shorter one is counted from the zone's offset at its beginning.
/// </summary>
internal sealed class NaiveZone(string name, long lengthMs, long offsetMs)
{
    private const long MinuteMs = 60_000, DayMs = 1440 * MinuteMs;

    private readonly TimeZoneInfo _zone = TimeZoneInfo.FindSystemTimeZoneById(name);
    private readonly ConcurrentDictionary<long, long> _beginnings = [];

    /// <summary>The period that an instant lies in.</summary>
    public (long FromMs, long ToMs) Period(long timeMs)
    {
        if (lengthMs % DayMs != 0)
            return ShortPeriod(timeMs);
        var number = FloorDivide(timeMs + ClockMs(timeMs) - offsetMs, lengthMs);
        while (Beginning(number) > timeMs)
            number--;
        while (Beginning(number + 1) <= timeMs)
            number++;
        return (Beginning(number), Beginning(number + 1));
    }

    private long Beginning(long number)
    {
        if (_beginnings.TryGetValue(number, out var known))
            return known;
        var clock = number * lengthMs + offsetMs;
        if (name == "UTC")
            return clock;
        // No zone is more than 15 hours from UTC, and all change on whole minutes.
        var at = FloorDivide(clock, MinuteMs) * MinuteMs - 15 * 60 * MinuteMs;
        while (at + MinuteMs + ClockMs(at + MinuteMs) <= clock)
            at += MinuteMs;
        var rest = clock - (at + ClockMs(at));
        return _beginnings[number] = at + Math.Min(rest, MinuteMs);
    }

    private (long FromMs, long ToMs) ShortPeriod(long timeMs)
    {
        var from = timeMs - FloorModulo(timeMs + ClockMs(timeMs) - offsetMs, lengthMs);
        if (ClockMs(from) != ClockMs(timeMs))
        {
            var before = LastBeforeChange(from, timeMs);
            from = before - FloorModulo(before + ClockMs(before) - offsetMs, lengthMs);
        }

        var to = from + lengthMs;
        if (ClockMs(to) != ClockMs(from))
        {
            var change = LastBeforeChange(from, to) + 1;
            to = change + FloorModulo(offsetMs - change - ClockMs(change), lengthMs);
        }

        return (from, to);
    }

    /// <summary>The last instant before the one change between two instants.</summary>
    private long LastBeforeChange(long low, long high)
    {
        var clock = ClockMs(low);
        while (high - low > 1)
        {
            var middle = low + (high - low) / 2;
            if (ClockMs(middle) == clock)
                low = middle;
            else
                high = middle;
        }

        return low;
    }

    private long ClockMs(long timeMs) => (long)_zone.GetUtcOffset(DateTimeOffset.FromUnixTimeMilliseconds(timeMs)).TotalMilliseconds;

    public static long FloorDivide(long number, long divisor) => (number - FloorModulo(number, divisor)) / divisor;

    public static long FloorModulo(long number, long divisor) => (number % divisor + divisor) % divisor;
}
