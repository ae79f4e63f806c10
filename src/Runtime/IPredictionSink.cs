namespace FeatureStore.Runtime;

/// <summary>
/// Where predictions and dead letters go, together with cursor P of each partition they answer. One thread at a time.
/// Between two commits the order is <see cref="Begin"/>, any number of sends, <see cref="Commit"/>.
/// </summary>
public interface IPredictionSink : IDisposable
{
    /// <summary>Whether a commit is atomic and P can be read back; else records may repeat after a crash.</summary>
    bool IsTransactional { get; }

    /// <summary>Shuts out whoever used this sink's identity before, ends what it left open, and reads P.</summary>
    /// <returns>Offset of the first record not answered yet, by topic and partition; partitions never answered are absent.</returns>
    IReadOnlyDictionary<(string Topic, int Partition), long> Open(IReadOnlyList<(string Topic, int Partition)> partitions);

    void Begin();

    /// <summary>Sends records to one topic.</summary>
    /// <param name="topic">The topic.</param>
    /// <param name="records">Their bytes stay as they are until the commit that follows has returned.</param>
    void Send(string topic, ReadOnlySpan<OutgoingRecord> records);

    void Send(string topic, DeadLetterRecord record);

    /// <summary>Makes all that was sent since <see cref="Begin"/> visible, and the offsets known, at once.</summary>
    /// <exception cref="SinkAbortedException">Nothing became visible; send it all again.</exception>
    /// <exception cref="SinkPendingException">Whether it became visible is not known yet; call this again with the same positions, and nothing else before.</exception>
    /// <exception cref="SinkFencedException">Another instance has taken over.</exception>
    void Commit(IReadOnlyList<(string Topic, int Partition, long NextOffset)> positions);
}

/// <summary>A record to send, by pointers that stay valid until its commit.</summary>
public unsafe struct OutgoingRecord
{
    public byte* Key;
    public byte* Value;
    public int KeyLength;
    public int ValueLength;
}

/// <summary>A refused record as it goes to the dead-letter topic: its own bytes, key and headers, and why.</summary>
/// <param name="Key">Null where the record has none.</param>
/// <param name="Value">Null where the record is a tombstone.</param>
/// <param name="Headers">The record's own, then those that say why.</param>
public sealed record DeadLetterRecord(byte[]? Key, byte[]? Value, IReadOnlyList<KeyValuePair<string, byte[]?>> Headers);

/// <summary>The transaction was undone; what it held can be sent again.</summary>
public sealed class SinkAbortedException(string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>Whether a record was larger than its topic takes: the same records would be refused for ever.</summary>
    public bool IsRecordTooLarge { get; init; }
}

/// <summary>A commit is on its way and its answer still out: undoing it could publish it twice.</summary>
public sealed class SinkPendingException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>Another instance of the same identity is at work, or the client is beyond repair. This one must stop.</summary>
public sealed class SinkFencedException(string message, Exception? innerException = null) : Exception(message, innerException);
