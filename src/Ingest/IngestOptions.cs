using FeatureStore.Runtime;

namespace FeatureStore.Ingest;

/// <summary>Settings of ingest.</summary>
public sealed record IngestOptions
{
    /// <summary>Longest time between two commits of predictions. 5 ms to 100 ms; default 50 ms.</summary>
    public TimeSpan PublishInterval { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Time between two readings while there is little to read: a few records more in a batch cost little, a batch does. Default 5 ms.</summary>
    public TimeSpan ReadInterval { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>Bytes of predictions from which a commit does not wait for its time. Default 32 MiB.</summary>
    public long PublishBytesMax { get; init; } = 32L << 20;

    /// <summary>Most records applied and scored as one batch, refused ones among them. Default 2,048.</summary>
    public int BatchRecordsMax { get; init; } = 2048;

    /// <summary>Bytes of records from which a batch takes no more. Default 16 MiB.</summary>
    public long BatchBytesMax { get; init; } = 16L << 20;

    /// <summary>Batches under way between reading and sending. Default 32.</summary>
    public int BatchesMax { get; init; } = 32;

    /// <summary>Longest wait for an answer of the broker at the start, and for one commit. Default 30 s.</summary>
    public TimeSpan KafkaTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Whether predictions and offsets are committed in transactions. Off only for the embedded broker.</summary>
    public bool Transactional { get; init; } = true;

    /// <summary>Partitions of output topics that are made; 0: as many as the source's topic has.</summary>
    public int OutputPartitions { get; init; }

    /// <summary>Go on although a topic is not the one that the checkpoint was made from: the operator knows that it was recreated.</summary>
    public bool AcceptRecreatedTopics { get; init; }

    /// <summary>The share of the stream that the pipeline consumes. Each has a transactional id of its own. Default: all of it.</summary>
    public Slice Slice { get; init; }

    /// <summary>Whether a start compiles and warms what the first events need. Once a process is enough. Default true.</summary>
    public bool Rehearses { get; init; } = true;
}
