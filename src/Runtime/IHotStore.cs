namespace FeatureStore.Runtime;

/// <summary>The newest blocks, for readers in other processes. Best effort: a reader that misses asks the runtime.</summary>
public interface IHotStore : IAsyncDisposable
{
    /// <summary>
    /// Publishes blocks of one entity type. A block never replaces one of a later incarnation, or of the same incarnation and a greater sequence.
    /// </summary>
    ValueTask PublishAsync(HotBlocks blocks, CancellationToken cancellationToken);

    /// <summary>Gets the blocks of many entities of one type; an empty block where there is none. Throws where the store cannot be reached in time.</summary>
    ValueTask GetAsync(int entity, BlockSet keys, BlockSet blocks, CancellationToken cancellationToken);

    /// <summary>Publishes a source's stream time (Unix ms), for readers whose "now" it is.</summary>
    ValueTask PublishStreamTimeAsync(string source, long streamTimeMs, CancellationToken cancellationToken);

    /// <summary>A source's stream time, Unix ms; <see cref="long.MinValue"/> where none was published.</summary>
    ValueTask<long> GetStreamTimeAsync(string source, CancellationToken cancellationToken);
}

/// <summary>Blocks of one entity type, to publish.</summary>
/// <param name="Entity">Index of the entity plan.</param>
/// <param name="Incarnation">Milliseconds since 1970 at which this history of state began: a later one wins.</param>
/// <param name="Keys">Encoded keys.</param>
/// <param name="Sequences">Version of each block within the incarnation; grows with every change of that entity.</param>
/// <param name="Blocks">The blocks.</param>
public sealed record HotBlocks(int Entity, long Incarnation, BlockSet Keys, IReadOnlyList<long> Sequences, BlockSet Blocks);
