using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime.Local;

/// <summary>
/// A share of all entities, by the hash of their keys. One thread at a time changes it, under the gate; readers take the gate too, and the
/// writer lets them in between short runs of events.
/// </summary>
internal sealed class Shard : IDisposable
{
    private const int EventsPerRun = 32;
    private const int CopyBytesPerRun = 256 * 1024;

    private readonly Lock _gate = new();
    private readonly EntityTable[] _tables;
    private readonly JoinTable[] _joins;
    private readonly uint _index;
    private readonly uint _count;
    private readonly byte[] _keys = new byte[EventsPerRun * EntityPlan.KeyBytesMax];
    private readonly Target[] _run = new Target[EventsPerRun];
    private int _readersWaiting;

    public Shard(ProjectPlan plan, int index, int count, bool tracksPublishing)
    {
        _tables = [.. plan.Entities.Select(entity => new EntityTable(entity, tracksPublishing))];
        _joins = [.. plan.Joins.Select(join => new JoinTable(join, plan.Entities.Count + join.Index))];
        _index = (uint)index;
        _count = (uint)count;
    }

    /// <summary>The part of the snapshot under way that this shard has copied. Read it once <see cref="CopySnapshot"/> has returned.</summary>
    public SnapshotPart Snapshot { get; } = new();

    public long Entities => Total(table => table.Count);

    public long Bytes => Total(table => table.Bytes) + TotalOfJoins(join => join.Bytes);

    public long UnsavedBytes => Total(table => table.UnsavedBytes) + TotalOfJoins(join => join.UnsavedBytes);

    public long Unpublished => Total(table => table.UnpublishedCount);

    /// <summary>Which shard has a key.</summary>
    public static int IndexOf(ulong hash, int count) => (int)((hash >> 32) * (uint)count >> 32);

    /// <summary>Applies the events of a batch to the entities that are in this shard, and fills their part of the vectors and of what enriches the events.</summary>
    public void Apply(ApplyBatch batch, Route[] routes, EnrichedRows enriched)
    {
        for (var first = 0; first < batch.Events.Count; first += EventsPerRun)
        {
            LetReadersIn();
            lock (_gate)
            {
                var end = Math.Min(first + EventsPerRun, batch.Events.Count);
                foreach (var route in routes)
                    ApplyRun(batch, route, enriched, first, end);
            }
        }
    }

    /// <summary>Adds the events of a batch to a join, as far as their keys are in this shard, and lets those go that no partner can come for.</summary>
    /// <param name="batch">Of one of the join's sides.</param>
    /// <param name="join">The join's index.</param>
    /// <param name="beforeMs">Events before it go.</param>
    public void Join(ApplyBatch batch, int join, long beforeMs)
    {
        var table = _joins[join];
        var side = batch.Source == table.Plan.Left.Index ? 0 : 1;
        table.Clear();
        for (var first = 0; first < batch.Events.Count; first += EventsPerRun)
        {
            LetReadersIn();
            lock (_gate)
            {
                for (var row = first; row < Math.Min(first + EventsPerRun, batch.Events.Count); row++)
                {
                    var length = table.Plan.EncodeKey(side, batch.Events.Row(row), _keys);
                    var hash = KeyHash.Of(_keys.AsSpan(0, length));
                    if (length > 0 && (_count == 1 || IndexOf(hash, (int)_count) == _index))
                        table.Add(hash, _keys.AsSpan(0, length), side, batch.Events, row, Snapshot);
                }
            }
        }

        LetReadersIn();
        lock (_gate)
            table.Expire(beforeMs, Snapshot);
    }

    /// <summary>A join's part in this shard, to read what it made.</summary>
    public JoinTable JoinOf(int join) => _joins[join];

    public void Read(int entity, ulong hash, ReadOnlySpan<byte> key, BlockSet blocks)
    {
        Interlocked.Increment(ref _readersWaiting);
        lock (_gate)
        {
            Interlocked.Decrement(ref _readersWaiting);
            blocks.Add(_tables[entity].Find(hash, key));
        }
    }

    public void Restore(int entity, ulong hash, ReadOnlySpan<byte> key, ReadOnlySpan<byte> block)
    {
        lock (_gate)
        {
            if (entity < _tables.Length)
                _tables[entity].Restore(hash, key, block);
            else
                _joins[entity - _tables.Length].Restore(hash, key, block);
        }
    }

    public void BeginSnapshot()
    {
        lock (_gate)
        {
            Snapshot.Clear();
            foreach (var table in _tables)
                table.BeginSnapshot();
            foreach (var join in _joins)
                join.BeginSnapshot();
        }
    }

