using System.Diagnostics.Metrics;

namespace FeatureStore.Ingest;

/// <summary>Metrics of ingest.</summary>
internal static class IngestInstruments
{
    public static readonly KeyValuePair<string, object?> Duplicate = new("reason", "duplicate");
    public static readonly KeyValuePair<string, object?> Tombstone = new("reason", "tombstone");
    public static readonly KeyValuePair<string, object?> Message = new("reason", "message");
    public static readonly KeyValuePair<string, object?> CleaningRule = new("reason", "cleaning");

    private static readonly Meter _meter = new("FeatureStore.Ingest");
    private static readonly double[] _secondsBuckets = [.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30];

    public static readonly Counter<long> Events = _meter.CreateCounter<long>(
        "featurestore.events.applied", "{event}", "Events that took effect, by source.");

    public static readonly Counter<long> Dropped = _meter.CreateCounter<long>(
        "featurestore.events.dropped", "{event}", "Events dropped without a dead letter, by reason.");

    public static readonly Counter<long> DeadLetters = _meter.CreateCounter<long>(
        "featurestore.dead_letters", "{record}", "Records sent to a dead-letter topic, by source and reason.");

    public static readonly Counter<long> Predictions = _meter.CreateCounter<long>(
        "featurestore.predictions", "{prediction}", "Predictions published, by model.");

    public static readonly Histogram<double> PublishLatency = _meter.CreateHistogram(
        "featurestore.publish.batch.latency", "s", "From reading a batch to the commit that makes its predictions visible.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = _secondsBuckets });

    public static readonly Histogram<double> CommitDuration = _meter.CreateHistogram(
        "featurestore.publish.commit.duration", "s", "Time that a commit of predictions and offsets takes.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = _secondsBuckets });

    public static readonly Counter<long> Aborts = _meter.CreateCounter<long>(
        "featurestore.publish.aborts", "{transaction}", "Transactions that were undone and sent again.");
}
