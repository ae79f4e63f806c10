using FeatureStore.Core.Plans;
using FeatureStore.Ingest.Kafka;
using FeatureStore.Ingest.Pipeline;
using FeatureStore.Ingest.Tests.Simulation;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using Microsoft.Extensions.Logging.Abstractions;

namespace FeatureStore.Ingest.Tests.Pipeline;

/// <summary>The threads themselves: how they end, and what they do when one of them fails.</summary>
[TestClass]
public sealed class PumpTests
{
    [TestMethod]
    public void Stopping_scores_publishes_and_saves_what_was_read()
    {
        using var threads = new Threads();
        threads.Append(500);
        threads.Start();
        Deadline.Until(() => threads.Lane.EventsApplied == 500, () => $"{threads.Lane.EventsApplied} applied");
        Assert.IsTrue(threads.Pump.Stop(TimeSpan.FromSeconds(60)));
        Assert.IsTrue(threads.Publisher.Complete(TimeSpan.FromSeconds(60)));
        Assert.HasCount(500, threads.Predictions);
        Assert.AreEqual(500, threads.Checkpoints.Begun.Single().Partitions[0].NextOffset);
        Assert.IsTrue(threads.Checkpoints.Published!.IsCompletedSuccessfully);
        threads.End();
        Assert.IsEmpty(threads.Failures);
    }

    [TestMethod]
    public void A_checkpoint_that_is_due_is_begun_though_nothing_arrives_any_more()
    {
        using var threads = new Threads();
        threads.Append(3);
        threads.Start();
        Deadline.Until(() => threads.Predictions.Count == 3, () => $"{threads.Predictions.Count} predictions");
        threads.Checkpoints.IsDue = true;
        Deadline.Until(() => threads.Checkpoints.Begun.Count == 1, () => "none begun");
        threads.End();
        Assert.HasCount(1, threads.Checkpoints.Begun, "Without a change there is no other one.");
    }

    [TestMethod]
    public void A_checkpoint_that_others_wait_for_is_begun_though_nothing_has_changed()
    {
        using var threads = new Threads();
        threads.Start();
        Deadline.Until(() => threads.Pump.IsLive, () => "not live");
        threads.Checkpoints.IsAwaited = true;
        threads.Checkpoints.IsDue = true;
        Deadline.Until(() => threads.Checkpoints.Begun.Count > 0, () => "none begun");
        Assert.AreEqual(0, threads.Checkpoints.Begun[0].Partitions[0].NextOffset);
        threads.Checkpoints.IsAwaited = false;
        threads.End();
        Assert.IsEmpty(threads.Failures);
    }

    [TestMethod]
    [DataRow("read")]
    [DataRow("apply")]
    [DataRow("model")]
    [DataRow("send")]
    [DataRow("checkpoint")]
    public void What_fails_on_any_thread_is_told_once_and_everything_ends(string where)
    {
        using var threads = new Threads();
        threads.Append(300);
        threads.FailAt(where);
        threads.Start();
        Deadline.Until(() => threads.Failures.Count > 0, () => "no failure");
        threads.Append(300);
        threads.End();
        Assert.HasCount(1, threads.Failures);
        Assert.AreEqual($"broken {where}", threads.Failures[0].Message);
    }

    [TestMethod]
    public void A_failed_checkpoint_is_told_when_stopping()
    {
        using var threads = new Threads();
        threads.Start();
        Deadline.Until(() => threads.Pump.IsLive, () => "not live");
        threads.Checkpoints.UnderWay = Task.FromException(new IOException("disk full"));
        threads.Pump.Stop(TimeSpan.FromSeconds(60));
        Assert.AreEqual("disk full", threads.Failures.Single().Message);
    }

