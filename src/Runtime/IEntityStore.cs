namespace FeatureStore.Runtime;

/// <summary>Where checkpoints live. One writer: a second process on the same store is refused when it opens it.</summary>
public interface IEntityStore : IDisposable
{
    /// <summary>The newest checkpoint without its blocks; null where the store is new.</summary>
    CheckpointHeader? LoadHeader();

    /// <summary>Reads every block of the newest checkpoint, in any order.</summary>
    /// <param name="visit">Gets the entity's index, the encoded key and the block; the spans are valid during the call.</param>
    void LoadBlocks(BlockVisitor visit);

    /// <summary>Every tombstone; also where there is no checkpoint yet.</summary>
    IReadOnlyList<Tombstone> LoadTombstones();

    /// <summary>Deletes the blocks of erased entities and keeps their tombstones; of a key, the one of the greatest sequence stands. All of it or nothing. On return it survives a power cut.</summary>
    /// <exception cref="IOException">The store cannot write.</exception>
    void Erase(IReadOnlyList<Tombstone> tombstones);

    /// <summary>Saves a checkpoint: its blocks replace those of the same keys, its header replaces the last one; all of it or nothing.</summary>
    /// <exception cref="IOException">The store cannot write: full disk, lost file.</exception>
    void Save(Checkpoint checkpoint);
}

public delegate void BlockVisitor(int entity, ReadOnlySpan<byte> key, ReadOnlySpan<byte> block);

/// <summary>What a checkpoint says besides blocks: cursor S (architecture, "Exactly once") and all that ingest needs to go on from it.</summary>
public sealed record CheckpointHeader
{
    /// <summary>Of the definitions' state layout.</summary>
    public required ulong LayoutFingerprint { get; init; }

    /// <summary>How the blocks are laid out, by index of their entity; empty: not known.</summary>
    public IReadOnlyList<EntityLayout> Layouts { get; init; } = [];

    /// <summary>Names this history of state; a wiped or restored store starts a new one.</summary>
    public required Guid Incarnation { get; init; }

    /// <summary>Number of the checkpoint, from 1.</summary>
    public required long Sequence { get; init; }

    /// <summary>Identity of the Kafka cluster; empty before the first contact.</summary>
    public required string ClusterId { get; init; }

    public required IReadOnlyList<PartitionCheckpoint> Partitions { get; init; }

    /// <summary>Stream time of each source by name, Unix ms.</summary>
    public required IReadOnlyDictionary<string, long> StreamTimesMs { get; init; }
}

/// <summary>How the blocks of an entity are laid out, for definitions that come later.</summary>
/// <param name="Entity">The entity's name.</param>
/// <param name="Layout">Text of its <see cref="Core.Plans.BlockLayout"/>.</param>
public sealed record EntityLayout(string Entity, string Layout);

/// <summary>Cursor S of one partition.</summary>
public sealed record PartitionCheckpoint
{
    public required string Topic { get; init; }

    public required int Partition { get; init; }

    /// <summary>Offset of the first record that the blocks do not contain.</summary>
    public required long NextOffset { get; init; }

    /// <summary>Greatest event time seen in the partition, Unix ms; decides what is late.</summary>
    public required long NewestMs { get; init; }

    /// <summary>Offset, Kafka timestamp (ms) and 64-bit hash of the last record before <see cref="NextOffset"/>: tells a recreated topic. Offset −1: none yet.</summary>
    public required long WitnessOffset { get; init; }

    public required long WitnessTimestampMs { get; init; }

    public required ulong WitnessHash { get; init; }

    /// <summary>Ids seen within the lateness, for de-duplication; opaque to the store.</summary>
    public required byte[] SeenIds { get; init; }
}

/// <summary>A checkpoint to save.</summary>
/// <param name="Header">What it says besides blocks.</param>
/// <param name="Entities">Index of the entity plan of each block.</param>
/// <param name="Keys">Encoded keys.</param>
/// <param name="Blocks">The dirty blocks; an empty block deletes the entity.</param>
public sealed record Checkpoint(CheckpointHeader Header, IReadOnlyList<int> Entities, BlockSet Keys, BlockSet Blocks)
{
    /// <summary>Whether the store is emptied first: the checkpoint has every block and, as changed, every tombstone.</summary>
    public bool ReplacesAll { get; init; }

    /// <summary>Entities erased before the snapshot and not durable yet: takes effect before <see cref="Blocks"/>, as <see cref="IEntityStore.Erase"/> does.</summary>
    public IReadOnlyList<Tombstone> Erased { get; init; } = [];

    /// <summary>Tombstones whose guards have changed. The blocks of their keys stay, and so do tombstones of greater sequences.</summary>
    public IReadOnlyList<Tombstone> TombstonesChanged { get; init; } = [];

    /// <summary>Tombstones that guard against nothing any more; ones of other sequences stay.</summary>
    public IReadOnlyList<Tombstone> TombstonesDropped { get; init; } = [];
}
