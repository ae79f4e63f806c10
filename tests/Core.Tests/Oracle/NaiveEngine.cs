using FeatureStore.Core.Definitions;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Oracle;

/// <summary>
/// The feature engine, the slow and plain way: every event of an entity is kept, and every value computed anew from all of them. Written from the
/// definitions' meaning alone; it shares no code with the engine.
/// </summary>
internal sealed class NaiveEngine(IReadOnlyList<SourceDefinition> sources, IReadOnlyList<NaiveFeature> features)
{
    private readonly List<Kept> _events = [];
    private readonly Dictionary<NaiveFeature, Gap> _gaps = [];

    /// <summary>The events so far that were not retracted, in order of time, then of arrival.</summary>
    public IReadOnlyList<TestEvent> Events => [.. _events.Where(kept => !kept.IsRetracted).Select(kept => kept.Event)];

    /// <summary>Says that a feature does not know some of the events so far: it was defined after they came.</summary>
    /// <param name="feature">The feature.</param>
    /// <param name="isUnknown">Which.</param>
    /// <param name="isWindowKnown">Whether it knows that they were there, and so which events its window covers: only their inputs are unknown.</param>
    /// <param name="isTimeKnown">Whether it knows when the newest of them was.</param>
    public void Forget(NaiveFeature feature, Func<TestEvent, bool> isUnknown, bool isWindowKnown, bool isTimeKnown) => _gaps[feature] = new Gap(
        new HashSet<TestEvent>(_events.Select(kept => kept.Event).Where(isUnknown), ReferenceEqualityComparer.Instance), isWindowKnown, isTimeKnown);

    /// <summary>Applies an event that is no later than its source's lateness and alignment allow.</summary>
    public void Apply(TestEvent @event)
    {
        // In order of time, then of arrival.
        _events.Insert(_events.FindLastIndex(kept => kept.Event.TimeMs <= @event.TimeMs) + 1, new Kept(@event));
        foreach (var feature in features.Where(feature => feature.Source == @event.Source && feature.Where.Holds(@event)))
            Overflow(feature);
    }

    /// <summary>Takes back an event; false where there is none with the same time and fields.</summary>
    public bool Retract(TestEvent @event)
    {
        if (_events.FindLast(kept => !kept.IsRetracted && kept.Event == @event) is not { } known)
            return false;
        known.IsRetracted = true;
        return true;
    }

    /// <summary>Greatest time of a source's events, retracted ones included; <see cref="long.MinValue"/> where there are none.</summary>
    public long NewestMs(int source) => NewestMs(kept => kept.Event.Source == source);

    /// <summary>Time of the newest event that there ever was for a feature, one that was taken back included.</summary>
    public long NewestMs(NaiveFeature feature) => NewestMs(kept => kept.Event.Source == feature.Source && feature.Where.Holds(kept.Event));

    /// <summary>How far behind its source's newest event an event may be.</summary>
    public long DisorderMs(int source) => NaiveWindow.Ms(sources[source].Lateness + sources[source].Align);

    /// <summary>Events at a time that were not retracted.</summary>
    public int CountAt(int source, long timeMs) => _events.Count(kept => kept.Event.Source == source && kept.Event.TimeMs == timeMs && !kept.IsRetracted);

    /// <param name="feature">One of the features.</param>
    /// <param name="asOfMs">No further behind the newest event of any source than its disorder.</param>
    public Expectation Value(NaiveFeature feature, long asOfMs)
    {
        var window = Window(feature, asOfMs, withRetracted: false);
        // Windows that hold single events forget a retracted one wholly.
        var ever = sources[feature.Source].Envelope == EventEnvelope.None || feature.Definition.Window is WindowDefinition.Sliding { Tile: null } or WindowDefinition.Session or WindowDefinition.Last
            ? window : Window(feature, asOfMs, withRetracted: true);
        // And what has been seen in a period does not make time run backwards when it is taken back.
        window = window with { AsOfMs = ever.AsOfMs };
        return feature.By is null
            ? new NaiveAggregate(feature.Definition, window, Inputs(feature, window.Events), Inputs(feature, ever.Events)).Value()
            : ByKey(feature, window, ever);
    }

    /// <summary>Whether the feature's window holds anything.</summary>
    public bool IsEmpty(NaiveFeature feature, long asOfMs) => Inputs(feature, Window(feature, asOfMs, withRetracted: false).Events).Count == 0;

