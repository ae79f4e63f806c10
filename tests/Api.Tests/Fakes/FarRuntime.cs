using FeatureStore.Runtime;

namespace FeatureStore.Api.Tests.Fakes;

/// <summary>A runtime of which entities can be out of reach.</summary>
internal sealed class FarRuntime(IEntityRuntime runtime) : IEntityRuntime
{
    /// <summary>Called before each read; may throw.</summary>
    public Action? BeforeRead { get; set; }

    public ValueTask ApplyAsync(ApplyBatch batch, CancellationToken cancellationToken) => runtime.ApplyAsync(batch, cancellationToken);

    public ValueTask ReadAsync(int entity, BlockSet keys, BlockSet blocks, CancellationToken cancellationToken)
    {
        BeforeRead?.Invoke();
        return runtime.ReadAsync(entity, keys, blocks, cancellationToken);
    }

    public ValueTask EraseAsync(int entity, ReadOnlyMemory<byte> key, CancellationToken cancellationToken) => runtime.EraseAsync(entity, key, cancellationToken);

    public void BeginSource(int source, IReadOnlyList<long> firstOffsets, IReadOnlyList<long> publishedOffsets) => runtime.BeginSource(source, firstOffsets, publishedOffsets);

    public void RecreatePartition(int source, int partition) => runtime.RecreatePartition(source, partition);

    public long StreamTimeMs(int source) => runtime.StreamTimeMs(source);
}
