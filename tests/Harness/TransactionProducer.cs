using Confluent.Kafka;

namespace FeatureStore.Harness;

/// <summary>Sends records to a topic in the order of the calls; the key chooses the partition as Java clients do.</summary>
public sealed class TransactionProducer : IDisposable
{
    private readonly IProducer<byte[], byte[]?> _producer;
    private readonly string _topic;
    private string? _failure;

    public TransactionProducer(string bootstrap, string topic)
    {
        _topic = topic;
        _producer = new ProducerBuilder<byte[], byte[]?>(new ProducerConfig
        {
            BootstrapServers = bootstrap,
            EnableIdempotence = true,
            LingerMs = 1,
            // Whoever sends faster than the broker takes is not refused.
            QueueBufferingMaxMessages = FraudData.TransactionCount,
            Partitioner = Partitioner.Murmur2Random,
        }).Build();
    }

    /// <summary>Finds the topic's partitions, so that the first record does not wait for that.</summary>
    public void Connect()
    {
        using var admin = new DependentAdminClientBuilder(_producer.Handle).Build();
        admin.GetMetadata(_topic, TimeSpan.FromSeconds(60));
    }

    public void Send(Transaction transaction) => Send(transaction.Key, transaction.ToJson(), transaction.TimeMs);

    public void Send(byte[] key, byte[]? value, long timeMs, Headers? headers = null) =>
        _producer.Produce(
            _topic, new Message<byte[], byte[]?> { Key = key, Value = value, Timestamp = new Timestamp(timeMs, TimestampType.CreateTime), Headers = headers },
            report => _failure ??= report.Error.IsError ? report.Error.Reason : null);

    /// <summary>Waits until the broker has all that was sent.</summary>
    public void Flush()
    {
        if (_producer.Flush(TimeSpan.FromSeconds(120)) > 0)
            throw new TimeoutException($"Records for \"{_topic}\" were not acknowledged within 120 s.");
        if (_failure is not null)
            throw new InvalidOperationException($"A record for \"{_topic}\" was refused: {_failure}.");
    }

    public void Dispose() => _producer.Dispose();
}
