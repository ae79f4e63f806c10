namespace FeatureStore.Runtime;

/// <summary>Puts events into a source's topic, for callers that have no Kafka client.</summary>
public interface IEventPublisher
{
    /// <summary>Produces one record; completes when the broker has acknowledged it.</summary>
    /// <param name="source">Index of the source plan.</param>
    /// <param name="key">Record key; empty: the record has none.</param>
    /// <param name="value">Record value. Valid until the call completes.</param>
    /// <param name="cancellationToken">Ends the wait; the record may be written all the same.</param>
    /// <exception cref="EventPublishException">The broker refused the record, or did not acknowledge it in time.</exception>
    ValueTask PublishAsync(int source, ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, CancellationToken cancellationToken);
}

/// <summary>A record may not have been written. The message is fit to be shown to the caller.</summary>
public sealed class EventPublishException(string message, Exception? innerException = null) : Exception(message, innerException);
