using System.Collections.Concurrent;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Oracle;

/// <summary>What a window covers as of a time, from a list of all events.</summary>
/// <param name="Events">In order of time, then of arrival.</param>
/// <param name="AsOfMs">The time that the answer is as of.</param>
/// <param name="Sessions">The covered sessions, oldest first; of a session window only.</param>
internal sealed record NaiveWindow(IReadOnlyList<TestEvent> Events, long AsOfMs, IReadOnlyList<IReadOnlyList<TestEvent>> Sessions)
{
    private static readonly ConcurrentDictionary<(string, long, long), NaiveZone> _zones = new();

    /// <param name="window">Null: everything.</param>
    /// <param name="events">Those that meet the condition, in order of time, then of arrival.</param>
    /// <param name="newestMs">Time of the newest event that ever met the condition.</param>
    /// <param name="asOfMs">The time asked for.</param>
    public static NaiveWindow Of(WindowDefinition? window, IReadOnlyList<TestEvent> events, long newestMs, long asOfMs)
    {
        var latestMs = Math.Max(newestMs, asOfMs);
        switch (window)
        {
            case null:
                return new(events, latestMs, []);
            case WindowDefinition.Sliding { Tile: null } sliding:
                var endMs = asOfMs - Ms(sliding.Delay);
                return new(Between(events, endMs - Ms(sliding.Length) + 1, endMs), asOfMs, []);
            case WindowDefinition.Sliding tiled:
                return Tiled(tiled, events, latestMs);
            case WindowDefinition.Tumbling tumbling:
                return Tumbling(tumbling, events, asOfMs);
            case WindowDefinition.Session session:
                return Session(session, events, latestMs);
            case WindowDefinition.Last last:
                return new([.. events.Where(e => e.TimeMs <= asOfMs).TakeLast(last.Count)], asOfMs, []);
            default:
                throw new ArgumentOutOfRangeException(nameof(window));
        }
    }

    /// <summary>Events in the order given, cut where the gap is reached or the session would be too long.</summary>
    public static List<List<TestEvent>> Split(WindowDefinition.Session window, IEnumerable<TestEvent> events)
    {
        List<List<TestEvent>> sessions = [];
        foreach (var e in events)
        {
            var goesOn = sessions.Count > 0 && e.TimeMs < sessions[^1][^1].TimeMs + Ms(window.Gap) &&
                (window.Max is not { } max || e.TimeMs <= sessions[^1][0].TimeMs + Ms(max));
            if (goesOn)
                sessions[^1].Add(e);
            else
                sessions.Add([e]);
        }

        return sessions;
    }

    public static NaiveZone Zone(WindowDefinition.Tumbling window) =>
        _zones.GetOrAdd((window.TimeZone, Ms(window.Length), Ms(window.Offset)), key => new NaiveZone(key.Item1, key.Item2, key.Item3));

    public static long Ms(TimeSpan duration) => (long)duration.TotalMilliseconds;

    private static NaiveWindow Tiled(WindowDefinition.Sliding window, IReadOnlyList<TestEvent> events, long latestMs)
    {
        var tileMs = Ms(window.Tile!.Value);
        var endMs = latestMs - Ms(window.Delay);
        var fromMs = NaiveZone.FloorDivide(endMs - Ms(window.Length) + 1, tileMs) * tileMs;
        // With a delay only tiles that ended by then.
        var toMs = window.Delay == TimeSpan.Zero ? endMs : NaiveZone.FloorDivide(endMs + 1, tileMs) * tileMs - 1;
        return new(Between(events, fromMs, toMs), latestMs, []);
    }

    private static NaiveWindow Tumbling(WindowDefinition.Tumbling window, IReadOnlyList<TestEvent> events, long asOfMs)
    {
        var zone = Zone(window);
        var period = zone.Period(asOfMs);
        if (window.Closed)
            period = zone.Period(period.FromMs - 1);
        var covered = Between(events, period.FromMs, period.ToMs - 1);
        // The open period counts all events seen in it, and time does not run backwards.
        return new(covered, covered.Count == 0 ? asOfMs : Math.Max(asOfMs, covered[^1].TimeMs), []);
    }

    private static NaiveWindow Session(WindowDefinition.Session window, IReadOnlyList<TestEvent> events, long latestMs)
    {
        var sessions = Split(window, events);
        var isOpen = sessions.Count > 0 && latestMs < sessions[^1][^1].TimeMs + Ms(window.Gap);
        var covered = window.Closed == 0
            ? sessions.Skip(isOpen ? sessions.Count - 1 : sessions.Count)
            : sessions.Take(isOpen ? sessions.Count - 1 : sessions.Count).TakeLast(window.Closed);
        List<List<TestEvent>> list = [.. covered];
        return new([.. list.SelectMany(session => session)], latestMs, list);
    }

    private static List<TestEvent> Between(IReadOnlyList<TestEvent> events, long fromMs, long toMs) =>
        [.. events.Where(e => e.TimeMs >= fromMs && e.TimeMs <= toMs)];
}
