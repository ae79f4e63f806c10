namespace FeatureStore.Core.Expressions;

/// <summary>A point in time from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z.</summary>
/// <param name="Seconds">Since the Unix epoch, rounded down.</param>
/// <param name="Nanos">0 to 999,999,999, after <paramref name="Seconds"/>.</param>
internal readonly record struct Instant(long Seconds, int Nanos)
{
    public const long SecondsMin = -62_135_596_800;
    public const long SecondsMax = 253_402_300_799;
    public const long NanosPerSecond = 1_000_000_000;

    /// <summary>Unix milliseconds.</summary>
    public double Milliseconds => Seconds * 1000.0 + Nanos / 1e6;

    public static bool TryFromMilliseconds(long milliseconds, out Instant instant)
    {
        // Counted from the first instant, so that unsigned division rounds down for times before 1970 too.
        var sinceMin = (ulong)(milliseconds - SecondsMin * 1000);
        if (sinceMin >= (ulong)(SecondsMax + 1 - SecondsMin) * 1000)
        {
            instant = default;
            return false;
        }
        var seconds = sinceMin / 1000;
        instant = new Instant((long)seconds + SecondsMin, (int)(sinceMin - seconds * 1000) * 1_000_000);
        return true;
    }

    public static bool TryFromSeconds(long seconds, out Instant instant)
    {
        instant = new Instant(seconds, 0);
        return seconds is >= SecondsMin and <= SecondsMax;
    }

    /// <param name="durationNanos">Any number of nanoseconds.</param>
    /// <param name="sum">This instant moved by the duration.</param>
    /// <returns>False where the sum is out of range.</returns>
    public bool TryAdd(long durationNanos, out Instant sum)
    {
        var seconds = Math.DivRem(durationNanos, NanosPerSecond, out var nanos);
        nanos += Nanos;
        if (nanos < 0)
        {
            nanos += NanosPerSecond;
            seconds--;
        }
        else if (nanos >= NanosPerSecond)
        {
            nanos -= NanosPerSecond;
            seconds++;
        }
        sum = new Instant(Seconds + seconds, (int)nanos);
        return sum.Seconds is >= SecondsMin and <= SecondsMax;
    }

    /// <returns>False where the difference does not fit into an int64 of nanoseconds (about 292 years).</returns>
    public bool TrySubtract(Instant other, out long durationNanos)
    {
        var difference = (Int128)(Seconds - other.Seconds) * NanosPerSecond + (Nanos - other.Nanos);
        durationNanos = (long)difference;
        return difference == durationNanos;
    }

    public int CompareTo(Instant other) => Seconds != other.Seconds ? Seconds.CompareTo(other.Seconds) : Nanos.CompareTo(other.Nanos);
}
