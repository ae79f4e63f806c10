using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime.Local;

/// <summary>
/// When an entity may be dropped from state: once the newest event of each of its views is older than the view's ttl, and than anything its windows, the lateness or
/// the alignment reach back to. By then every value reads as that of an entity never seen, and a value that comes later is the same without the old events.
/// </summary>
internal sealed class Retention
{
    /// <summary>How far a source's now must move on, in shares of the shortest age, before all blocks are looked at again.</summary>
    private const int PassesPerAge = 8;

    private readonly (int Source, int Feature, long AgeMs)[] _views;
    private readonly long _pauseMs;

    private Retention((int Source, int Feature, long AgeMs)[] views)
    {
        _views = views;
        _pauseMs = views.Min(view => view.AgeMs) / PassesPerAge;
    }

    /// <summary>The rule of an entity; null where a view has no ttl, or a feature covers events however old.</summary>
    public static Retention? Of(ProjectPlan plan, EntityPlan entity)
    {
        var views = entity.Features.Select((feature, index) => (feature.View, Index: index)).GroupBy(pair => pair.View.Name).Select(group => group.First()).ToList();
        var reaches = entity.Features.Select(feature => Reach(feature.Definition.Window)).ToList();
        if (views.Count == 0 || views.Exists(view => view.View.Ttl is null) || reaches.Contains(null))
            return null;
        var reach = reaches.Max()!.Value;
        return new Retention([.. views.Select(view =>
        {
            var source = plan.Sources.First(source => source.Definition.Name == view.View.Source);
            return (source.Index, view.Index, Ms(view.View.Ttl!.Value) + Ms(reach) + Ms(source.Definition.Lateness) + Ms(source.Definition.Align));
        })]);
    }

    /// <summary>Whether a block may go.</summary>
    /// <param name="plan">The entity's plan.</param>
    /// <param name="block">The block.</param>
    /// <param name="nowsMs">The time of each source; <see cref="long.MinValue"/>: none yet.</param>
    public bool IsOver(EntityPlan plan, ReadOnlySpan<byte> block, ReadOnlySpan<long> nowsMs)
    {
        foreach (var (source, feature, ageMs) in _views)
        {
            var newestMs = plan.NewestMs(block, feature);
            if (newestMs != long.MinValue && (nowsMs[source] == long.MinValue || nowsMs[source] - ageMs <= newestMs))
                return false;
        }

        return true;
    }

    /// <summary>The time from which it is worth looking at every block again: the first source's to reach it counts.</summary>
    public bool IsDue(ReadOnlySpan<long> nowsMs, ReadOnlySpan<long> passMs)
    {
        foreach (var (source, _, _) in _views)
        {
            if (nowsMs[source] != long.MinValue && (passMs[source] == long.MinValue || nowsMs[source] - passMs[source] >= _pauseMs))
                return true;
        }

        return false;
    }

    /// <summary>How far back a window can make a difference; null: without end.</summary>
    private static TimeSpan? Reach(WindowDefinition? window) => window switch
    {
        WindowDefinition.Sliding sliding => sliding.Length + sliding.Delay + (sliding.Tile ?? TimeSpan.Zero),
        // A day for what time zones add.
        WindowDefinition.Tumbling tumbling => 2 * tumbling.Length + TimeSpan.FromDays(1),
        WindowDefinition.Session { Closed: 0 } session => session.Gap,
        _ => null,
    };

    private static long Ms(TimeSpan time) => (long)time.TotalMilliseconds;
}
