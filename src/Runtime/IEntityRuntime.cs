using FeatureStore.Core.Events;
using FeatureStore.Core.Vectors;

namespace FeatureStore.Runtime;

/// <summary>Hosts the entities' blocks. Ingest applies events, the API reads blocks; neither knows where a block lives.</summary>
public interface IEntityRuntime
{
    /// <summary>
    /// Applies a batch in order. Each vector of <see cref="ApplyBatch.Vectors"/> gets its entities' values as of each event, right after that event;
    /// of a row that takes an event back, none. Such rows do not move the stream's time.
    /// Each batch of <see cref="ApplyBatch.Joined"/> gets what a join makes of the events; it takes effect when the caller applies it, as the next batch of its source.
    /// The features that come from the request are the caller's. Batches take effect in the order of the calls.
    /// </summary>
    ValueTask ApplyAsync(ApplyBatch batch, CancellationToken cancellationToken);

    /// <summary>Copies the newest blocks of many entities of one type; an entity never seen gets an empty block.</summary>
    /// <param name="entity">Index of the entity plan.</param>
    /// <param name="keys">Encoded keys.</param>
    /// <param name="blocks">Gets one block a key, in their order.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="TimeoutException">An entity is out of reach for the moment, as while the death of the machine that has it is found out. Of the others none is given either.</exception>
    ValueTask ReadAsync(int entity, BlockSet keys, BlockSet blocks, CancellationToken cancellationToken);

    /// <summary>
    /// Erases an entity: its block here, in the entity store and in the hot store; a <see cref="Tombstone"/> keeps its past events out from now on. Takes effect
    /// between two batches. Completes when it is durable; the hot store may follow a little later. Repeating it does no harm.
    /// </summary>
    /// <param name="entity">Index of the entity plan.</param>
    /// <param name="key">Encoded key; it need never have been seen.</param>
    /// <param name="cancellationToken">Ends the wait; what was begun is durable with the next checkpoint at the latest.</param>
    /// <exception cref="EraseException">There are too many tombstones, or it is not durable yet.</exception>
    ValueTask EraseAsync(int entity, ReadOnlyMemory<byte> key, CancellationToken cancellationToken);

    /// <summary>
    /// Says where a source goes on, before its first batch. What was published before this start may come again: an erasure keeps it out, as if it had been applied.
    /// </summary>
    /// <param name="source">Index of the source plan.</param>
    /// <param name="firstOffsets">Of each partition, the first offset that the topic still has.</param>
    /// <param name="publishedOffsets">Of each partition, cursor P.</param>
    void BeginSource(int source, IReadOnlyList<long> firstOffsets, IReadOnlyList<long> publishedOffsets);

    /// <summary>Says that a partition's offsets mean other records from now on: tombstones no longer keep any of them out.</summary>
    void RecreatePartition(int source, int partition);

    /// <summary>Greatest event time applied of a source, Unix ms; <see cref="long.MinValue"/> before the first.</summary>
    long StreamTimeMs(int source);
}

/// <summary>Events of one source on their way through the runtime, with the vectors to fill.</summary>
public sealed class ApplyBatch
{
    public ApplyBatch(int source, EventBatch events, IReadOnlyList<VectorBatch> vectors, IReadOnlyList<EventBatch>? joined = null)
    {
        Joined = joined ?? [];
        Source = source;
        Events = events;
        Vectors = vectors;
    }

    /// <summary>Index of the source plan.</summary>
    public int Source { get; }

    public EventBatch Events { get; }

    /// <summary>One a join that the source is a side of.</summary>
    public IReadOnlyList<EventBatch> Joined { get; }

    /// <summary>One a service that models score on this source.</summary>
    public IReadOnlyList<VectorBatch> Vectors { get; }

    /// <summary>Greatest event time of the batch, Unix ms; <see cref="long.MinValue"/> where no event counts for it.</summary>
    internal long NewestMs()
    {
        var newest = long.MinValue;
        for (var row = 0; row < Events.Count; row++)
        {
            if (!Events[row].IsRetraction)
                newest = Math.Max(newest, Events[row].TimeMs);
        }

        return newest;
    }

    /// <summary>Throws where what the joins make of the events has no place.</summary>
    internal void Check(Core.Plans.ProjectPlan plan)
    {
        if (plan.Sources[Source].Joins is var joins && Joined.Count != joins.Count)
            throw new ArgumentException($"The source is a side of {joins.Count} joins, and {Joined.Count} batches are given for their events.");
    }
}
