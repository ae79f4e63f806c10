using System.Diagnostics.Metrics;
using FeatureStore.Runtime;

namespace FeatureStore.Monitoring;

/// <summary>The pipeline's snapshots as metrics.</summary>
public sealed class PipelineMetrics : IDisposable
{
    private readonly Meter _meter = new("FeatureStore.Pipeline");

    public PipelineMetrics(IPipelineStatus status, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(status);
        ArgumentNullException.ThrowIfNull(time);
        _meter.CreateObservableGauge("featurestore.pipeline.ready", () => status.Current.Phase is PipelinePhase.Running ? 1 : 0, null, "1 while the pipeline applies and publishes, else 0.");
        OfPartitions("position", "{record}", "Offset of the next record to apply.", partition => partition.Position);
        OfPartitions("end_offset", "{record}", "Offset after the newest record that can be read.", partition => partition.EndOffset < 0 ? null : partition.EndOffset);
        OfPartitions("lag.records", null, "Records not applied yet.", partition => partition.LagRecords);
        OfPartitions("lag", "s", "How long ago the newest applied record was appended, while records wait.", partition => partition.LagMs / 1000.0);
        OfPartitions("freshness", "s", "From append to readable, of the newest applied record.", partition => partition.FreshnessMs / 1000.0);
        OfPartitions("held_back", null, "1 while the partition waits for a slower one, else 0.", partition => partition.State is PartitionState.HeldBack ? 1 : 0);
        OfPartitions("paused", null, "1 while fetching is paused because the partition's queue is full, else 0.", partition => partition.State is PartitionState.Paused ? 1 : 0);
        OfPartitions("events.rate", "{event}/s", "Events applied per second.", partition => partition.EventsPerSecond);
        _meter.CreateObservableGauge("featurestore.stream.time", StreamTimes, "s", "Greatest event time applied, Unix seconds.");
        OfCheckpoint("age", "s", "Since the newest checkpoint was durable.", checkpoint => (time.GetUtcNow().ToUnixTimeMilliseconds() - checkpoint.TimeMs) / 1000.0);
        OfCheckpoint("size", "By", "Bytes that the newest checkpoint wrote.", checkpoint => checkpoint.SizeBytes);
        OfCheckpoint("duration", "s", "From the newest checkpoint's snapshot to durable.", checkpoint => checkpoint.DurationMs / 1000);
        _meter.CreateObservableGauge("featurestore.publish.latency", Latencies, "s", "From reading an event to the commit that makes its prediction visible, over about the last second.");

        void OfPartitions(string name, string? unit, string description, Func<PartitionStatus, double?> value) =>
            _meter.CreateObservableGauge("featurestore.partition." + name, () =>
                from source in status.Current.Sources
                from partition in source.Partitions
                let number = value(partition)
                where number is not null
                select new Measurement<double>(number.Value, new("source", source.Name), new("partition", partition.Partition)), unit, description);

        void OfCheckpoint(string name, string unit, string description, Func<CheckpointStatus, double> value) =>
            _meter.CreateObservableGauge("featurestore.checkpoint." + name, () =>
                status.Current.Checkpoint is { } checkpoint ? [new Measurement<double>(value(checkpoint))] : Array.Empty<Measurement<double>>(), unit, description);

        IEnumerable<Measurement<double>> StreamTimes() =>
            from source in status.Current.Sources
            where source.StreamTimeMs > long.MinValue
            select new Measurement<double>(source.StreamTimeMs / 1000.0, new KeyValuePair<string, object?>("source", source.Name));

        IEnumerable<Measurement<double>> Latencies() => status.Current.Publish is { } publish
            ? [new(publish.P50Ms / 1000, new KeyValuePair<string, object?>("percentile", "50")), new(publish.P99Ms / 1000, new KeyValuePair<string, object?>("percentile", "99"))]
            : [];
    }

    public void Dispose() => _meter.Dispose();
}
