using FeatureStore.Core.Definitions;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Oracle;

/// <summary>A random stream for a definition: ties, gaps, bursts, moments at which a window, a tile, a period or a session begins or ends.</summary>
internal sealed class RandomStream
{
    private static readonly string[] _texts =
    [
        "", "a", "b", "B", "aa", "é", "日本", "😀", new('x', 62), new('x', 63), new('x', 64), new string('é', 31) + "!", new('é', 32), new string('x', 60) + "日", new string('x', 61) + "日", new('y', 4096),
    ];

    private readonly RandomDefinition _definition;
    private readonly Random _random;
    private readonly int _values;
    private readonly int[] _feeding;

    public RandomStream(RandomDefinition definition, int number)
    {
        _definition = definition;
        _random = new Random(definition.Seed * 1000 + number);
        _values = _random.Next(6);
        _feeding = [.. definition.Features.Select(feature => feature.Source).Distinct()];
        Name = $"FEATURESTORE_SEED={definition.Seed}, stream {number}";
        Sorted = Events();
    }

    /// <summary>How to run it again.</summary>
    public string Name { get; }

    /// <summary>Events in order of time.</summary>
    public IReadOnlyList<TestEvent> Sorted { get; }

    /// <summary>The events as they may arrive: none further behind an earlier one of its source than the disorder, equal times in their order.</summary>
    public List<TestEvent> Disordered()
    {
        var arrivals = Sorted.OrderBy(e => e.TimeMs + _random.NextInt64(DisorderMs(e.Source) + 1)).ToList();
        foreach (var tie in Sorted.GroupBy(e => (e.Source, e.TimeMs)).Where(tie => tie.Count() > 1))
        {
            using var inOrder = tie.GetEnumerator();
            for (var index = 0; index < arrivals.Count; index++)
            {
                if ((arrivals[index].Source, arrivals[index].TimeMs) == tie.Key && inOrder.MoveNext())
                    arrivals[index] = inOrder.Current;
            }
        }

        return arrivals;
    }

    /// <summary>A retraction of an event that was applied, or of one that never was; null: none this time.</summary>
    public TestEvent? Retraction(IReadOnlyList<TestEvent> live, NaiveEngine naive)
    {
        var source = Pick(_feeding);
        if (_definition.Sources[source].Envelope != EventEnvelope.Debezium)
            return null;
        if (_random.Next(4) == 0)
            return Unknown(source, naive);
        // Which of two like events goes shows only where a third stands between them.
        var known = live.Where(e => e.Source == source && naive.CountAt(source, e.TimeMs) <= 2).ToList();
        return known.Count == 0 ? null : _random.Next(2) == 0 ? known[^1] : Pick([.. known]);
    }

    /// <summary>A moment to read at: anywhere from as far back as an event may come, where something begins or ends if possible.</summary>
    public long AsOfMs(NaiveEngine naive)
    {
        var oldestMs = long.MinValue;
        var newestMs = long.MinValue;
        foreach (var source in _feeding.Where(source => naive.NewestMs(source) != long.MinValue))
        {
            oldestMs = Math.Max(oldestMs, naive.NewestMs(source) - naive.DisorderMs(source));
            newestMs = Math.Max(newestMs, naive.NewestMs(source));
        }

        if (newestMs == long.MinValue)
            return _definition.StartMs;
        var asOfMs = _random.Next(5) switch
        {
            0 => newestMs,
            1 => newestMs - _random.NextInt64(newestMs - oldestMs + 1),
            2 => newestMs + _random.NextInt64(_random.Next(4) == 0 ? 12_000 : 60) * _definition.UnitMs,
            _ => Border(Pick([.. Sorted]).TimeMs),
        };
        return asOfMs < oldestMs ? newestMs : asOfMs;
    }