    /// <summary>Copies what the snapshot still lacks, a little at a time.</summary>
    public void CopySnapshot()
    {
        foreach (var table in _tables)
            Copy(table.CopySome);
        foreach (var join in _joins)
            Copy(join.CopySome);

        void Copy(Func<int, SnapshotPart, bool> copySome)
        {
            var done = false;
            while (!done)
            {
                Interlocked.Increment(ref _readersWaiting);
                lock (_gate)
                {
                    Interlocked.Decrement(ref _readersWaiting);
                    done = copySome(CopyBytesPerRun, Snapshot);
                }
            }
        }
    }

    public void TakeUnpublished(int entity, int countMax, BlockSet keys, List<long> sequences, BlockSet blocks)
    {
        Interlocked.Increment(ref _readersWaiting);
        lock (_gate)
        {
            Interlocked.Decrement(ref _readersWaiting);
            _tables[entity].TakeUnpublished(countMax, keys, sequences, blocks);
        }
    }

    public void MarkUnpublished(int entity, ulong hash, ReadOnlySpan<byte> key)
    {
        lock (_gate)
            _tables[entity].MarkUnpublished(hash, key);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var table in _tables)
                table.Dispose();
        }
    }

    /// <summary>Applies a run in four passes, of which the first three only find things and have the processor fetch them.</summary>
    private void ApplyRun(ApplyBatch batch, Route route, EnrichedRows enriched, int first, int end)
    {
        var table = _tables[route.Entity.Index];
        var (count, used) = (0, 0);
        for (var index = first; index < end; index++)
        {
            var length = route.Entity.EncodeKey(batch.Events.Row(index), route.KeyFields, _keys.AsSpan(used));
            if (length == 0)
                continue;
            var hash = KeyHash.Of(_keys.AsSpan(used, length));
            if (_count > 1 && IndexOf(hash, (int)_count) != _index)
                continue;
            table.PrefetchEntry(hash);
            _run[count++] = new Target(index, hash, used, length);
            used += length;
        }

        var run = _run.AsSpan(0, count);
        foreach (ref readonly var target in run)
            table.PrefetchBlock(target.Hash);
        foreach (ref readonly var target in run)
            table.PrefetchRings(target.Hash);
        foreach (ref readonly var target in run)
        {
            var key = _keys.AsSpan(target.KeyStart, target.KeyLength);
            var timeMs = batch.Events[target.Row].TimeMs;
            if (batch.Events[target.Row].IsRetraction)
            {
                if (route.Feeds)
                    table.Retract(target.Hash, key, batch.Source, batch.Events.Row(target.Row), timeMs, Snapshot);
                continue;
            }

            var block = route.Feeds
                ? table.Apply(target.Hash, key, batch.Source, batch.Events.Row(target.Row), timeMs, Snapshot)
                : table.Find(target.Hash, key);
            if (route.Enrichment.Features.Length > 0)
                route.Enrichment.Read(route.Entity, block, timeMs, enriched.Row(target.Row));
            for (var vector = 0; vector < batch.Vectors.Count; vector++)
                route.Slices[vector].Read(route.Entity, block, timeMs, batch.Vectors[vector].Row(target.Row));
        }
    }

    private void LetReadersIn()
    {
        var spinner = default(SpinWait);
        for (var round = 0; round < 100 && Volatile.Read(ref _readersWaiting) > 0; round++)
            spinner.SpinOnce(sleep1Threshold: -1);
    }

    private long Total(Func<EntityTable, long> number)
    {
        var total = 0L;
        lock (_gate)
        {
            foreach (var table in _tables)
                total += number(table);
        }

        return total;
    }

    private long TotalOfJoins(Func<JoinTable, long> number)
    {
        var total = 0L;
        lock (_gate)
        {
            foreach (var join in _joins)
                total += number(join);
        }

        return total;
    }

    /// <summary>An event of a run and the entity it goes to.</summary>
    private readonly record struct Target(int Row, ulong Hash, int KeyStart, int KeyLength);
}

/// <summary>What the events of one source do to one entity, and which part of each vector they fill.</summary>
/// <param name="Entity">The entity's plan.</param>
/// <param name="Feeds">Whether the events change the entity; false: they only read it.</param>
/// <param name="KeyFields">Where its join keys are in the source's rows.</param>
/// <param name="Slices">One a vector of the batch.</param>
/// <param name="Enrichment">What it gives to the fields that enrich the events.</param>
internal sealed record Route(EntityPlan Entity, bool Feeds, int[] KeyFields, VectorSlice[] Slices, VectorSlice Enrichment);
