using System.Numerics;
using FeatureStore.Core.Definitions;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>
/// An entity the slow and plain way: every event is kept, and every value computed anew from all of them. Shares no code with the engine.
/// </summary>
internal sealed class NaiveEntity(RandomEntity definition)
{
    private readonly List<Kept> _events = [];
    private readonly long[] _newestMs = [.. definition.Sources.Select(_ => long.MinValue)];
    private int _arrivals;

    public long Overflowed { get; private set; }

    public void Apply(TestEvent @event)
    {
        _newestMs[@event.Source] = Math.Max(_newestMs[@event.Source], @event.TimeMs);
        _events.Add(new Kept(@event, _arrivals++));
        // By event time, then by arrival.
        _events.Sort((left, right) => (left.Event.TimeMs, left.Arrival).CompareTo((right.Event.TimeMs, right.Arrival)));
        foreach (var group in definition.RingGroups.Where(group => group.Source == @event.Source && group.Where.Holds(@event)))
        {
            var reachable = _events.Where(kept => kept.Event.Source == group.Source && group.Where.Holds(kept.Event) && !kept.DroppedFrom.Contains(group) &&
                kept.Event.TimeMs > _newestMs[group.Source] - group.ReachMs).ToList();
            if (reachable.Count <= group.Limit)
                continue;
            reachable[0].DroppedFrom.Add(group);
            Overflowed++;
        }
    }

    public Expected Value(RandomFeature feature, long asOfMs)
    {
        var window = (WindowDefinition.Sliding?)feature.Definition.Window;
        var newest = window is null ? long.MaxValue : asOfMs - (long)window.Delay.TotalMilliseconds;
        var oldest = window is null ? long.MinValue : newest - (long)window.Length.TotalMilliseconds;
        var covered = _events.Where(kept => kept.Event.Source == feature.Source && feature.Where.Holds(kept.Event) &&
            kept.Event.TimeMs > oldest && kept.Event.TimeMs <= newest && (window is null || !kept.DroppedFrom.Contains(feature.RingGroup!))).ToList();
        if (feature.Of is null)
            return new Expected(covered.Count);
        var inputs = covered.Select(kept => feature.Of.Evaluate(kept.Event)).OfType<double>().Where(double.IsFinite).ToList();
        var absent = feature.Definition.Default ?? double.NaN;
        switch (feature.Definition.Aggregate)
        {
            case Aggregate.Count:
                return new Expected(inputs.Count);
            case Aggregate.Sum:
                return Sum(inputs, 1, absent);
            case Aggregate.Mean:
                return inputs.Count == 0 ? new Expected(absent) : Sum(inputs, inputs.Count, absent);
            case Aggregate.Min:
                return new Expected(inputs.Count == 0 ? absent : inputs.Aggregate(Math.Min));
            case Aggregate.Max:
                return new Expected(inputs.Count == 0 ? absent : inputs.Aggregate(Math.Max));
            default:
                return new Expected(inputs.Count == 0 ? absent : inputs[^1]);
        }
    }

    private static Expected Sum(List<double> inputs, int divisor, double absent)
    {
        var sum = ExactSum.ToDouble(inputs.Aggregate(BigInteger.Zero, (total, input) => total + ExactSum.Of(input)));
        if (!double.IsFinite(sum))
            return new Expected(absent);
        var tolerance = inputs.All(ExactSum.IsFixedPoint)
            ? 0
            : 1e-12 * ExactSum.ToDouble(inputs.Aggregate(BigInteger.Zero, (total, input) => total + ExactSum.Of(Math.Abs(input)))) / divisor;
        return new Expected(sum / divisor, tolerance);
    }

    private sealed record Kept(TestEvent Event, int Arrival)
    {
        public HashSet<RingGroup> DroppedFrom { get; } = [];
    }
}

/// <summary>A value, and how far from it another may be; 0: the same bits.</summary>
internal readonly record struct Expected(double Value, double Tolerance = 0)
{
    public bool Fits(double actual) => double.IsNaN(Value) || double.IsNaN(actual) || Tolerance == 0
        ? double.IsNaN(Value) ? double.IsNaN(actual) : BitConverter.DoubleToInt64Bits(Value) == BitConverter.DoubleToInt64Bits(actual)
        : Math.Abs(actual - Value) <= Tolerance;
}
