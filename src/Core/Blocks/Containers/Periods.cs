using System.Collections.Concurrent;

namespace FeatureStore.Core.Blocks.Containers;

/// <summary>
/// Time in periods [k·length + offset, (k + 1)·length + offset) since 1970-01-01T00:00 as clocks in a time zone show it. A period of whole days begins when clocks first show
/// its beginning, so that it is there once however clocks are set. A shorter one that clocks are set in ends at the next beginning by the new reading, so that an hour that is
/// shown twice is two periods.
/// </summary>
internal sealed class Periods
{
    private const long DayMs = 86_400_000;

    private readonly long _offsetMs;
    private readonly ZoneClock? _clock;

    /// <param name="lengthMs">More than 0.</param>
    /// <param name="offsetMs">Any.</param>
    /// <param name="timeZone">IANA name.</param>
    public Periods(long lengthMs, long offsetMs, string timeZone)
    {
        LengthMs = lengthMs;
        _offsetMs = offsetMs;
        _clock = timeZone == "UTC" ? null : ZoneClock.Of(timeZone);
    }

    public long LengthMs { get; }

    /// <summary>Whether a period's key is its k; else it is its first millisecond.</summary>
    private bool IsCounted => _clock is null || LengthMs % DayMs == 0;

    /// <summary>The key of the period that a time (Unix ms) lies in; later periods have greater ones.</summary>
    public long KeyOf(long timeMs)
    {
        if (IsCounted)
            return Floor((_clock?.GreatestShownMs(timeMs) ?? timeMs) - _offsetMs, LengthMs);
        var (setMs, aheadMs, aheadBeforeMs) = _clock!.At(timeMs);
        var from = BeginningMs(timeMs, aheadMs);
        return from >= setMs ? from : BeginningMs(setMs - 1, aheadBeforeMs);
    }

    /// <summary>The key of the period before one.</summary>
    public long Before(long key) => IsCounted ? key - 1 : KeyOf(key - 1);

    private static long Floor(long number, long size) => number >= 0 ? number / size : ~(~number / size);

    private long BeginningMs(long timeMs, long aheadMs) => Floor(timeMs + aheadMs - _offsetMs, LengthMs) * LengthMs + _offsetMs - aheadMs;
}

/// <summary>What clocks in a time zone show: a table of the years 1960 to 2100, before and after which they are never set.</summary>
internal sealed class ZoneClock
{
    private const long HourMs = 3_600_000;

    /// <summary>1960-01-01.</summary>
    private const long BeginMs = -315_619_200_000;

    /// <summary>2100-01-01.</summary>
    private const long EndMs = 4_102_444_800_000;

    private static readonly ConcurrentDictionary<string, ZoneClock> _zones = new();

    private readonly long[] _startsMs;
    private readonly long[] _aheadMs;

    /// <summary>The latest time that clocks showed before each start.</summary>
    private readonly long[] _greatestShownMs;

    private ZoneClock(TimeZoneInfo zone)
    {
        List<long> starts = [long.MinValue];
        List<long> ahead = [AheadMs(zone, BeginMs)];
        List<long> shown = [long.MinValue];
        for (var at = BeginMs; at < EndMs; at += 6 * HourMs)
        {
            if (AheadMs(zone, at + 6 * HourMs) == ahead[^1])
                continue;
            var (low, high) = (at, at + 6 * HourMs);
            while (high - low > 1)
            {
                var middle = (low + high) / 2;
                (low, high) = AheadMs(zone, middle) == ahead[^1] ? (middle, high) : (low, middle);
            }

            shown.Add(Math.Max(shown[^1], high + ahead[^1]));
            starts.Add(high);
            ahead.Add(AheadMs(zone, high));
        }

        (_startsMs, _aheadMs, _greatestShownMs) = ([.. starts], [.. ahead], [.. shown]);
    }

    public static ZoneClock Of(string timeZone) => _zones.GetOrAdd(timeZone, static name => new ZoneClock(TimeZoneInfo.FindSystemTimeZoneById(name)));

    /// <summary>When clocks were last set up to a time, how far ahead of UTC they are, and how far they were before.</summary>
    public (long SetMs, long AheadMs, long AheadBeforeMs) At(long timeMs)
    {
        var at = IndexOf(timeMs);
        return (_startsMs[at], _aheadMs[at], _aheadMs[Math.Max(0, at - 1)]);
    }

    /// <summary>The latest time, as Unix ms of the same reading in UTC, that clocks have shown up to a time.</summary>
    public long GreatestShownMs(long timeMs)
    {
        var at = IndexOf(timeMs);
        // A clock that is set back has shown all but the last millisecond before.
        return Math.Max(timeMs + _aheadMs[at], _greatestShownMs[at] == long.MinValue ? long.MinValue : _greatestShownMs[at] - 1);
    }

    private int IndexOf(long timeMs)
    {
        var at = Array.BinarySearch(_startsMs, timeMs);
        return at < 0 ? ~at - 1 : at;
    }

    private static long AheadMs(TimeZoneInfo zone, long timeMs) => (long)zone.GetUtcOffset(DateTimeOffset.FromUnixTimeMilliseconds(timeMs)).TotalMilliseconds;
}
