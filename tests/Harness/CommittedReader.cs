using System.Diagnostics;
using Confluent.Kafka;

namespace FeatureStore.Harness;

/// <summary>A record as it lies in the client's buffer; valid during the call.</summary>
public delegate void RecordHandler(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value);

/// <summary>
/// Reads all partitions of a topic from the beginning, committed records only. Records are handed on where they lie: nothing is copied,
/// so that reading costs little beside what it watches.
/// </summary>
public sealed class CommittedReader : IDisposable
{
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(60);
    private readonly IConsumer<KeySpan, HandledValue> _consumer;
    private readonly TopicPartition[] _partitions;
    private readonly long[] _reached; // by partition: the next offset to read
    private readonly RecordSink _sink;
    private readonly string _topic;

    public CommittedReader(string bootstrap, string topic, RecordHandler handler)
    {
        _topic = topic;
        _sink = new RecordSink(handler);
        _consumer = new ConsumerBuilder<KeySpan, HandledValue>(new ConsumerConfig
        {
            BootstrapServers = bootstrap,
            GroupId = "reader", // needed by the client, never joined
            IsolationLevel = IsolationLevel.ReadCommitted,
            EnableAutoCommit = false,
            EnableAutoOffsetStore = false,
            EnablePartitionEof = true,
            AutoOffsetReset = AutoOffsetReset.Error,
            FetchWaitMaxMs = 10,
            ConsumeResultFields = "none",
        }).SetKeyDeserializer(_sink).SetValueDeserializer(_sink).Build();
        using var admin = new DependentAdminClientBuilder(_consumer.Handle).Build();
        _partitions = [.. admin.GetMetadata(topic, _timeout).Topics.Single().Partitions.Select(partition => new TopicPartition(topic, partition.PartitionId)).OrderBy(partition => partition.Partition.Value)];
        if (_partitions.Length == 0)
            throw new InvalidOperationException($"There is no topic \"{topic}\".");
        _reached = new long[_partitions.Length];
        _consumer.Assign(_partitions.Select(partition => new TopicPartitionOffset(partition, Offset.Beginning)));
    }

    /// <summary>Records read so far.</summary>
    public long Records => _sink.Records;

    /// <summary>Reads until something holds.</summary>
    /// <param name="enough">Asked after each record.</param>
    /// <param name="deadline">How long to wait.</param>
    /// <param name="whatWasSeen">Says at the deadline what there was.</param>
    /// <param name="idle">Called while nothing comes; may throw to end a wait that is in vain.</param>
    /// <exception cref="TimeoutException">It did not by the deadline.</exception>
    public void ReadUntil(Func<bool> enough, TimeSpan deadline, Func<string> whatWasSeen, Action? idle = null)
    {
        var started = Stopwatch.StartNew();
        while (!enough())
        {
            if (started.Elapsed > deadline)
                throw new TimeoutException($"After {deadline.TotalSeconds} s: {Records} records of \"{_topic}\". {whatWasSeen()}");
            if (!Poll(TimeSpan.FromMilliseconds(50)))
                idle?.Invoke();
        }
    }

    /// <summary>Reads what is committed at the time of the call.</summary>
    public void ReadToEnd()
    {
        var ends = Array.ConvertAll(_partitions, partition => _consumer.QueryWatermarkOffsets(partition, _timeout).High.Value);
        ReadUntil(
            () => ends.Index().All(end => _reached[end.Index] >= end.Item), TimeSpan.FromMinutes(2),
            () => $"It ends at {string.Join(", ", ends)}, read to {string.Join(", ", _reached)}.");
    }

    public void Dispose() => _consumer.Dispose();

    private bool Poll(TimeSpan timeout)
    {
        var result = _consumer.Consume(timeout);
        if (result is null)
            return false;
        _reached[result.Partition.Value] = result.IsPartitionEOF ? result.Offset.Value : result.Offset.Value + 1;
        return true;
    }

    private readonly record struct KeySpan;

    private readonly record struct HandledValue;

    private sealed class RecordSink(RecordHandler handler) : IDeserializer<KeySpan>, IDeserializer<HandledValue>
    {
        private byte[] _key = new byte[256];
        private int _keyLength;

        public long Records { get; private set; }

        // The client hands over a record's key before its value.
        KeySpan IDeserializer<KeySpan>.Deserialize(ReadOnlySpan<byte> data, bool isNull, SerializationContext context)
        {
            if (_key.Length < data.Length)
                _key = new byte[data.Length];
            data.CopyTo(_key);
            _keyLength = data.Length;
            return default;
        }

        HandledValue IDeserializer<HandledValue>.Deserialize(ReadOnlySpan<byte> data, bool isNull, SerializationContext context)
        {
            Records++;
            handler(_key.AsSpan(0, _keyLength), data);
            return default;
        }
    }
}
