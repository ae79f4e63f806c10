using System.Diagnostics.Metrics;

namespace FeatureStore.Core;

/// <summary>Metrics of the engine.</summary>
internal static class CoreInstruments
{
    private static readonly Meter _meter = new("FeatureStore.Core");

    public static readonly Counter<long> InputsSkipped = _meter.CreateCounter<long>(
        "featurestore.inputs.skipped", "{input}", "Inputs of aggregations that were null, NaN or infinite and did not count.");

    public static readonly Counter<long> EventsOverflowed = _meter.CreateCounter<long>(
        "featurestore.events.overflowed", "{event}", "Events that windows of an entity no longer cover because more came than their limit.");
}