    /// <summary>
    /// Of more keys than the limit those longest unseen are gone; what is left of the others then depends on when they were, so that only which there are is said.
    /// </summary>
    private Expectation ByKey(NaiveFeature feature, NaiveWindow window, NaiveWindow ever)
    {
        var limit = feature.Definition.Limit ?? 50;
        var groups = GroupsOf(feature, window);
        var everGroups = GroupsOf(feature, ever);
        if (everGroups.Count <= limit)
        {
            return new Expectation.Map(groups.ToDictionary(
                group => group.Key, group => new NaiveAggregate(feature.Definition, window, Inputs(feature, group.Value), Inputs(feature, everGroups[group.Key])).Value()));
        }

        if (everGroups.Values.Sum(events => events.Count) > groups.Values.Sum(events => events.Count))
            return new Expectation.Anything();
        var newestFirst = groups.OrderByDescending(group => group.Value[^1].TimeMs).ToList();
        // Which of several that were last seen at one time goes, nothing says.
        var isCertain = newestFirst[limit - 1].Value[^1].TimeMs > newestFirst[limit].Value[^1].TimeMs;
        return new Expectation.Map((isCertain ? newestFirst.Take(limit) : newestFirst).ToDictionary(group => group.Key, _ => (Expectation)new Expectation.Anything()), limit);
    }

    /// <summary>Events that have a key and count, by key.</summary>
    private Dictionary<object, List<TestEvent>> GroupsOf(NaiveFeature feature, NaiveWindow window) => window.Events
        .Where(e => NaiveAggregate.IsUsable(Aggregate.First, feature.By!.Evaluate(e)) && Inputs(feature, [e]).Count == 1)
        .GroupBy(e => feature.By!.Evaluate(e)!)
        .ToDictionary(group => group.Key, group => group.ToList());

    private List<TimedInput> Inputs(NaiveFeature feature, IEnumerable<TestEvent> events) =>
        [.. events.Where(e => !_gaps.TryGetValue(feature, out var gap) || !gap.Unknown.Contains(e)).Select(e => (e.TimeMs, Value: feature.Of is null ? 1.0 : feature.Of.Evaluate(e)))
            .Where(input => NaiveAggregate.IsUsable(feature.Definition.Aggregate, input.Value))
            .Select(input => new TimedInput(input.TimeMs, input.Value is long integer && !NaiveAggregate.TakesInteger(feature.Definition.Aggregate) ? (double)integer : input.Value!))];

    private NaiveWindow Window(NaiveFeature feature, long asOfMs, bool withRetracted)
    {
        var gap = _gaps.GetValueOrDefault(feature) ?? new Gap([], true, true);
        bool Matches(Kept kept) => kept.Event.Source == feature.Source && feature.Where.Holds(kept.Event) && (gap.IsTimeKnown || !gap.Unknown.Contains(kept.Event));
        var events = _events.Where(kept => Matches(kept) && (gap.IsWindowKnown || !gap.Unknown.Contains(kept.Event)) && (withRetracted || !kept.IsRetracted) && !kept.DroppedFrom.Contains((feature.Where, feature.Definition.Window)));
        return NaiveWindow.Of(feature.Definition.Window, [.. events.Select(kept => kept.Event)], NewestMs(Matches), asOfMs);
    }

    /// <summary>An exact window that would keep more events than its limit forgets the oldest.</summary>
    private void Overflow(NaiveFeature feature)
    {
        if (feature.Definition.Window is not WindowDefinition.Sliding { Tile: null } window || window.Limit == WindowDefinition.LimitDefault)
            return;
        var oldestMs = NewestMs(feature.Source) - NaiveWindow.Ms(window.Length + window.Delay) - DisorderMs(feature.Source);
        var kept = _events.Where(kept => kept.Event.Source == feature.Source && feature.Where.Holds(kept.Event) &&
            kept.Event.TimeMs > oldestMs && !kept.DroppedFrom.Contains((feature.Where, window))).ToList();
        if (kept.Count > window.Limit)
            kept[0].DroppedFrom.Add((feature.Where, window));
    }

    private long NewestMs(Func<Kept, bool> condition) => _events.FindLast(kept => condition(kept))?.Event.TimeMs ?? long.MinValue;

    private sealed record Gap(HashSet<TestEvent> Unknown, bool IsWindowKnown, bool IsTimeKnown);

    private sealed record Kept(TestEvent Event)
    {
        public bool IsRetracted { get; set; }

        public HashSet<(Condition, WindowDefinition?)> DroppedFrom { get; } = [];
    }
}