    [TestMethod]
    public void Stopping_takes_no_longer_than_its_time_while_the_broker_is_away()
    {
        using var threads = new Threads(new IngestOptions { BatchesMax = 1, BatchRecordsMax = 1, PublishBytesMax = 1 });
        using var held = new ManualResetEventSlim();
        threads.Sink.Commits.Enqueue(() =>
        {
            held.Wait();
            throw new OperationCanceledException();
        });
        threads.Append(100);
        threads.Start();
        // All queues are full and every thread waits.
        Deadline.Until(() => threads.Publisher.Waiting == 1 && threads.Pump.Waiting == 1, () => $"{threads.Publisher.Waiting} and {threads.Pump.Waiting} wait");
        Assert.IsFalse(threads.Pump.Stop(TimeSpan.FromMilliseconds(50)));
        threads.Pump.Abort();
        held.Set();
        threads.End();
        Assert.IsEmpty(threads.Failures);
    }

    [TestMethod]
    public void Stopping_does_not_wait_for_a_checkpoint_for_ever()
    {
        using var threads = new Threads();
        threads.Start();
        threads.Checkpoints.UnderWay = new TaskCompletionSource().Task;
        Assert.IsFalse(threads.Pump.Stop(TimeSpan.FromMilliseconds(50)));
        threads.End();
        Assert.IsEmpty(threads.Failures);
    }

    [TestMethod]
    public void What_was_never_started_ends()
    {
        using var threads = new Threads();
        threads.Append(10);
        threads.End();
    }

    private sealed class Threads : IDisposable
    {
        private readonly ProjectPlan _plan = Payments.Plan(0, Payments.LatenessMs);
        private readonly SimulatedBroker _broker = new(Payments.Topic, partitions: 1);
        private readonly SimulatedSource _records;
        private readonly LocalRuntime _runtime;
        private readonly WakeSignal _wake = new();
        private readonly List<Exception> _failures = [];
        private volatile string _failsAt = "";
        private bool _isEnded;

        public Threads(IngestOptions? options = null)
        {
            options ??= new IngestOptions { PublishInterval = TimeSpan.FromMilliseconds(5) };
            _records = new SimulatedSource(_broker, new Chaos(1) { IsOn = false });
            _runtime = new LocalRuntime(_plan, new LocalRuntimeOptions { Shards = 2 });
            Sink.OnSend = () => Break("send");
            Publisher = new Publisher(Sink, options, TimeProvider.System, NullLogger.Instance, Fail);
            var records = new BreakingSource(_records, _broker, () => Break("read"));
            var partitions = StartingPoints.Open(_plan, _plan.Sources[0], records, null, new Dictionary<(string, int), long>(), false, TimeProvider.System);
            _records.Start([0]);
            Lane = partitions[0];
            var writer = new PredictionWriter(_plan, new SumModel("sum") { BeforeScore = () => Break("model") }, new DeadLetterLog(), TimeProvider.System);
            Pump = new Pump(
                [new SourceLane(_plan, _plan.Sources[0], records, partitions)],
                new BreakingRuntime(_runtime, () => Break("apply")), Checkpoints, writer, Publisher, options, TimeProvider.System, _wake, "", Fail);
            Checkpoints.OnBegin = () => Break("checkpoint");
        }

        public ScriptedSink Sink { get; } = new();

        public ScriptedCheckpoints Checkpoints { get; } = new();

        public Pump Pump { get; }

        public Publisher Publisher { get; }

        public PartitionLane Lane { get; }

        public List<string> Predictions => [.. Sink.Calls.Where(call => call[0] == '{')];

        public List<Exception> Failures
        {
            get
            {
                lock (_failures)
                    return [.. _failures];
            }
        }

        public void FailAt(string where)
        {
            _failsAt = where;
            Checkpoints.IsDue = where == "checkpoint";
        }

        public void Append(int count)
        {
            for (; count > 0; count--)
            {
                lock (_broker)
                {
                    var end = _broker.Partitions[0].End;
                    _broker.Partitions[0].Append(null, Payments.Json(new Payment(end, 1_700_000_000_000 + end, 1, 1, 1)));
                }
            }
        }

        public void Start()
        {
            Publisher.Start();
            Pump.Start();
        }

        /// <summary>Ends in the order that the pipeline keeps; nothing hangs, and every record is given back.</summary>
        public void End()
        {
            _isEnded = true;
            Deadline.Ends(() =>
            {
                Pump.Abort();
                Publisher.Stop();
                Pump.Dispose();
                Sink.Dispose();
                Publisher.Dispose();
            });
            Assert.AreEqual(0, _records.Held);
        }

