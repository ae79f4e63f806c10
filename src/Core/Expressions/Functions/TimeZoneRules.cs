using System.Text;

namespace FeatureStore.Core.Expressions;

/// <summary>Offsets of a time zone: an IANA zone of the machine's time zone data, or a fixed offset.</summary>
internal sealed class TimeZoneRules
{
    private const int NameLengthMax = 64;

    private readonly TimeZoneInfo? _zone;
    private readonly long _fixedSeconds;

    private TimeZoneRules(TimeZoneInfo? zone, long fixedSeconds)
    {
        _zone = zone;
        _fixedSeconds = fixedSeconds;
    }

    public static TimeZoneRules Utc { get; } = new(null, 0);

    /// <param name="name">An IANA name, "UTC", or an offset "+hh:mm", "-hh:mm", "hh:mm".</param>
    /// <returns>Null where there is no such zone.</returns>
    public static TimeZoneRules? Find(string name)
    {
        if (name == "UTC")
            return Utc;
        if (TimeText.TryParseOffset(Encoding.UTF8.GetBytes(name), out var seconds) || TimeText.TryParseOffset(Encoding.UTF8.GetBytes('+' + name), out seconds))
            return new TimeZoneRules(null, seconds);

        // The name becomes part of a path to the machine's time zone data.
        var isName = name.Length is > 0 and <= NameLengthMax && char.IsAsciiLetter(name[0])
            && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '+' or '/');
        return isName && TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone) ? new TimeZoneRules(zone, 0) : null;
    }

    /// <param name="unixSeconds">Of an <see cref="Instant"/>.</param>
    /// <returns>Local time less UTC.</returns>
    public long OffsetSeconds(long unixSeconds) => _zone is null
        ? _fixedSeconds
        : _zone.GetUtcOffset(new DateTime((unixSeconds - Instant.SecondsMin) * TimeSpan.TicksPerSecond, DateTimeKind.Utc)).Ticks / TimeSpan.TicksPerSecond;
}
