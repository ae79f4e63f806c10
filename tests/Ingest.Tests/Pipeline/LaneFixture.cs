using FeatureStore.Core.Plans;
using FeatureStore.Ingest.Pipeline;
using FeatureStore.Ingest.Tests.Simulation;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Tests.Pipeline;

/// <summary>A source's lane over a simulated topic on which nothing goes wrong by itself.</summary>
internal sealed class LaneFixture : IDisposable
{
    public const long StartMs = 1_700_000_000_000;
    private const int RoundsMax = 2000;

    private readonly IngestOptions _options;
    private PartitionLane[] _partitions = [];
    private SourceLane? _lane;

    public LaneFixture(int partitions = 2, long alignMs = 60_000, IngestOptions? options = null)
    {
        _options = options ?? new IngestOptions();
        Plan = Payments.Plan(alignMs, alignMs + Payments.LatenessMs);
        Broker = new SimulatedBroker(Payments.Topic, partitions);
        Records = new SimulatedSource(Broker, new Chaos(1) { IsOn = false });
    }

    public ProjectPlan Plan { get; }

    public SimulatedBroker Broker { get; }

    public SimulatedSource Records { get; }

    public ManualTime Time { get; } = new();

    public SourceLane Lane => _lane ?? Open();

    public PartitionLane this[int partition] => Lane.Partitions[partition];

    /// <summary>Appends a payment at a number of seconds.</summary>
    public SimulatedRecord Append(int partition, int seconds, long? id = null)
    {
        var log = Broker.Partitions[partition];
        return log.Append(null, Payments.Json(new Payment(id ?? 1000 * partition + log.End, StartMs + 1000L * seconds, partition, 0, 1)), StartMs + log.End);
    }

    public SourceLane Open(bool acceptRecreated = false, params PartitionCheckpoint[] saved)
    {
        var last = saved.Length == 0 ? null : new CheckpointHeader
        {
            LayoutFingerprint = 0,
            Incarnation = default,
            Sequence = 1,
            ClusterId = "",
            Partitions = saved,
            StreamTimesMs = new Dictionary<string, long>(),
        };
        _partitions = StartingPoints.Open(Plan, Plan.Sources[0], Records, last, Broker.Published, acceptRecreated, Time);
        Records.Start([.. _partitions.Select(partition => partition.StartOffset)]);
        return _lane = new SourceLane(Plan, Plan.Sources[0], Records, _partitions);
    }

    public static PartitionCheckpoint Saved(int partition, long nextOffset, SimulatedRecord? witness = null) => new()
    {
        Topic = Payments.Topic,
        Partition = partition,
        NextOffset = nextOffset,
        NewestMs = StartMs,
        WitnessOffset = witness?.Offset ?? -1,
        WitnessTimestampMs = witness?.TimestampMs ?? -1,
        WitnessHash = witness is null ? 0 : HashOf(witness),
        SeenIds = [],
    };

    /// <summary>Fills batches until nothing more comes, without asking about ends.</summary>
    /// <returns>What was let through: <c>partition/offset</c>.</returns>
    public List<string> LetThrough(bool silent = false)
    {
        List<string> through = [];
        for (var (round, still) = (0, 0); still < 50; round++)
        {
            Assert.IsLessThan(RoundsMax, round, "It never stops.");
            var batch = NewBatch();
            Lane.Fill(batch, silent);
            still = batch.RecordCount == 0 ? still + 1 : 0;
            for (var row = 0; row < batch.Events.Count; row++)
                through.Add($"{batch.Events[row].Partition}/{batch.Events[row].Offset}");
            Records.Release(batch.Handles);
        }

        return through;
    }

    public PipelineBatch NewBatch() => new(Lane.Source, Lane.Services, Broker.Partitions.Length, _options);

    public void Dispose()
    {
        foreach (var partition in _partitions)
            partition.Abandon();
        Assert.AreEqual(0, Records.Held, "Records are held after the end.");
        Records.Dispose();
    }

    private static unsafe ulong HashOf(SimulatedRecord record)
    {
        fixed (byte* key = record.Key, value = record.Value)
            return RecordHash.Of(new SourceRecord { Key = key, KeyLength = record.Key?.Length ?? 0, Value = value, ValueLength = record.Value?.Length ?? 0 });
    }
}
