using System.Diagnostics.Metrics;

namespace FeatureStore.Storage;

/// <summary>What the stores measure, under the meter "FeatureStore.Storage".</summary>
internal static class StorageInstruments
{
    private static readonly Meter _meter = new("FeatureStore.Storage");

    private static readonly InstrumentAdvice<double> _secondsBuckets = new()
    {
        HistogramBucketBoundaries = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    };

    public static readonly Histogram<double> SaveDuration = _meter.CreateHistogram(
        "featurestore.checkpoint.save.duration", "s", "Time to save a checkpoint.", tags: null, _secondsBuckets);

    public static readonly Counter<long> SavedBlocks = _meter.CreateCounter<long>(
        "featurestore.checkpoint.saved_blocks", "{block}", "Blocks saved with checkpoints.");

    public static readonly Gauge<long> DatabaseBytes = _meter.CreateGauge<long>(
        "featurestore.checkpoint.database.size", "By", "Length of the checkpoint database.");

    public static readonly Histogram<double> RecordsDuration = _meter.CreateHistogram(
        "featurestore.records.transaction.duration", "s", "Time of a transaction of the SQLite grain storage.", tags: null, _secondsBuckets);

    public static readonly Counter<long> RecordsWritten = _meter.CreateCounter<long>(
        "featurestore.records.written", "{record}", "Records that the SQLite grain storage wrote.");

    public static readonly Histogram<double> HotGetDuration = _meter.CreateHistogram(
        "featurestore.hot.get.duration", "s", "Time to get blocks from the hot store, all keys of a call together.", tags: null, _secondsBuckets);

    public static readonly Counter<long> HotPublished = _meter.CreateCounter<long>(
        "featurestore.hot.published_blocks", "{block}", "Blocks that the hot store took.");

    public static readonly Counter<long> HotFenced = _meter.CreateCounter<long>(
        "featurestore.hot.fenced_blocks", "{block}", "Blocks that the hot store refused, since it had newer ones.");

    public static readonly Counter<long> HotFailures = _meter.CreateCounter<long>(
        "featurestore.hot.failures", "{call}", "Calls that the hot store did not answer in time, or refused.");
}
