using System.Diagnostics;
using System.Runtime.InteropServices;
using Confluent.Kafka;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Kafka;

/// <summary>
/// Sends predictions and dead letters in Kafka transactions that carry the offsets they answer (KIP-447). Against a broker without transactions of its own,
/// such as the embedded one, a commit waits for all acknowledgements instead, and records may repeat after a crash.
/// </summary>
internal sealed unsafe class KafkaSink : IPredictionSink
{
    private const int RecordsPerCall = 4096;
    private const int MessageBytesMax = 32 << 20;
    private const int RetryPauseMs = 20;

    /// <summary>How long one call waits before it looks whether it is still wanted.</summary>
    private static readonly TimeSpan _slice = TimeSpan.FromSeconds(1);

    private readonly IProducer<byte[], byte[]> _producer;
    private readonly IReadOnlyList<KafkaEventSource> _sources;
    private readonly Dictionary<string, nint> _topics = new(StringComparer.Ordinal);
    private readonly NativeKafka.Message* _messages;
    private readonly nint _client;
    private readonly TimeSpan _timeout;
    private volatile bool _isInterrupted;
    private bool _isCommitting;

    /// <param name="connection">Where the topics are.</param>
    /// <param name="transactionalId">Identity of this instance; null: no transactions.</param>
    /// <param name="sources">The sources that are answered; their group holds P.</param>
    /// <param name="timeout">For one commit.</param>
    public KafkaSink(KafkaConnection connection, string? transactionalId, IReadOnlyList<KafkaEventSource> sources, TimeSpan timeout)
    {
        IsTransactional = transactionalId is not null;
        _sources = sources;
        _timeout = timeout;
        List<KeyValuePair<string, string>> settings =
        [
            // Failures of single records fail the commit: reports of each would cost and say nothing more.
            new("dotnet.producer.enable.delivery.reports", "false"),
            new("queue.buffering.max.messages", "2000000"),
            new("queue.buffering.max.kbytes", "1048576"),
            // A commit sends what waits at once; until then only full batches go. A short linger would have the client's thread poll without pause.
            new("linger.ms", "100"),
            new("batch.size", "1000000"),
            new("batch.num.messages", "10000"),
            new("message.max.bytes", MessageBytesMax.ToString(System.Globalization.CultureInfo.InvariantCulture)),
        ];
        if (transactionalId is not null)
            settings.AddRange([new("transactional.id", transactionalId), new("transaction.timeout.ms", "60000")]);
        _producer = connection.CreateProducer(settings);
        _client = NativeKafka.ClientOf(_producer.Handle);
        _messages = (NativeKafka.Message*)NativeMemory.AllocZeroed(RecordsPerCall, (nuint)sizeof(NativeKafka.Message));
    }

    public bool IsTransactional { get; }

    public IReadOnlyDictionary<(string Topic, int Partition), long> Open(IReadOnlyList<(string Topic, int Partition)> partitions)
    {
        Dictionary<(string, int), long> published = [];
        if (!IsTransactional)
            return published;
        // A broker that has just started, or is moving a coordinator, refuses for a while.
        Patiently(() => _producer.InitTransactions(_timeout));
        foreach (var source in _sources)
        {
            long[] committed = [];
            Patiently(() => committed = source.Committed());
            for (var partition = 0; partition < committed.Length; partition++)
            {
                if (committed[partition] >= 0)
                    published[(source.Topic, partition)] = committed[partition];
            }
        }

        return published;
    }

    public void Begin()
    {
        if (IsTransactional)
            Try(() => _producer.BeginTransaction());
    }

    public void Send(string topic, ReadOnlySpan<OutgoingRecord> records)
    {
        ref var handle = ref CollectionsMarshal.GetValueRefOrAddDefault(_topics, topic, out var exists);
        if (!exists)
            handle = NativeKafka.rd_kafka_topic_new(_client, topic, 0);
        while (!records.IsEmpty)
        {
            var count = Math.Min(records.Length, RecordsPerCall);
            for (var index = 0; index < count; index++)
            {
                ref readonly var record = ref records[index];
                _messages[index] = new NativeKafka.Message
                {
                    Key = record.Key,
                    KeyLength = (nuint)record.KeyLength,
                    Payload = record.Value,
                    Length = (nuint)record.ValueLength,
                };
            }

            SendAll(handle, topic, count);
            records = records[count..];
        }
    }

