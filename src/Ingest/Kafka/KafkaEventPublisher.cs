using Confluent.Kafka;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Kafka;

/// <summary>Puts pushed events into the sources' topics with an idempotent producer of its own.</summary>
public sealed class KafkaEventPublisher : IEventPublisher, IDisposable
{
    private readonly IProducer<byte[], byte[]> _producer;
    private readonly string[] _topics;

    public KafkaEventPublisher(ProjectPlan plan, KafkaConnection connection)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(connection);
        _topics = [.. plan.Sources.Select(source => source.Definition.Kafka?.Topic ?? "")];
        _producer = connection.CreateProducer([new("linger.ms", "2"), new("delivery.timeout.ms", "30000")]);
    }

    /// <inheritdoc/>
    public async ValueTask PublishAsync(int source, ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, CancellationToken cancellationToken)
    {
        try
        {
            var message = new Message<byte[], byte[]> { Key = key.IsEmpty ? null! : key.ToArray(), Value = value.ToArray() };
            await _producer.ProduceAsync(_topics[source], message, cancellationToken).ConfigureAwait(false);
        }
        catch (ProduceException<byte[], byte[]> exception)
        {
            throw new EventPublishException($"Topic \"{_topics[source]}\" did not take the event: {exception.Error.Reason}.", exception);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _producer.Dispose();
}
