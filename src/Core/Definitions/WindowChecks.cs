using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Definitions;

/// <summary>A window, and whether its aggregate and its source go with it.</summary>
internal static class WindowChecks
{
    public static void Check(DefinitionChecks checks, FeatureDefinition feature, SourceDefinition? source, string featurePath, string subject)
    {
        var path = $"{featurePath}.window";
        switch (feature.Window)
        {
            case WindowDefinition.Sliding sliding:
                Sliding(checks, sliding, path, subject);
                break;
            case WindowDefinition.Tumbling tumbling:
                Tumbling(checks, tumbling, source, path, subject);
                break;
            case WindowDefinition.Session session:
                Session(checks, session, path, subject);
                break;
            case WindowDefinition.Last last:
                Range(checks, last.Count, 1, DefinitionLimits.LastEventsMax, $"{path}.last", subject, "last");
                break;
        }

        if (Enum.IsDefined(feature.Aggregate))
            Fits(checks, feature, source, featurePath, subject);
    }

    private static void Sliding(DefinitionChecks checks, WindowDefinition.Sliding window, string path, string subject)
    {
        checks.Duration($"{path}.sliding", subject, "window", window.Length, isZeroAllowed: false);
        checks.Duration($"{path}.delay", subject, "delay", window.Delay, isZeroAllowed: true);
        Range(checks, window.Limit, 1, DefinitionLimits.WindowEventsMax, $"{path}.limit", subject, "limit");
        if (window.Tile is not { } tile)
            return;
        checks.Duration($"{path}.tile", subject, "tile", tile, isZeroAllowed: false);
        if (window.Limit != WindowDefinition.LimitDefault)
            checks.Add($"{path}.limit", subject, "limit bounds the events that an exact window keeps, and a tiled one keeps none. Remove limit, or tile.");
        if (tile <= TimeSpan.Zero || window.Length <= TimeSpan.Zero)
            return;
        var tiles = Math.Ceiling((window.Length.TotalMilliseconds + Math.Max(0, window.Delay.TotalMilliseconds)) / tile.TotalMilliseconds);
        if (tile > window.Length)
            checks.Add($"{path}.tile", subject, "tile is longer than the window. Use a part of it.");
        else if (tiles > DefinitionLimits.WindowRowsMax)
            checks.Add($"{path}.tile", subject, $"window and delay reach over {tiles:F0} tiles. At most {DefinitionLimits.WindowRowsMax} are allowed. Use a longer tile.");
    }

    private static void Tumbling(DefinitionChecks checks, WindowDefinition.Tumbling window, SourceDefinition? source, string path, string subject)
    {
        checks.Duration($"{path}.tumbling", subject, "window", window.Length, isZeroAllowed: false);
        checks.Duration($"{path}.offset", subject, "offset", window.Offset, isZeroAllowed: true);
        if (window.Length > TimeSpan.Zero && window.Offset >= window.Length)
            checks.Add($"{path}.offset", subject, "offset is not shorter than the window. Periods repeat, so take off the window's length.");
        // An offset from UTC would be found too, but it is no zone: it knows no summer.
        if (window.TimeZone.Length == 0 || !char.IsAsciiLetter(window.TimeZone[0]) || TimeZoneRules.Find(window.TimeZone) is null)
            checks.Add($"{path}.time_zone", subject, $"time_zone {DefinitionText.Quote(window.TimeZone)} is not known on this machine. Use an IANA name such as Europe/Berlin, or UTC.");
        if (source is null || window.Length <= TimeSpan.Zero)
            return;
        var periods = Math.Ceiling(StateSize.DisorderOf(source).TotalMilliseconds / window.Length.TotalMilliseconds);
        if (periods > DefinitionLimits.WindowRowsMax)
            checks.Add($"{path}.tumbling", subject, $"lateness and align of source {DefinitionText.Quote(source.Name)} span {periods:F0} periods, each of which may still change. At most {DefinitionLimits.WindowRowsMax} are allowed. Use a longer window.");
    }

    private static void Session(DefinitionChecks checks, WindowDefinition.Session window, string path, string subject)
    {
        checks.Duration($"{path}.session", subject, "gap", window.Gap, isZeroAllowed: false);
        Range(checks, window.Closed, 0, DefinitionLimits.SessionsClosedMax, $"{path}.closed", subject, "closed");
        Range(checks, window.Limit, 1, DefinitionLimits.WindowEventsMax, $"{path}.limit", subject, "limit");
        if (window.Max is not { } max)
            return;
        checks.Duration($"{path}.max", subject, "max", max, isZeroAllowed: false);
        if (max > TimeSpan.Zero && max < window.Gap)
            checks.Add($"{path}.max", subject, "max is shorter than the gap, so that it alone would end sessions. Use a longer max, or a shorter gap.");
    }

    private static void Fits(DefinitionChecks checks, FeatureDefinition feature, SourceDefinition? source, string featurePath, string subject)
    {
        var name = DefinitionText.Name(feature.Aggregate);
        if (feature.Aggregate == Aggregate.Rate && feature.Window is not (WindowDefinition.Sliding or WindowDefinition.Tumbling))
            checks.Add($"{featurePath}.window", subject, $"rate divides by the window's length, and {KindOf(feature.Window)} has none. Use sliding or tumbling.");
        else if (AggregateRules.IsOfSessions(feature.Aggregate) && feature.Window is not WindowDefinition.Session)
            checks.Add($"{featurePath}.window", subject, $"{name} looks at sessions, and {KindOf(feature.Window)} has none. Use window: {{ session: 30m }}.");
        else if (source?.Envelope == EventEnvelope.Debezium && !AggregateRules.IsSubtractable(feature.Aggregate) && !AggregateRules.KeepsEvents(feature.Window))
            checks.Add($"{featurePath}.aggregate", subject, $"{name} cannot take back an event where {KindOf(feature.Window)} does not keep it, and source {DefinitionText.Quote(source.Name)} has deletes and updates (envelope: debezium). Use an exact window: sliding without tile, session or last.");
    }

    private static string KindOf(WindowDefinition? window) => window switch
    {
        WindowDefinition.Sliding { Tile: not null } => "a tiled window",
        WindowDefinition.Sliding => "an exact window",
        WindowDefinition.Tumbling => "a tumbling window",
        WindowDefinition.Session => "a session window",
        WindowDefinition.Last => "a window of the last events",
        _ => "a lifetime",
    };

    private static void Range(DefinitionChecks checks, int value, int min, int max, string path, string subject, string what)
    {
        if (value < min || value > max)
            checks.Add(path, subject, $"{what} is outside {min} to {max}.");
    }
}
