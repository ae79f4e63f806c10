using FeatureStore.Runtime;

namespace FeatureStore.Storage.InMemory;

/// <summary>The newest checkpoint in memory, for brokers whose records end with the process too. One call at a time; calls wait for each other.</summary>
public sealed class InMemoryEntityStore : IEntityStore
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(int Entity, string Key), byte[]> _blocks = [];
    private CheckpointHeader? _header;

    public CheckpointHeader? LoadHeader()
    {
        lock (_gate)
            return _header;
    }

    public void LoadBlocks(BlockVisitor visit)
    {
        ArgumentNullException.ThrowIfNull(visit);
        lock (_gate)
        {
            foreach (var ((entity, key), block) in _blocks)
                visit(entity, Convert.FromHexString(key), block);
        }
    }

    public void Save(Checkpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        checkpoint.Check();
        lock (_gate)
        {
            for (var i = 0; i < checkpoint.Entities.Count; i++)
            {
                var key = (checkpoint.Entities[i], Convert.ToHexString(checkpoint.Keys[i]));
                if (checkpoint.Blocks[i].IsEmpty)
                    _blocks.Remove(key);
                else
                    _blocks[key] = checkpoint.Blocks[i].ToArray();
            }
            _header = checkpoint.Header;
        }
    }

    public void Dispose()
    {
    }
}
