using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>A random definition of an entity, and random streams for it.</summary>
internal sealed class RandomEntity
{
    private static readonly Input[] _inputs =
    [
        new("A", e => e.A), new("B", e => e.B), new("C", e => e.C), new("F", e => e.F is null ? null : e.F.Value ? 1 : 0), new("TS", e => e.TimeMs),
        new("A + B", e => e.A + e.B), new("A / B", e => e.A / e.B), new("A * 0.1", e => e.A * 0.1), new("C - 3", e => e.C - 3), new("F ? A : B", e => e.F is null ? null : e.F.Value ? e.A : e.B),
    ];

    private static readonly Input[] _countable = [.. _inputs, new("S", e => e.S is null ? null : 1), new("S + '!'", e => e.S is null ? null : 1), new("[A]", e => e.A is null ? null : 1)];

    private static readonly Condition[] _conditions =
    [
        new(null, _ => true), new("F", e => e.F == true), new("A > 0.0", e => e.A > 0), new("C % 2 == 0", e => e.C % 2 == 0), new("has(B)", e => e.B is not null),
    ];

    private static readonly long[] _durationsMs = [1, 2, 7, 10, 50, 100, 500, 5000];
    private static readonly int[] _limits = [100_000, 100_000, 100_000, 1, 2, 5, 8, 30];

    private readonly Random _random;

    public RandomEntity(Random random)
    {
        _random = random;
        Sources = [.. Enumerable.Range(0, random.Next(1, 3)).Select(index => TestEntity.Source(index, Pick(0, 3, 60), Pick(0, 20, 500)))];
        DisorderMs = (long)Sources.Min(source => source.Lateness + source.Align).TotalMilliseconds;
        // Few windows, so that features share rings and cursors.
        var windows = Enumerable.Range(0, 3).Select(_ => (Sliding: Pick(_durationsMs), Delay: random.Next(3) == 0 ? Pick(_durationsMs) : 0)).ToArray();
        var inputs = Enumerable.Range(0, 3).Select(_ => Pick(_inputs)).ToArray();
        var views = Enumerable.Range(0, random.Next(1, 5)).Select(view => TestEntity.View($"v{view}", random.Next(Sources.Count),
            [.. Enumerable.Range(0, random.Next(1, 5)).Select(feature => RandomDefinition($"f{feature}", windows, inputs))])).ToArray();
        Plan = TestEntity.Plan(Sources, views);
        Features = [.. Plan.Features.Select(feature => new RandomFeature(
            int.Parse(feature.View.Source.AsSpan(1), System.Globalization.CultureInfo.InvariantCulture),
            feature.Definition,
            Array.Find(_conditions, condition => condition.Text == feature.Definition.Where)!,
            Array.Find(_countable, input => input.Text == feature.Definition.Of)))];
        Assert.IsTrue(Features.All(feature => (feature.Of is null) == (feature.Definition.Of is null)));
        RingGroups = [.. Features.Where(feature => feature.Definition.Window is not null).GroupBy(feature => (feature.Source, feature.Where)).Select(ToRingGroup)];
    }

    public IReadOnlyList<SourceDefinition> Sources { get; }

    public EntityPlan Plan { get; }

    public IReadOnlyList<RandomFeature> Features { get; }

    /// <summary>Features that share what they keep: those of one source and one condition.</summary>
    public IReadOnlyList<RingGroup> RingGroups { get; }

    /// <summary>How far behind the newest event another may arrive.</summary>
    public long DisorderMs { get; }

    /// <summary>Events in order of time.</summary>
    public List<TestEvent> SortedStream()
    {
        var values = _random.Next(5);
        var count = _random.Next(20) == 0 ? _random.Next(300) : _random.Next(40);
        var feeding = Features.Select(feature => feature.Source).Distinct().ToArray();
        var timeMs = 1_527_811_200_000L;
        var events = new List<TestEvent>();
        while (events.Count < count)
        {
            timeMs += _random.Next(4) switch { 0 => 0, 1 => _random.Next(3), 2 => _random.Next(30), _ => _random.Next(12) == 0 ? _random.Next(6000) : Pick(_durationsMs) / 2 };
            events.Add(new TestEvent(Pick(feeding), timeMs)
            {
                A = Number(values),
                B = Number(values),
                C = _random.Next(10) switch { 0 => null, 1 => _random.NextInt64(long.MinValue, long.MaxValue), _ => _random.Next(-5, 6) },
                F = _random.Next(5) switch { 0 => null, 1 or 2 => true, _ => false },
                S = _random.Next(3) == 0 ? null : "text",
            });
        }

        return events;
    }

