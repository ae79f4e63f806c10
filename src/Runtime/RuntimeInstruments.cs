using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Runtime;

/// <summary>Metrics of the runtime.</summary>
internal static class RuntimeInstruments
{
    private static readonly Meter _meter = new("FeatureStore.Runtime");

    /// <summary>Runtimes that are measured.</summary>
    public static readonly ConcurrentDictionary<LocalRuntime, byte> Runtimes = new();

    public static readonly ObservableGauge<long> Entities = _meter.CreateObservableGauge(
        "featurestore.entities", () => Measure(size => size.Count), "{entity}", "Entities in state, by entity.");

    public static readonly ObservableGauge<long> EntityBytes = _meter.CreateObservableGauge(
        "featurestore.entities.size", () => Measure(size => size.Bytes), "By", "Bytes of the entities' blocks, by entity.");

    public static readonly Counter<long> EntitiesDropped = _meter.CreateCounter<long>(
        "featurestore.entities.dropped", "{entity}", "Entities dropped from state since all their views are past their ttl, by entity.");

    public static readonly Counter<long> RetractionsLost = _meter.CreateCounter<long>(
        "featurestore.retractions.lost", "{event}", "Events that could not be taken back, as their entity has none or has settled them, by entity.");

    public static readonly Counter<long> JoinOverflowed = _meter.CreateCounter<long>(
        "featurestore.join.overflowed", "{event}", "Events that a join stopped waiting for partners of because their key had more than its limit, by source.");

    public static readonly Counter<long> CheckpointFailures = _meter.CreateCounter<long>(
        "featurestore.checkpoint.failures", "{attempt}", "Attempts to write a checkpoint that failed.");

    private static IEnumerable<Measurement<long>> Measure(Func<(long Count, long Bytes), long> number) =>
        Runtimes.Keys.SelectMany(runtime => runtime.Sizes()).GroupBy(size => size.Entity).Select(group =>
            new Measurement<long>(group.Sum(size => number((size.Count, size.Bytes))), new KeyValuePair<string, object?>("entity", group.Key)));
}
