using FeatureStore.Runtime;

namespace FeatureStore.Monitoring.Tests;

[TestClass]
public sealed class PipelineMetricsTests
{
    internal static IPipelineStatus Busy { get; } = new Fixed(new PipelineStatus
    {
        Phase = PipelinePhase.Running,
        TimeMs = 1000,
        Sources =
        [
            new SourceStatus
            {
                Name = "s",
                Topic = "t",
                StreamTimeMs = 2500,
                Partitions =
                [
                    new PartitionStatus { Partition = 0, State = PartitionState.HeldBack, Position = 5, EndOffset = 8, LagMs = 250, FreshnessMs = 12, EventsPerSecond = 7 },
                    new PartitionStatus { Partition = 1, State = PartitionState.Paused, Position = 5, EndOffset = -1 },
                ],
            },
        ],
        Checkpoint = new CheckpointStatus(1, 0, 4096, 12),
        Publish = new PublishStatus(8, 40, 100),
    });

    [TestMethod]
    public void ShowsTheSnapshot()
    {
        using var exporter = new PrometheusExporter(new() { Meters = ["FeatureStore.Pipeline"] });
        using var metrics = new PipelineMetrics(Busy, TimeProvider.System);

        var lines = PrometheusExporterTests.Text(exporter, MetricsFormat.Prometheus).Split('\n');

        foreach (var line in new[]
        {
            "featurestore_pipeline_ready 1",
            """featurestore_partition_position{partition="0",source="s"} 5""",
            """featurestore_partition_end_offset{partition="0",source="s"} 8""",
            """featurestore_partition_lag_records{partition="0",source="s"} 3""",
            """featurestore_partition_lag_records{partition="1",source="s"} 0""",
            """featurestore_partition_lag_seconds{partition="0",source="s"} 0.25""",
            """featurestore_partition_freshness_seconds{partition="0",source="s"} 0.012""",
            """featurestore_partition_held_back{partition="0",source="s"} 1""",
            """featurestore_partition_paused{partition="1",source="s"} 1""",
            """featurestore_partition_events_rate{partition="0",source="s"} 7""",
            """featurestore_stream_time_seconds{source="s"} 2.5""",
            "featurestore_checkpoint_size_bytes 4096",
            "featurestore_checkpoint_duration_seconds 0.012",
            """featurestore_publish_latency_seconds{percentile="99"} 0.04""",
        })
        {
            CollectionAssert.Contains(lines, line, string.Join('\n', lines));
        }

        Assert.IsFalse(lines.Any(line => line.StartsWith("featurestore_partition_end_offset{partition=\"1\"", StringComparison.Ordinal)), "an end that is not known");
        Assert.IsFalse(lines.Any(line => line.StartsWith("featurestore_partition_freshness_seconds{partition=\"1\"", StringComparison.Ordinal)));
    }

    private sealed class Fixed(PipelineStatus status) : IPipelineStatus
    {
        public PipelineStatus Current => status;
    }
}
