using FeatureStore.Core.Plans;
using FeatureStore.Ingest.Pipeline;
using FeatureStore.Ingest.Kafka;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using Microsoft.Extensions.Logging.Abstractions;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>One life of the process: all that a crash takes away. Its threads are not started; the schedule makes their steps.</summary>
internal sealed class SimulatedProcess : IDisposable
{
    private readonly Chaos _chaos;
    private readonly bool _ownsRuntime;
    private readonly IngestOptions _options;
    private readonly (SimulatedBroker Broker, SimulatedSource Records, PartitionLane[] Partitions)[] _topics;
    private readonly WakeSignal _wake = new();
    private readonly Pump _pump;
    private readonly Publisher _publisher;

    public SimulatedProcess(ProjectPlan plan, SimulatedBroker broker, SimulatedDisk disk, Chaos chaos, ManualTime time, Action<ApplyBatch> applied, params SimulatedBroker[] others)
        : this(plan, default, broker, disk, chaos, time, applied, others)
    {
    }

    public SimulatedProcess(ProjectPlan plan, Slice slice, SimulatedBroker broker, SimulatedDisk disk, Chaos chaos, ManualTime time, Action<ApplyBatch> applied, params SimulatedBroker[] others)
        : this(plan, slice, broker, disk, chaos, time, applied, null, null, others)
    {
    }

    /// <param name="plan">The definitions.</param>
    /// <param name="slice">What it reads.</param>
    /// <param name="broker">The first topic.</param>
    /// <param name="disk">Where it starts.</param>
    /// <param name="chaos">What goes wrong.</param>
    /// <param name="time">The clock.</param>
    /// <param name="applied">Called for each batch.</param>
    /// <param name="shared">The state that it shares with other slices, and that nobody saves; null: it has its own.</param>
    /// <param name="slices">Where the others are.</param>
    /// <param name="others">The other topics.</param>
    public SimulatedProcess(
        ProjectPlan plan, Slice slice, SimulatedBroker broker, SimulatedDisk disk, Chaos chaos, ManualTime time, Action<ApplyBatch> applied, LocalRuntime? shared, SliceAlignment? slices,
        params SimulatedBroker[] others)
    {
        _chaos = chaos;
        _options = new IngestOptions
        {
            BatchRecordsMax = 1 + chaos.Random.Next(60),
            BatchBytesMax = chaos.Random.Next(4) == 0 ? 500 : 16 << 20,
            BatchesMax = 3,
            PublishBytesMax = chaos.Random.Next(3) == 0 ? 2000 : 32 << 20,
        };
        _ownsRuntime = shared is null;
        Runtime = shared ?? new LocalRuntime(plan, new LocalRuntimeOptions { Shards = 1 });
        if (disk.Header is { } header)
            Runtime.Restore(header, disk.Visit);
        Checkpoints = new SimulatedCheckpoints(plan, Runtime, disk, broker, chaos) { IsOn = _ownsRuntime };
        Sink = new SimulatedSink(broker, chaos, slice.Number);
        var published = Sink.Open([]);
        chaos.IsOn = false; // A start that fails ends the process; it is tested by itself.
        _topics = [.. plan.TopicSources.Zip([broker, .. others]).Select(topic =>
        {
            var records = new SimulatedSource(topic.Second, chaos);
            return (topic.Second, records, StartingPoints.Open(plan, topic.First, records, disk.Header, published, acceptRecreated: false, time, slice));
        })];
        chaos.IsOn = true;
        StartOffsets = new long[broker.Partitions.Length];
        foreach (var partition in _topics[0].Partitions)
            StartOffsets[partition.Partition] = partition.NextOffset;
        _publisher = new Publisher(Sink, _options, time, NullLogger.Instance, Fail);
        var writer = new PredictionWriter(plan, new SumModel("sum", Payments.BadAmount) { BeforeScore = chaos.Point }, new DeadLetterLog(), time);
        _pump = new Pump(
            [.. plan.TopicSources.Zip(_topics).Select(topic => new SourceLane(plan, topic.First, topic.Second.Records, topic.Second.Partitions))], new CheckedRuntime(Runtime, chaos, applied), Checkpoints, writer, _publisher, _options, time, _wake, "cluster", Fail, slices);
        foreach (var topic in _topics)
        {
            topic.Records.Start([.. Enumerable.Range(0, topic.Broker.Partitions.Length)
                .Select(number => topic.Partitions.FirstOrDefault(partition => partition.Partition == number)?.StartOffset ?? -1)]);
        }
    }

    public LocalRuntime Runtime { get; }

    public SimulatedCheckpoints Checkpoints { get; }

    public SimulatedSource Records => _topics[0].Records;

    public SimulatedSink Sink { get; }

    /// <summary>S of each partition of the first topic at its start.</summary>
    public long[] StartOffsets { get; }

    public bool IsLive => _pump.IsLive;

    /// <summary>Whether all that is in the log has been read, and all that follows from it sent.</summary>
    public bool IsDone => _pump.Waiting == 0 && _publisher.Waiting == 0
        && Array.TrueForAll(_topics, topic => Array.TrueForAll(topic.Partitions, partition => !partition.HasRecord && partition.Position == topic.Broker.Partitions[partition.Partition].End));

    /// <summary>One step of one of the threads, whichever the schedule draws.</summary>
    public void Step()
    {
        switch (_chaos.Random.Next(8))
        {
            case < 3 when _pump.Waiting <= _options.BatchesMax - _topics.Length:
                _pump.ReadOnce();
                break;
            case < 5 when _publisher.Waiting < _options.BatchesMax:
                _pump.EncodeOnce();
                break;
            case 5:
                _publisher.PublishOnce();
                break;
            case 6:
                Checkpoints.Advance();
                break;
        }
    }

    /// <summary>What the server does at its end, whether the process stops or a test is over: all memory goes.</summary>
    public void Dispose()
    {
        _pump.Dispose();
        _publisher.Stop();
        Sink.Dispose();
        _publisher.Dispose();
        foreach (var (_, records, _) in _topics)
        {
            Assert.AreEqual(0, records.Held, "Records are held after the end.");
            records.Dispose();
        }

        if (_ownsRuntime)
            Runtime.Dispose();
        _wake.Dispose();
    }

    private static void Fail(Exception exception) => throw new InvalidOperationException("No thread runs that could fail.", exception);

    private sealed class CheckedRuntime(LocalRuntime runtime, Chaos chaos, Action<ApplyBatch> applied) : IEntityRuntime
    {
        public ValueTask ApplyAsync(ApplyBatch batch, CancellationToken cancellationToken)
        {
            chaos.Point();
            var task = runtime.ApplyAsync(batch, cancellationToken);
            applied(batch);
            chaos.Point();
            return task;
        }

        public ValueTask ReadAsync(int entity, BlockSet keys, BlockSet blocks, CancellationToken cancellationToken) =>
            runtime.ReadAsync(entity, keys, blocks, cancellationToken);

        public ValueTask EraseAsync(int entity, ReadOnlyMemory<byte> key, CancellationToken cancellationToken) => runtime.EraseAsync(entity, key, cancellationToken);

        public void BeginSource(int source, IReadOnlyList<long> firstOffsets, IReadOnlyList<long> publishedOffsets) =>
            runtime.BeginSource(source, firstOffsets, publishedOffsets);

        public void RecreatePartition(int source, int partition) => runtime.RecreatePartition(source, partition);

        public long StreamTimeMs(int source) => runtime.StreamTimeMs(source);
    }
}
