using System.Diagnostics.Metrics;

namespace FeatureStore.Runtime;

/// <summary>Metrics of the runtime.</summary>
internal static class RuntimeInstruments
{
    private static readonly Meter _meter = new("FeatureStore.Runtime");

    public static readonly Counter<long> RetractionsLost = _meter.CreateCounter<long>(
        "featurestore.retractions.lost", "{event}", "Events that could not be taken back, as their entity has none or has settled them, by entity.");

    public static readonly Counter<long> JoinOverflowed = _meter.CreateCounter<long>(
        "featurestore.join.overflowed", "{event}", "Events that a join stopped waiting for partners of because their key had more than its limit, by source.");

    public static readonly Counter<long> CheckpointFailures = _meter.CreateCounter<long>(
        "featurestore.checkpoint.failures", "{attempt}", "Attempts to write a checkpoint that failed.");
}
