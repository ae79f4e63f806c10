using System.Runtime.InteropServices;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Ingest.Pipeline;
using FeatureStore.Ingest.Tests.Simulation;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Ingest.Tests.Pipeline;

/// <summary>An event's whole way in this process, on one thread: decoded, cleaned, aligned, applied, read, scored, encoded.</summary>
[TestClass]
public sealed class WholePathTests
{
    private const int WarmEvents = 40_000;
    private const int MeasuredEvents = 20_000;

    [TestMethod]
    public void AnEventAllocatesNothingOnItsWay()
    {
        var plan = Payments.Plan(alignMs: 60_000, delayMs: 60_000 + Payments.LatenessMs);
        using var records = new EndlessPayments();
        using var runtime = new LocalRuntime(plan, new LocalRuntimeOptions { Shards = 1 });
        using var outgoing = new OutgoingBatch();
        var source = plan.Sources[0];
        var partitions = Enumerable.Range(0, records.Partitions)
            .Select(partition => new PartitionLane(source, records, partition, null, 0, 0, new RecordDecoder(plan, source), TimeProvider.System)).ToArray();
        var lane = new SourceLane(plan, source, records, partitions);
        var writer = new PredictionWriter(plan, new SumModel("sum"), new DeadLetterLog(), TimeProvider.System);
        var batch = new PipelineBatch(source, lane.Services, partitions.Length, new IngestOptions());
        var predictions = 0;

        void Run(int events)
        {
            for (var left = events; left > 0; left -= batch.RecordCount)
            {
                batch.Clear();
                outgoing.Clear();
                lane.Fill(batch, silent: false);
                Assert.IsGreaterThan(0, batch.RecordCount);
                runtime.ApplyAsync(batch.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();
                writer.Write(batch, records, outgoing);
                predictions += outgoing.RecordCount;
            }
        }

        Run(WarmEvents);
        var (before, allocated) = (predictions, GC.GetAllocatedBytesForCurrentThread());
        Run(MeasuredEvents);
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;

        Assert.IsGreaterThanOrEqualTo(MeasuredEvents, predictions - before);
        Assert.AreEqual(0, allocated, $"bytes for {predictions - before} events");
    }

    [TestMethod]
    [DataRow(EventEnvelope.None)]
    [DataRow(EventEnvelope.Debezium)]
    public void ARehearsalScoresAndLeavesNoTrace(EventEnvelope envelope)
    {
        var definition = Payments.Plan(alignMs: 0, delayMs: 0).Definition;
        var plan = ProjectPlan.Compile(definition with { Sources = [definition.Sources[0] with { Envelope = envelope }] });
        var scored = 0;
        var model = new SumModel("sum") { BeforeScore = () => scored++ };
        var measured = 0L;
        using var listener = new System.Diagnostics.Metrics.MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name.StartsWith("FeatureStore.", StringComparison.Ordinal) && instrument.GetType().Name.StartsWith("Counter", StringComparison.Ordinal))
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        var thread = Environment.CurrentManagedThreadId;
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => measured += Environment.CurrentManagedThreadId == thread ? value : 0);
        listener.Start();

        Rehearsal.Run(plan, model, new IngestOptions(), TimeProvider.System);

        Assert.IsGreaterThan(10, scored, "batches that the model saw");
        Assert.AreEqual(0, measured, "what shows in the metrics");
    }

    /// <summary>Two partitions of payments of a few customers and terminals, one every ten milliseconds; the same memory is written again and again.</summary>
    private sealed unsafe class EndlessPayments : IEventSource
    {
        private const int StrideBytes = 128;
        private const int Slots = 8192;
        private readonly byte* _memory = (byte*)NativeMemory.Alloc(StrideBytes * Slots * 2);
        private readonly long[] _next = new long[2];
        private readonly byte[][] _patterns = [.. Enumerable.Range(0, 16).Select(index => Payments.Json(new Payment(1_000_000_000, LaneFixture.StartMs, index, index, 2.5)))];

        public string Topic => Payments.Topic;

        public int Partitions => 2;

        public (long First, long End) QueryOffsets(int partition) => (0, long.MaxValue);

        public void Start(IReadOnlyList<long> offsets)
        {
        }

        public void Seek(int partition, long offset) => _next[partition] = offset;

        public int Read(int partition, Span<SourceRecord> records, out long endOffset)
        {
            endOffset = -1;
            var count = Math.Min(records.Length, 500);
            for (var index = 0; index < count; index++)
            {
                var offset = _next[partition]++;
                var number = offset * 2 + partition;
                var value = new Span<byte>(_memory + (number % (2 * Slots)) * StrideBytes, StrideBytes);
                var pattern = _patterns[number % _patterns.Length];
                pattern.CopyTo(value);
                Count(value[..pattern.Length], "\"ID\":"u8, 1_000_000_000 + number);
                Count(value[..pattern.Length], "\"AT\":"u8, LaneFixture.StartMs + 10 * number);
                records[index] = new SourceRecord { Handle = 1, Offset = offset, Value = _memory + (number % (2 * Slots)) * StrideBytes, ValueLength = pattern.Length };
            }

            return count;
        }

        public long TimestampMs(nint record) => LaneFixture.StartMs;

        public IReadOnlyList<KeyValuePair<string, byte[]?>> Headers(nint record) => [];

        public void Release(ReadOnlySpan<nint> handles)
        {
        }

        public void Poll()
        {
        }

        public void Dispose() => NativeMemory.Free(_memory);

        private static void Count(Span<byte> value, ReadOnlySpan<byte> name, long number)
        {
            var at = value.IndexOf(name) + name.Length;
            var length = number > 1_000_000_000_000 ? 13 : 10;
            for (var digit = length - 1; digit >= 0; digit--, number /= 10)
                value[at + digit] = (byte)('0' + number % 10);
        }
    }
}