        public void Dispose()
        {
            if (!_isEnded)
                End();
            _records.Dispose();
            _runtime.Dispose();
            _wake.Dispose();
        }

        private void Break(string where)
        {
            if (_failsAt == where)
                throw new InvalidDataException($"broken {where}");
        }

        private void Fail(Exception exception)
        {
            lock (_failures)
                _failures.Add(exception);
            Pump.Abort();
        }
    }

    private sealed class ScriptedCheckpoints : ICheckpoints
    {
        private readonly List<CheckpointHeader> _begun = [];

        public CheckpointHeader? Last => null;

        public bool IsDue { get; set; }

        public bool IsAwaited { get; set; }

        public Action OnBegin { get; set; } = () => { };

        public Task UnderWay { get; set; } = Task.CompletedTask;

        public Task? Published { get; private set; }

        public List<CheckpointHeader> Begun
        {
            get
            {
                lock (_begun)
                    return [.. _begun];
            }
        }

        public void Begin(string clusterId, IReadOnlyList<PartitionCheckpoint> partitions, Task published)
        {
            OnBegin();
            Published = published;
            lock (_begun)
            {
                _begun.Add(new CheckpointHeader
                {
                    LayoutFingerprint = 0,
                    Incarnation = default,
                    Sequence = 1,
                    ClusterId = clusterId,
                    Partitions = partitions,
                    StreamTimesMs = new Dictionary<string, long>(),
                });
            }
        }

        public Task CompleteAsync() => UnderWay;
    }

    private sealed class BreakingRuntime(LocalRuntime runtime, Action apply) : IEntityRuntime
    {
        public ValueTask ApplyAsync(ApplyBatch batch, CancellationToken cancellationToken)
        {
            apply();
            return runtime.ApplyAsync(batch, cancellationToken);
        }

        public ValueTask ReadAsync(int entity, BlockSet keys, BlockSet blocks, CancellationToken cancellationToken) => runtime.ReadAsync(entity, keys, blocks, cancellationToken);

        public ValueTask EraseAsync(int entity, ReadOnlyMemory<byte> key, CancellationToken cancellationToken) => runtime.EraseAsync(entity, key, cancellationToken);

        public void BeginSource(int source, IReadOnlyList<long> firstOffsets, IReadOnlyList<long> publishedOffsets) =>
            runtime.BeginSource(source, firstOffsets, publishedOffsets);

        public void RecreatePartition(int source, int partition) => runtime.RecreatePartition(source, partition);

        public long StreamTimeMs(int source) => runtime.StreamTimeMs(source);
    }

    /// <summary>A simulated source that can break, and that another thread appends to.</summary>
    private sealed class BreakingSource(SimulatedSource records, SimulatedBroker broker, Action read) : IEventSource
    {
        public string Topic => records.Topic;

        public int Partitions => records.Partitions;

        public (long First, long End) QueryOffsets(int partition) => records.QueryOffsets(partition);

        public void Start(IReadOnlyList<long> offsets) => records.Start(offsets);

        public void Seek(int partition, long offset) => records.Seek(partition, offset);

        public int Read(int partition, Span<SourceRecord> into, out long endOffset)
        {
            lock (broker)
            {
                var count = records.Read(partition, into, out endOffset);
                try
                {
                    read();
                }
                catch
                {
                    foreach (var record in into[..count])
                        records.Release([record.Handle]);
                    throw;
                }

                return count;
            }
        }

        public long TimestampMs(nint record)
        {
            lock (broker)
                return records.TimestampMs(record);
        }

        public IReadOnlyList<KeyValuePair<string, byte[]?>> Headers(nint record)
        {
            lock (broker)
                return records.Headers(record);
        }

        public void Release(ReadOnlySpan<nint> handles)
        {
            lock (broker)
                records.Release(handles);
        }

        public void Poll()
        {
        }

        public void Dispose() => records.Dispose();
    }
}
