using System.Runtime.InteropServices;
using System.Text.Json;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>
/// Runs made-up events through decoding, alignment, a runtime of its own, the models and the encoder, and forgets them: the first real events then find code that
/// is compiled, and models that have run. They would wait about a second for it.
/// </summary>
internal static class Rehearsal
{
    private const int Events = 3000;
    private const int BatchRecords = 20;

    /// <summary>How long a start is held up at most, whatever the definitions and models cost.</summary>
    private static readonly TimeSpan _timeMax = TimeSpan.FromSeconds(2);

    public static void Run(ProjectPlan plan, IModelCatalog models, IngestOptions options, TimeProvider time)
    {
        var start = time.GetTimestamp();
        using var runtime = new LocalRuntime(plan, new LocalRuntimeOptions { Shards = 1 });
        var writer = new PredictionWriter(plan, models, new DeadLetterLog(), time) { Counts = false };
        using var outgoing = new OutgoingBatch();
        foreach (var source in plan.TopicSources)
        {
            using var records = new MadeUpSource(source.Definition, time);
            var lane = new SourceLane(plan, source, records, [new PartitionLane(source, records, 0, null, 0, 0, new RecordDecoder(plan, source), time)]);
            var batch = lane.NewBatch(options with { BatchRecordsMax = BatchRecords });
            do
            {
                batch.Clear();
                outgoing.Clear();
                lane.Fill(batch, silent: false);
                runtime.ApplyAsync(batch.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();
                foreach (var joined in batch.Joined)
                {
                    joined.ResetVectors();
                    runtime.ApplyAsync(joined.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();
                }

                writer.Write(batch, records, outgoing);
            }
            while (batch.RecordCount > 0 && time.GetElapsedTime(start) < _timeMax);
        }
    }

    /// <summary>Records that the source's cleaning rules let through; they differ in their ids.</summary>
    private sealed unsafe class MadeUpSource : IEventSource
    {
        private readonly byte* _values;
        private readonly int _stride;
        private long _next;

        public MadeUpSource(SourceDefinition source, TimeProvider time)
        {
            Topic = source.Kafka!.Topic;
            var members = source.Fields.ToDictionary(field => field.Name, field => Value(source, field, time));
            // All ids have as many digits, and so all records one length.
            byte[] Record(int index)
            {
                if (source.Id is not null)
                    members[source.Id] = members[source.Id] is string ? $"id{index + Events}" : (long)index + Events * 10;
                return JsonSerializer.SerializeToUtf8Bytes<object>(source.Envelope == EventEnvelope.Debezium ? new { op = "c", after = members } : members);
            }

            _stride = Record(0).Length;
            _values = (byte*)NativeMemory.Alloc((nuint)(_stride * Events));
            for (var index = 0; index < Events; index++)
                Record(index).CopyTo(new Span<byte>(_values + index * _stride, _stride));
        }

        public string Topic { get; }

        public int Partitions => 1;

        public (long First, long End) QueryOffsets(int partition) => (0, Events);

        public void Start(IReadOnlyList<long> offsets)
        {
        }

        public void Seek(int partition, long offset) => _next = offset;

        public int Read(int partition, Span<SourceRecord> records, out long endOffset)
        {
            var count = (int)Math.Min(BatchRecords, Events - _next);
            for (var index = 0; index < count; index++)
                records[index] = new SourceRecord { Handle = 1, Offset = _next, Value = _values + _next++ * _stride, ValueLength = _stride };
            endOffset = _next == Events ? Events : -1;
            return count;
        }

        public long TimestampMs(nint record) => -1;

        public IReadOnlyList<KeyValuePair<string, byte[]?>> Headers(nint record) => [];

        public void Release(ReadOnlySpan<nint> handles)
        {
        }

        public void Poll()
        {
        }

        public void Dispose() => NativeMemory.Free(_values);

        private static object Value(SourceDefinition source, FieldDefinition field, TimeProvider time)
        {
            var bound = source.Clean.Where(rule => rule.Field == field.Name).Select(rule => rule.Below ?? rule.Above).FirstOrDefault(bound => bound is not null);
            return field.Type switch
            {
                FieldType.Bool => true,
                FieldType.String => "text",
                FieldType.Timestamp => time.GetUtcNow().ToUnixTimeMilliseconds(),
                FieldType.Int64 => (long)(bound ?? 1),
                _ => bound ?? 1.5,
            };
        }
    }
}
