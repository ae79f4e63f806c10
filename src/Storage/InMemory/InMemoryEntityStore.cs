using FeatureStore.Runtime;

namespace FeatureStore.Storage.InMemory;

/// <summary>The newest checkpoint in memory, for brokers whose records end with the process too. One call at a time; calls wait for each other.</summary>
public sealed class InMemoryEntityStore : IEntityStore
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(int Entity, string Key), byte[]> _blocks = [];
    private readonly Dictionary<(int Entity, string Key), Tombstone> _tombstones = [];
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

    public IReadOnlyList<Tombstone> LoadTombstones()
    {
        lock (_gate)
            return [.. _tombstones.Values];
    }

    public void Erase(IReadOnlyList<Tombstone> tombstones)
    {
        ArgumentNullException.ThrowIfNull(tombstones);
        lock (_gate)
            EraseLocked(tombstones);
    }

    public void Save(Checkpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        checkpoint.Check();
        lock (_gate)
        {
            if (checkpoint.ReplacesAll)
            {
                _blocks.Clear();
                _tombstones.Clear();
            }

            EraseLocked(checkpoint.Erased);
            foreach (var tombstone in checkpoint.TombstonesChanged)
                Put(tombstone);
            foreach (var tombstone in checkpoint.TombstonesDropped)
            {
                if (_tombstones.TryGetValue(Id(tombstone), out var kept) && kept.Sequence == tombstone.Sequence)
                    _tombstones.Remove(Id(tombstone));
            }

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

    private static (int Entity, string Key) Id(Tombstone tombstone) => (tombstone.Entity, Convert.ToHexString(tombstone.Key));

    private void EraseLocked(IReadOnlyList<Tombstone> tombstones)
    {
        foreach (var tombstone in tombstones)
        {
            _blocks.Remove(Id(tombstone));
            Put(tombstone);
        }
    }

    private void Put(Tombstone tombstone)
    {
        if (!_tombstones.TryGetValue(Id(tombstone), out var kept) || kept.Sequence <= tombstone.Sequence)
            _tombstones[Id(tombstone)] = tombstone;
    }
}
