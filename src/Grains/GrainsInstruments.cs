using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using FeatureStore.Grains.Entities;
using FeatureStore.Runtime;

namespace FeatureStore.Grains;

/// <summary>What the cluster runtime measures, under the meter "FeatureStore.Grains".</summary>
internal static class GrainsInstruments
{
    private static readonly Meter _meter = new("FeatureStore.Grains");

    /// <summary>Silos of this process.</summary>
    public static readonly ConcurrentDictionary<EntityCells, byte> Silos = new();

    public static readonly KeyValuePair<string, object?> Idle = new("reason", "idle");
    public static readonly KeyValuePair<string, object?> Memory = new("reason", "memory");

    public static readonly ObservableGauge<long> Entities = _meter.CreateObservableGauge(
        "featurestore.grains.entities", () => Measure(count => count.Active), "{entity}", "Entities active on this silo, by entity.");

    public static readonly ObservableGauge<long> EntityBytes = _meter.CreateObservableGauge(
        "featurestore.grains.entities.size", () => Measure(count => count.SizeBytes), "By", "Bytes of the blocks of the entities active on this silo, copies as of a cut among them, by entity.");

    public static readonly ObservableGauge<int> Shedding = _meter.CreateObservableGauge(
        "featurestore.grains.shedding", () => Silos.Keys.Count(silo => silo.IsShedding), null, "1 while memory is short and idle entities make room, else 0.");

    public static readonly Counter<long> Collected = _meter.CreateCounter<long>(
        "featurestore.grains.collected", "{entity}", "Entities taken out of memory, by reason.");

    public static readonly Counter<long> Calls = _meter.CreateCounter<long>(
        "featurestore.grains.calls", "{call}", "Calls that carry events to entities, to one or to many of a silo.");

    public static readonly Counter<long> InPlace = _meter.CreateCounter<long>(
        "featurestore.grains.in_place", "{call}", "Entities that got events on the owner's own silo, without a call.");

    public static readonly Counter<long> Recoveries = _meter.CreateCounter<long>(
        "featurestore.grains.recoveries", "{entity}", "Entities brought up to date again after their activation was lost, moved or doubted.");

    public static readonly Counter<long> Moves = _meter.CreateCounter<long>(
        "featurestore.grains.moves", "{entity}", "Entities that left for the silo whose slice, or ownership of the stream, is new to them, or since theirs left while they had something that was not durable.");

    public static readonly Counter<long> SavedBlocks = _meter.CreateCounter<long>(
        "featurestore.grains.saved_blocks", "{block}", "Blocks written to grain storage.");

    public static readonly Counter<long> Duplicates = _meter.CreateCounter<long>(
        "featurestore.grains.duplicates", "{activation}", "Activations given up since another one of the same entity had written.");

    public static readonly Counter<long> CheckpointFailures = _meter.CreateCounter<long>(
        "featurestore.grains.checkpoint.failures", "{attempt}", "Rounds of writing a checkpoint in which something failed.");

    public static readonly Histogram<double> CutPause = _meter.CreateHistogram<double>(
        "featurestore.grains.cut.pause", "s", "How long a slice waits for the others at a cut.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60] });

    public static readonly Histogram<double> RebalanceGap = _meter.CreateHistogram<double>(
        "featurestore.grains.slices.gap", "s", "From when a silo's slices stop, at the cut where they move or as the term ends, to their being all under way again in a new one.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60] });

    public static readonly Gauge<int> Slices = _meter.CreateGauge<int>(
        "featurestore.grains.slices", "{slice}", "Slices of the stream that this silo consumes.");

    public static readonly Gauge<long> UnsavedBytes = _meter.CreateGauge<long>(
        "featurestore.grains.unsaved.size", "By", "Events kept to be sent again, until their effect is durable.");

    public static readonly Counter<long> ChangesPublished = _meter.CreateCounter<long>(
        "featurestore.grains.changes.published", "{entity}", "Changed entities that this silo told those who listen in the cluster.");

    public static readonly Counter<long> ChangesMissed = _meter.CreateCounter<long>(
        "featurestore.grains.changes.missed", "{time}", "Times that changes may have been lost on their way to this silo, and listeners were told.");

    private static IEnumerable<Measurement<long>> Measure(Func<EntityCount, long> number) =>
        Silos.Keys.SelectMany(silo => silo.Counts).GroupBy(count => count.Entity).Select(group =>
            new Measurement<long>(group.Sum(number), new KeyValuePair<string, object?>("entity", group.Key)));
}