    public void Send(string topic, DeadLetterRecord record)
    {
        var headers = new Headers();
        foreach (var (name, value) in record.Headers)
            headers.Add(name, value);
        var start = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                _producer.Produce(topic, new Message<byte[], byte[]> { Key = record.Key!, Value = record.Value!, Headers = headers });
                return;
            }
            catch (ProduceException<byte[], byte[]> exception) when (exception.Error.Code == ErrorCode.Local_QueueFull)
            {
                WaitForRoom(start);
            }
            catch (ProduceException<byte[], byte[]> exception)
            {
                throw Failure(exception);
            }
        }
    }

    public void Commit(IReadOnlyList<(string Topic, int Partition, long NextOffset)> positions)
    {
        if (!IsTransactional)
        {
            Flush();
            return;
        }

        if (!_isCommitting && positions.Count > 0)
        {
            var offsets = positions.Select(position => new TopicPartitionOffset(position.Topic, position.Partition, position.NextOffset)).ToList();
            if (Call(wait => _producer.SendOffsetsToTransaction(offsets, _sources[0].GroupMetadata, wait)) is { } refused)
                throw Failure(refused);
        }

        // Once it has begun, only the broker can say how a commit ends: until then the client takes no other call.
        _isCommitting = true;
        var failure = Call(_producer.CommitTransaction);
        if (failure is KafkaRetriableException)
            throw new SinkPendingException($"The broker has not answered a commit for {_timeout.TotalSeconds:0} s: {failure.Error.Reason}.", failure);
        _isCommitting = false;
        if (failure is not null)
            throw Failure(failure);
    }

    /// <summary>Ends waits for the broker by <see cref="OperationCanceledException"/>, within a second or so. Any thread may call.</summary>
    public void Interrupt() => _isInterrupted = true;

    public void Dispose()
    {
        foreach (var topic in _topics.Values)
            NativeKafka.rd_kafka_topic_destroy(topic);
        _producer.Dispose();
        NativeMemory.Free(_messages);
    }

    /// <summary>Hands over the first messages of the array, all of them, however long there is no room.</summary>
    private void SendAll(nint handle, string topic, int count)
    {
        var start = Stopwatch.GetTimestamp();
        while (true)
        {
            var sent = NativeKafka.rd_kafka_produce_batch(handle, -1, 0, _messages, count);
            if (sent == count)
                return;
            var refused = 0;
            for (var index = 0; index < count; index++)
            {
                if (_messages[index].Error == 0)
                    continue;
                if (_messages[index].Error != NativeKafka.ErrorQueueFull)
                    throw Aborted(new KafkaException((ErrorCode)_messages[index].Error), $"Topic \"{topic}\" does not take records");
                _messages[refused++] = _messages[index] with { Error = 0 };
            }

            count = refused;
            WaitForRoom(start);
        }
    }

    private void Flush()
    {
        var start = Stopwatch.GetTimestamp();
        while (_producer.Flush(_slice) is > 0 and var left)
        {
            ThrowIfInterrupted();
            if (Stopwatch.GetElapsedTime(start) > _timeout)
                throw new SinkAbortedException($"{left} records were not acknowledged within {_timeout.TotalSeconds:0} s.");
        }
    }

    private void WaitForRoom(long start)
    {
        ThrowIfInterrupted();
        if (Stopwatch.GetElapsedTime(start) > _timeout)
            throw Aborted(null, $"The producer's queue stayed full for {_timeout.TotalSeconds:0} s");
        _producer.Poll(TimeSpan.FromMilliseconds(1));
    }

    private void Patiently(Action action)
    {
        const int pauseMs = 200;
        var start = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                action();
                return;
            }
            catch (KafkaException exception)
            {
                if (exception.Error.IsFatal || Stopwatch.GetElapsedTime(start) > _timeout)
                {
                    throw new IngestConfigurationException(
                        $"Kafka does not let this instance begin transactions: {exception.Error.Reason}. Check the broker, and the rights on transactional ids and the group.", exception);
                }

                Thread.Sleep(pauseMs);
            }
        }
    }

    /// <summary>Makes a call of the transaction, and makes it again while the client asks for that, until it is done or out of time.</summary>
    /// <returns>The error that it ended with, which is retriable where only the time was too short; null where it is done.</returns>
    private KafkaException? Call(Action<TimeSpan> call)
    {
        var start = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                call(_slice);
                return null;
            }
            catch (KafkaRetriableException exception)
            {
                ThrowIfInterrupted();
                if (Stopwatch.GetElapsedTime(start) > _timeout)
                    return exception;
                Thread.Sleep(RetryPauseMs);
            }
            catch (KafkaException exception)
            {
                return exception;
            }
        }
    }

    private void ThrowIfInterrupted()
    {
        if (_isInterrupted)
            throw new OperationCanceledException("The sink was told to end.");
    }

    private void Try(Action action)
    {
        try
        {
            action();
        }
        catch (KafkaException exception)
        {
            throw Failure(exception);
        }
    }

    private Exception Failure(KafkaException exception) => exception.Error.IsFatal || exception.Error.Code is ErrorCode.Local_Fenced or ErrorCode.ProducerFenced
        ? Fenced(exception)
        : Aborted(exception, "The transaction failed");

    private static SinkFencedException Fenced(KafkaException exception) => new(
        $"Kafka has shut this instance out: {exception.Error.Reason}. Another instance of the project is running, or a transaction was left open too long.", exception);

    /// <summary>Undoes the transaction, so that a new one can begin.</summary>
    private Exception Aborted(KafkaException? exception, string fact)
    {
        var message = exception is null ? fact + "." : $"{fact}: {exception.Error.Reason}.";
        var abort = IsTransactional ? Call(_producer.AbortTransaction) : null;
        if (abort is { Error.IsFatal: true })
            return Fenced(abort);
        // Where the broker cannot be reached, the next attempt aborts first.
        return new SinkAbortedException(abort is null ? message : $"{message} It could not be aborted yet: {abort.Error.Reason}.", exception)
        {
            IsRecordTooLarge = exception?.Error.Code == ErrorCode.MsgSizeTooLarge,
        };
    }
}
