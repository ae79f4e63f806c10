using System.Globalization;

namespace FeatureStore.Registry;

/// <summary>Durations as definitions write them: <c>500ms</c>, <c>30s</c>, <c>5m</c>, <c>1h</c>, <c>7d</c>, <c>0</c>.</summary>
internal static class DurationText
{
    /// <summary>Longer than any that is allowed, and exact in ticks.</summary>
    private const long MillisecondsMax = 100_000L * 86_400_000;

    /// <summary>Reads a duration; one beyond 100,000 days is that.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        if (text == "0")
            return true;
        var digits = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        var unitMs = digits <= 0 ? 0 : text[digits..] switch
        {
            "ms" => 1L,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => 0,
        };
        if (unitMs == 0)
            return false;
        var isShort = long.TryParse(text.AsSpan(0, digits), NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count <= MillisecondsMax / unitMs;
        duration = TimeSpan.FromMilliseconds(isShort ? count * unitMs : MillisecondsMax);
        return true;
    }
}
