using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Confluent.Kafka;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Kafka;

/// <summary>
/// A topic read partition by partition: each has its own queue in librdkafka, which fetches for it until the queue is full and goes on when there is room.
/// A partition that waits for the others costs nothing and throws nothing away.
/// </summary>
internal sealed unsafe class KafkaEventSource : IEventSource
{
    private const int RecordsPerRead = 1024;
    private const int FirstVersionWithQueueBackoff = 0x02020000;

    /// <summary>How long a question may hold up reading.</summary>
    private static readonly TimeSpan _questionTimeout = TimeSpan.FromSeconds(1);

    private readonly IConsumer<byte[], byte[]> _consumer;
    private readonly nint _client;
    private readonly nint[] _queues;
    private readonly GCHandle _wake;
    private readonly NativeKafka.Message** _messages;
    private readonly TimeSpan _timeout;
    private bool _isStarted;

    /// <param name="connection">Where the topic is.</param>
    /// <param name="group">Consumer group: where lag tools see the offsets.</param>
    /// <param name="topic">The topic.</param>
    /// <param name="partitions">Number of its partitions.</param>
    /// <param name="wake">Released when records arrive on an empty queue.</param>
    /// <param name="timeout">For questions to the broker.</param>
    public KafkaEventSource(KafkaConnection connection, string group, string topic, int partitions, WakeSignal wake, TimeSpan timeout)
    {
        Topic = topic;
        Partitions = partitions;
        _timeout = timeout;
        List<KeyValuePair<string, string>> settings =
        [
            new("queued.min.messages", "50000"),
            new("queued.max.messages.kbytes", "16384"),
            new("fetch.wait.max.ms", "100"),
            new("fetch.error.backoff.ms", "100"),
        ];
        // A full queue is looked at again at once when it has room: the client's own pause of a second would starve a replay. Older clients have none.
        if (Library.Version >= FirstVersionWithQueueBackoff)
            settings.Add(new("fetch.queue.backoff.ms", "10"));
        _consumer = connection.CreateConsumer(group, settings);
        _client = NativeKafka.ClientOf(_consumer.Handle);
        _messages = (NativeKafka.Message**)NativeMemory.Alloc(RecordsPerRead, (nuint)sizeof(NativeKafka.Message*));
        _wake = GCHandle.Alloc(wake);
        _queues = new nint[partitions];
        for (var partition = 0; partition < partitions; partition++)
        {
            _queues[partition] = NativeKafka.rd_kafka_queue_get_partition(_client, topic, partition);
            NativeKafka.rd_kafka_queue_forward(_queues[partition], 0);
            NativeKafka.rd_kafka_queue_cb_event_enable(_queues[partition], &OnRecords, GCHandle.ToIntPtr(_wake));
        }
    }

    public string Topic { get; }

    public int Partitions { get; }

    public IConsumerGroupMetadata GroupMetadata => _consumer.ConsumerGroupMetadata;

    public string ClusterId => NativeKafka.ClusterId(_client, _timeout);

    public (long First, long End) QueryOffsets(int partition)
    {
        try
        {
            var offsets = _consumer.QueryWatermarkOffsets(new TopicPartition(Topic, partition), _isStarted ? _questionTimeout : _timeout);
            return (offsets.Low, offsets.High);
        }
        catch (KafkaException exception)
        {
            throw new EventSourceException($"The offsets of {Topic}/{partition} cannot be read: {exception.Error.Reason}.", exception);
        }
    }

    /// <summary>The group's committed offset of each partition; −1 where there is none.</summary>
    public long[] Committed()
    {
        var partitions = Enumerable.Range(0, Partitions).Select(partition => new TopicPartition(Topic, partition));
        var committed = new long[Partitions];
        foreach (var offset in _consumer.Committed(partitions, _timeout))
            committed[offset.Partition] = offset.Offset.IsSpecial ? -1 : offset.Offset.Value;
        return committed;
    }

    public void Start(IReadOnlyList<long> offsets)
    {
        _consumer.Assign(offsets.Select((offset, partition) => new TopicPartitionOffset(Topic, partition, offset)).Where(start => start.Offset >= 0));
        _isStarted = true;
    }

