using System.Collections.Concurrent;
using FeatureStore.Grains.Entities;
using FeatureStore.Runtime;

namespace FeatureStore.Grains.Changes;

/// <summary>The entities active on this silo that have changed, for one reader. A cell that waits has the reader's mark.</summary>
/// <param name="cells">All that are active.</param>
/// <param name="mark">One bit.</param>
internal sealed class ChangedCells(EntityCells cells, int mark) : IChangedEntities
{
    private readonly Waiting[] _waiting = [.. cells.Plan.Project.Entities.Select(_ => new Waiting())];

    /// <inheritdoc/>
    public void Track(int entity, bool isTracked)
    {
        if (isTracked)
        {
            Interlocked.Or(ref cells.Tracked[entity], mark);
            return;
        }

        Interlocked.And(ref cells.Tracked[entity], ~mark);
        while (_waiting[entity].Cells.TryDequeue(out var cell))
            cell.Unmark(mark);
        _waiting[entity].Gone.Clear();
    }

    /// <inheritdoc/>
    public void Take(int entity, int countMax, BlockSet keys, List<long>? sequences = null, BlockSet? blocks = null)
    {
        var waiting = _waiting[entity];
        while (keys.Count < countMax && waiting.Gone.TryDequeue(out var gone))
        {
            keys.Add(gone.Key);
            sequences?.Add(gone.Sequence);
            blocks?.Add([]);
        }

        while (keys.Count < countMax && waiting.Cells.TryDequeue(out var cell))
            cell.TakeChange(mark, keys, sequences, blocks);
    }

    /// <inheritdoc/>
    public void PutBack(int entity, BlockSet keys, IReadOnlyList<long> sequences, BlockSet? blocks = null)
    {
        var plan = cells.Plan.Project.Entities[entity];
        for (var index = 0; index < keys.Count && (cells.Tracked[entity] & mark) != 0; index++)
        {
            // What is active elsewhere by now, that silo has published when it took it in. That it has changed is news all the same.
            if (cells.Find(EntityAddress.Of(plan, keys[index])) is { } cell)
                cell.Changed(mark);
            else if (blocks is null || blocks[index].IsEmpty)
                _waiting[entity].Gone.Enqueue((keys[index].ToArray(), sequences[index]));
        }
    }

    /// <summary>Takes note of a cell that has the mark from now on.</summary>
    public void Add(int entity, EntityCell cell) => _waiting[entity].Cells.Enqueue(cell);

    private sealed class Waiting
    {
        public ConcurrentQueue<EntityCell> Cells { get; } = new();

        /// <summary>What was put back and is not active here any more.</summary>
        public ConcurrentQueue<(byte[] Key, long Sequence)> Gone { get; } = new();
    }
}
