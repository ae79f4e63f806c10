namespace FeatureStore.Runtime;

/// <summary>The partitions of one source's topic, each with a bounded queue of records of its own. One thread reads.</summary>
public interface IEventSource : IDisposable
{
    string Topic { get; }

    /// <summary>Number of partitions; they are numbered from 0.</summary>
    int Partitions { get; }

    /// <summary>First offset that the topic still has, and the offset after the last one that can be read.</summary>
    (long First, long End) QueryOffsets(int partition);

    /// <summary>Begins to fetch every partition at an offset; where that is negative, the partition is left alone.</summary>
    void Start(IReadOnlyList<long> offsets);

    /// <summary>Fetches a partition from another offset on; what has been fetched and not been taken is dropped.</summary>
    void Seek(int partition, long offset);

    /// <summary>Takes records that have been fetched; does not wait.</summary>
    /// <param name="partition">The partition.</param>
    /// <param name="records">Gets the records, in order of offset. Each is the caller's until <see cref="Release"/>.</param>
    /// <param name="endOffset">Where the partition ended when its end was met behind these records; −1: more may be on the way.</param>
    /// <returns>How many records were taken.</returns>
    /// <exception cref="EventSourceException">The partition cannot be read on.</exception>
    int Read(int partition, Span<SourceRecord> records, out long endOffset);

    /// <summary>Kafka's timestamp of a record, Unix ms; −1 where it has none.</summary>
    long TimestampMs(nint record);

    /// <summary>Kafka's headers of a record.</summary>
    IReadOnlyList<KeyValuePair<string, byte[]?>> Headers(nint record);

    /// <summary>Gives records back; their bytes are gone.</summary>
    void Release(ReadOnlySpan<nint> handles);

    /// <summary>Serves the client's own events: errors and logs. Called several times a second.</summary>
    void Poll();
}

/// <summary>A record in the memory of whoever fetched it.</summary>
public unsafe struct SourceRecord
{
    public nint Handle;
    public long Offset;

    /// <summary>Null where the record has no key.</summary>
    public byte* Key;
    public byte* Value;
    public int KeyLength;
    public int ValueLength;
}

/// <summary>A source cannot be read. The message is fit to be shown to an operator.</summary>
public sealed class EventSourceException(string message, Exception? innerException = null) : Exception(message, innerException);