    /// <summary>The same events as they may arrive: none more than the disorder behind one before it, equal times in their order.</summary>
    public List<TestEvent> Disordered(List<TestEvent> sorted)
    {
        var arrivals = sorted.OrderBy(e => e.TimeMs + _random.NextInt64(DisorderMs + 1)).ToList();
        foreach (var tie in sorted.GroupBy(e => e.TimeMs).Where(tie => tie.Count() > 1))
        {
            using var inOrder = tie.GetEnumerator();
            for (var index = 0; index < arrivals.Count; index++)
            {
                if (arrivals[index].TimeMs == tie.Key && inOrder.MoveNext())
                    arrivals[index] = inOrder.Current;
            }
        }

        return arrivals;
    }

    /// <summary>A moment at which an entity whose newest event is at a time may be read.</summary>
    public long AsOfMs(long newestMs) =>
        _random.Next(3) == 0 ? newestMs - _random.NextInt64(DisorderMs + 1) : newestMs + _random.NextInt64(_random.Next(3) == 0 ? 12_000 : 60);

    private RingGroup ToRingGroup(IGrouping<(int Source, Condition Where), RandomFeature> features)
    {
        var windows = features.Select(feature => (WindowDefinition.Sliding)feature.Definition.Window!).ToList();
        var source = features.Key.Source;
        var group = new RingGroup(source, features.Key.Where, windows.Max(window => window.Limit))
        {
            ReachMs = (long)(windows.Max(window => window.Length + window.Delay) + Sources[source].Lateness + Sources[source].Align).TotalMilliseconds,
        };
        foreach (var feature in features)
            feature.RingGroup = group;
        return group;
    }

    private FeatureDefinition RandomDefinition(string name, (long Sliding, long Delay)[] windows, Input[] inputs)
    {
        var aggregate = Pick(Aggregate.Count, Aggregate.Sum, Aggregate.Mean, Aggregate.Min, Aggregate.Max, Aggregate.Last);
        var of = aggregate == Aggregate.Count && _random.Next(2) == 0 ? (_random.Next(2) == 0 ? null : Pick(_countable).Text) : Pick(inputs).Text;
        var window = _random.Next(4) == 0 ? default : Pick(windows);
        double? absent = _random.Next(2) == 0 ? null : aggregate is Aggregate.Count or Aggregate.Sum ? 0 : -1.5;
        return TestEntity.Feature(name, aggregate, of, window.Sliding, window.Delay, Pick(_limits), Pick(_conditions).Text, absent);
    }

    private double? Number(int kind) => kind switch
    {
        _ when _random.Next(8) == 0 => null,
        // Cents, halves and zeros of both signs: sums are exact.
        0 => _random.Next(-100_000, 1_000_000) / 100.0,
        1 => Pick(0.0, -0.0, 1, -1, 0.5, 2.5),
        // From a huge number to a tiny one, each of them in and out again.
        2 => Pick(1e300, -1e300, 1e-300, 5e-324, 1, 0.1, -7, 1e16),
        3 => (_random.NextDouble() - 0.5) * Math.Pow(10, _random.Next(-30, 30)),
        _ => _random.Next(30) == 0 ? 1e300 : _random.Next(1000) / 100.0,
    };

    private T Pick<T>(params T[] from) => from[_random.Next(from.Length)];
}

/// <summary>A feature with what the naive engine needs to know of it.</summary>
internal sealed record RandomFeature(int Source, FeatureDefinition Definition, Condition Where, Input? Of)
{
    public RingGroup? RingGroup { get; set; }
}

/// <summary>An expression, and what it says in C#.</summary>
internal sealed record Input(string Text, Func<TestEvent, double?> Evaluate);

internal sealed record Condition(string? Text, Func<TestEvent, bool> Holds);

internal sealed record RingGroup(int Source, Condition Where, int Limit)
{
    public required long ReachMs { get; init; }
}