    /// <summary>A time near which some window's answer changes because of an event.</summary>
    private long Border(long timeMs)
    {
        var window = Pick([.. _definition.Features]).Definition.Window;
        var near = _random.Next(-1, 2);
        switch (window)
        {
            case WindowDefinition.Sliding sliding:
                var tileMs = NaiveWindow.Ms(sliding.Tile ?? TimeSpan.FromMilliseconds(1));
                if (_random.Next(2) == 0)
                    timeMs = (NaiveZone.FloorDivide(timeMs, tileMs) + 1) * tileMs;
                return timeMs + near + _random.Next(3) switch { 0 => 0, 1 => NaiveWindow.Ms(sliding.Delay), _ => NaiveWindow.Ms(sliding.Delay + sliding.Length) };
            case WindowDefinition.Tumbling tumbling:
                var period = NaiveWindow.Zone(tumbling).Period(timeMs);
                // Where clocks change, up to an hour before counts, too.
                if (_definition.UnitMs > 1 && _random.Next(2) == 0)
                    near -= _random.Next((int)RandomDefinition.HourMs);
                return near + (_random.Next(2) == 0 ? period.ToMs : NaiveWindow.Zone(tumbling).Period(period.ToMs).ToMs);
            case WindowDefinition.Session session:
                return timeMs + near + NaiveWindow.Ms(_random.Next(2) == 0 ? session.Gap : session.Max ?? session.Gap);
            default:
                return timeMs + near;
        }
    }

    private List<TestEvent> Events()
    {
        var count = _random.Next(30) == 0 ? _random.Next(200) : _random.Next(24);
        var timeMs = _definition.StartMs;
        var events = new List<TestEvent>();
        while (events.Count < count)
        {
            var next = _random.Next(6) switch
            {
                0 => timeMs,
                1 => timeMs + _random.Next(3),
                2 => timeMs + _random.Next(30) * _definition.UnitMs,
                3 => timeMs + _random.NextInt64(1 + (_random.Next(10) == 0 ? 6000 : 100) * _definition.UnitMs),
                _ => events.Count == 0 ? timeMs : Border(Pick([.. events.TakeLast(5)]).TimeMs),
            };
            timeMs = Math.Max(timeMs, next);
            events.Add(Event(Pick(_feeding), timeMs));
        }

        return events;
    }

    private TestEvent Event(int source, long timeMs) => new(source, timeMs)
    {
        A = Number(),
        B = Number(),
        C = _random.Next(10) switch { 0 => null, 1 => _random.NextInt64(long.MinValue, long.MaxValue),
            // What doubles cannot tell apart, and what no more fits an int64 when it is added.
            2 => Pick(long.MinValue, long.MinValue + 1, long.MaxValue, long.MaxValue - 1, 1L << 53, (1L << 53) + 1, -(1L << 53) - 1), _ => _random.Next(-5, 6) },
        F = _random.Next(5) switch { 0 => null, 1 or 2 => true, _ => false },
        S = _random.Next(4) switch { 0 => null, 1 => Pick(_texts), 2 => Pick("a", "b", "c"), _ => $"t{_random.Next(_values * 20 + 1)}" },
    };

    /// <summary>
    /// An event that never was, where a state can know that: windows that hold single events have none of its time; all others only while they have none at all.
    /// </summary>
    private TestEvent? Unknown(int source, NaiveEngine naive)
    {
        var newestMs = naive.NewestMs(source);
        var isKnowable = _definition.Features.Where(feature => feature.Source == source).All(feature => RandomDefinition.KeepsEvents(feature.Definition.Window));
        var timeMs = newestMs == long.MinValue ? _definition.StartMs : isKnowable ? newestMs + _random.Next(-30, 30) : long.MinValue;
        return timeMs == long.MinValue || naive.CountAt(source, timeMs) > 0 ? null : Event(source, timeMs);
    }

    private long DisorderMs(int source) => NaiveWindow.Ms(_definition.Sources[source].Lateness + _definition.Sources[source].Align);

    private double? Number() => _values switch
    {
        _ when _random.Next(8) == 0 => null,
        _ when _random.Next(40) == 0 => Pick(double.NaN, double.PositiveInfinity, double.NegativeInfinity),
        // Cents, halves and zeros of both signs: sums are exact.
        0 => _random.Next(-100_000, 1_000_000) / 100.0,
        1 => Pick(0.0, -0.0, 1, -1, 0.5, 2.5),
        // From a huge number to a tiny one, each of them in and out again.
        2 => Pick(1e300, -1e300, 1e-300, 5e-324, 1, 0.1, -7, 1e16),
        3 => (_random.NextDouble() - 0.5) * Math.Pow(10, _random.Next(-30, 30)),
        4 => Pick(double.MaxValue, -double.MaxValue, 1, 0.1, 9_007_199_254_740_993),
        _ => _random.Next(30) == 0 ? 1e300 : _random.Next(1000) / 100.0,
    };

    private T Pick<T>(params T[] from) => from[_random.Next(from.Length)];
}