    public void Seek(int partition, long offset)
    {
        try
        {
            _consumer.Seek(new TopicPartitionOffset(Topic, partition, offset));
        }
        catch (KafkaException exception)
        {
            throw new EventSourceException($"{Topic}/{partition} cannot be read from offset {offset} on: {exception.Error.Reason}.", exception);
        }
    }

    public int Read(int partition, Span<SourceRecord> records, out long endOffset)
    {
        endOffset = -1;
        var count = (int)NativeKafka.rd_kafka_consume_batch_queue(_queues[partition], 0, _messages, (nuint)Math.Min(records.Length, RecordsPerRead));
        var taken = 0;
        for (var index = 0; index < count; index++)
        {
            var message = _messages[index];
            if (message->Error == 0)
            {
                ref var record = ref records[taken++];
                record.Handle = (nint)message;
                record.Offset = message->Offset;
                record.Key = message->Key;
                record.KeyLength = (int)message->KeyLength;
                record.Value = message->Payload;
                record.ValueLength = (int)message->Length;
                endOffset = -1;
                continue;
            }

            if (message->Error == NativeKafka.ErrorPartitionEnd)
            {
                endOffset = message->Offset;
            }
            else if (IsLasting(message->Error))
            {
                // An error comes with its detail as text.
                var detail = System.Text.Encoding.UTF8.GetString(message->Payload, (int)message->Length);
                var failure = new EventSourceException($"{Topic}/{partition} cannot be read on: {NativeKafka.ErrorText(message->Error)}. {detail}".TrimEnd());
                for (; index < count; index++)
                    NativeKafka.rd_kafka_message_destroy((nint)_messages[index]);
                foreach (var record in records[..taken])
                    NativeKafka.rd_kafka_message_destroy(record.Handle);
                throw failure;
            }

            NativeKafka.rd_kafka_message_destroy((nint)message);
        }

        return taken;
    }

    public long TimestampMs(nint record) => NativeKafka.rd_kafka_message_timestamp(record, out _);

    public IReadOnlyList<KeyValuePair<string, byte[]?>> Headers(nint record)
    {
        List<KeyValuePair<string, byte[]?>> headers = [];
        if (NativeKafka.rd_kafka_message_headers(record, out var list) != 0)
            return headers;
        for (nuint index = 0; NativeKafka.rd_kafka_header_get_all(list, index, out var name, out var value, out var length) == 0; index++)
            headers.Add(new(Marshal.PtrToStringUTF8(name)!, value == 0 ? null : new ReadOnlySpan<byte>((void*)value, (int)length).ToArray()));
        return headers;
    }

    public void Release(ReadOnlySpan<nint> handles)
    {
        foreach (var handle in handles)
            NativeKafka.rd_kafka_message_destroy(handle);
    }

    public void Poll() => _consumer.Consume(TimeSpan.Zero);

    public void Dispose()
    {
        foreach (var queue in _queues)
        {
            NativeKafka.rd_kafka_queue_cb_event_enable(queue, null, 0);
            NativeKafka.rd_kafka_queue_destroy(queue);
        }

        // It is no member of the group: there is nothing to leave, and nobody to wait for.
        _consumer.Dispose();
        _wake.Free();
        NativeMemory.Free(_messages);
    }

    /// <summary>Whether an error does not go away by itself; the client retries the others.</summary>
    private static bool IsLasting(int error) => error is NativeKafka.ErrorAutoOffsetReset or NativeKafka.ErrorOffsetOutOfRange
        or NativeKafka.ErrorUnknownTopicOrPartition or NativeKafka.ErrorTopicAuthorizationFailed
        or NativeKafka.ErrorMessageTooLarge or NativeKafka.ErrorBadMessage or NativeKafka.ErrorBadCompression or NativeKafka.ErrorNotImplemented;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnRecords(nint client, nint opaque) => ((WakeSignal)GCHandle.FromIntPtr(opaque).Target!).Set();
}

/// <summary>Wakes the thread that reads when records arrive.</summary>
internal sealed class WakeSignal : IDisposable
{
    private readonly ManualResetEventSlim _event = new(initialState: false, spinCount: 0);

    public void Set() => _event.Set();

    /// <summary>Waits for <see cref="Set"/> since the last <see cref="Reset"/>, or for the time-out.</summary>
    public void Wait(int timeoutMs) => _event.Wait(timeoutMs);

    public void Reset() => _event.Reset();

    public void Dispose() => _event.Dispose();
}
