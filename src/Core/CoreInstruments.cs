using System.Diagnostics.Metrics;

namespace FeatureStore.Core;

/// <summary>Metrics of the engine.</summary>
internal static class CoreInstruments
{
    private static readonly Meter _meter = new("FeatureStore.Core");

    public static readonly Counter<long> InputsSkipped = _meter.CreateCounter<long>(
        "featurestore.inputs.skipped", "{input}", "Inputs of aggregations that were null, NaN, infinite, or a text of more than 63 bytes, and did not count.");

    public static readonly Counter<long> IdsEvicted = _meter.CreateCounter<long>(
        "featurestore.ids.evicted", "{id}", "Ids forgotten before their time because a partition had too many: their repeats count again.");

    public static readonly Counter<long> EventsOverflowed = _meter.CreateCounter<long>(
        "featurestore.events.overflowed", "{event}", "Events that windows of an entity no longer cover because more came than their limit.");

    public static readonly Counter<long> KeysEvicted = _meter.CreateCounter<long>(
        "featurestore.keys.evicted", "{key}", "Keys of features by a field that went, or did not come in, because an entity had more than their limit.");

    public static readonly Counter<long> RetractionsUnmatched = _meter.CreateCounter<long>(
        "featurestore.retractions.unmatched", "{event}", "Retractions of events that were not there, and changed nothing.");
}
