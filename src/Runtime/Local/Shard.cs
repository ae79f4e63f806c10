using FeatureStore.Core.Joins;
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

    /// <summary>
    /// How far a tombstone's sequence is ahead of its block's. Before a crash the block, and its copy in the hot store, may have gone on by the events that are now
    /// applied again: never as many as this.
    /// </summary>
    public const long ErasureSequences = 1L << 32;

    private readonly Lock _gate = new();
    private readonly EntityTable[] _tables;
    private readonly JoinTable[] _joins;
    private readonly bool[] _isJoined;
    private readonly uint _index;
    private readonly uint _count;
    private readonly byte[] _keys = new byte[EventsPerRun * EntityPlan.KeyBytesMax];
    private readonly Target[] _run = new Target[EventsPerRun];
    private int _readersWaiting;

    public Shard(ProjectPlan plan, int index, int count)
    {
        _tables = [.. plan.Entities.Select(entity => new EntityTable(entity, Retention.Of(plan, entity), plan.Sources.Count))];
        _joins = [.. plan.Joins.Select(join => new JoinTable(join, plan.Entities.Count + join.Index))];
        _isJoined = [.. plan.Sources.Select(source => source.Join is not null)];
        _index = (uint)index;
        _count = (uint)count;
    }

    /// <summary>The part of the snapshot under way that this shard has copied. Read it once <see cref="CopySnapshot"/> has returned.</summary>
    public SnapshotPart Snapshot { get; } = new();

    public long Entities => Total(table => table.Count);

    public long Bytes => Total(table => table.Bytes) + TotalOfJoins(join => join.Bytes);

    public long UnsavedBytes => Total(table => table.UnsavedBytes) + TotalOfJoins(join => join.UnsavedBytes);

    /// <summary>Changes that wait for a reader of them.</summary>
    public long Waiting(Outbox outbox) => Total(table => table.Waiting(outbox));

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

    /// <summary>Adds the events of a batch to a join, as far as their keys are in this shard. Each lets those go before it that no partner can come for any more.</summary>
    /// <param name="batch">Of one of the join's sides.</param>
    /// <param name="join">The join's index.</param>
    /// <param name="isOut">Says which events were erased before another was read; null: none was.</param>
    public void Join(ApplyBatch batch, int join, JoinPairRule? isOut)
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
                    table.Expire(batch.Events[row].TimeMs - table.Plan.KeptMs, JoinEvent.Of(side, batch.Events, row), Snapshot, isOut);
                    var length = table.Plan.EncodeKey(side, batch.Events.Row(row), _keys);
                    var hash = KeyHash.Of(_keys.AsSpan(0, length));
                    if (length > 0 && (_count == 1 || IndexOf(hash, (int)_count) == _index))
                        table.Add(hash, _keys.AsSpan(0, length), side, batch.Events, row, Snapshot, isOut);
                }
            }
        }
    }

    /// <summary>Takes the events that a rule means out of those that wait in a join.</summary>
    public void EraseJoined(int join, JoinEventRule rule)
    {
        var (next, isDone) = (0, false);
        while (!isDone)
        {
            LetReadersIn();
            lock (_gate)
                isDone = _joins[join].EraseSome(rule, ref next, CopyBytesPerRun, Snapshot);
        }
    }

    /// <summary>A join's part in this shard, to read what it made.</summary>
    public JoinTable JoinOf(int join) => _joins[join];

    /// <summary>Drops entities that are over, among a number of blocks of each type.</summary>
    public void Sweep(int blocksMax, ReadOnlySpan<long> nowsMs)
    {
        lock (_gate)
        {
            foreach (var table in _tables)
            {
                if (table.Sweep(blocksMax, nowsMs, Snapshot) is > 0 and var dropped)
                    RuntimeInstruments.EntitiesDropped.Add(dropped, new KeyValuePair<string, object?>("entity", table.Plan.Name));
            }
        }
    }

    /// <summary>Entities of a type and the bytes of their blocks.</summary>
    public (long Count, long Bytes) Size(int entity)
    {
        lock (_gate)
            return (_tables[entity].Count, _tables[entity].Bytes);
    }

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

    public void MarkAllUnsaved()
    {
        lock (_gate)
        {
            foreach (var table in _tables)
                table.MarkAllUnsaved();
            foreach (var join in _joins)
                join.MarkAllUnsaved();
        }
    }

    public void BeginSnapshot()
    {
        lock (_gate)
        {
            Snapshot.Clear();
            foreach (var table in _tables)
                table.BeginSnapshot(Snapshot);
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

    public void Track(int entity, Outbox outbox, bool isTracked)
    {
        lock (_gate)
            _tables[entity].Track(outbox, isTracked);
    }

    public void Take(int entity, Outbox outbox, int countMax, BlockSet keys, List<long>? sequences, BlockSet? blocks)
    {
        Interlocked.Increment(ref _readersWaiting);
        lock (_gate)
        {
            Interlocked.Decrement(ref _readersWaiting);
            _tables[entity].Take(outbox, countMax, keys, sequences, blocks);
        }
    }

    public void PutBack(int entity, Outbox outbox, ulong hash, ReadOnlySpan<byte> key, long removedSequence)
    {
        lock (_gate)
            _tables[entity].PutBack(outbox, hash, key, removedSequence);
    }

    /// <summary>The tombstones of an entity type. They change between two batches only.</summary>
    public Tombstones Tombstones(int entity) => _tables[entity].Tombstones;

    /// <summary>Erases an entity and leaves a tombstone.</summary>
    /// <param name="hash">Of the key.</param>
    /// <param name="unsequenced">The tombstone but for its sequence.</param>
    /// <param name="topics">Topic of each source.</param>
    public Tombstone Erase(ulong hash, Tombstone unsequenced, IReadOnlyList<string> topics)
    {
        Interlocked.Increment(ref _readersWaiting);
        lock (_gate)
        {
            Interlocked.Decrement(ref _readersWaiting);
            var table = _tables[unsequenced.Entity];
            var sequence = Math.Max(table.Remove(hash, unsequenced.Key, Snapshot), table.Tombstones.SequenceOf(unsequenced.Key));
            var tombstone = unsequenced with { Sequence = sequence + ErasureSequences };
            table.Tombstones.Put(tombstone, topics);
            table.Tombstones.AddPending(tombstone);
            return tombstone;
        }
    }

    /// <summary>Lets an erasure be told, as it is durable now.</summary>
    public void Confirm(ulong hash, Tombstone tombstone)
    {
        Interlocked.Increment(ref _readersWaiting);
        lock (_gate)
        {
            Interlocked.Decrement(ref _readersWaiting);
            var table = _tables[tombstone.Entity];
            if (!table.Tombstones.Confirm(tombstone))
                return;
            table.TellRemoval(tombstone.Key, tombstone.Sequence);
            table.TellChange(hash, tombstone.Key);
        }
    }

    /// <summary>Takes in a tombstone, and has the hot store told once more.</summary>
    public void Restore(Tombstone tombstone, IReadOnlyList<string> topics)
    {
        lock (_gate)
        {
            var table = _tables[tombstone.Entity];
            table.Tombstones.Put(tombstone, topics);
            table.TellRemoval(tombstone.Key, tombstone.Sequence);
        }
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
        var erased = table.Tombstones.Count > 0;
        foreach (ref readonly var target in run)
            table.PrefetchBlock(target.Hash);
        foreach (ref readonly var target in run)
            table.PrefetchRings(target.Hash);
        foreach (ref readonly var target in run)
        {
            var key = _keys.AsSpan(target.KeyStart, target.KeyLength);
            ref readonly var header = ref batch.Events[target.Row];
            var timeMs = header.TimeMs;
            var feeds = route.Feeds && !(erased && table.Tombstones.KeepsOut(_isJoined[batch.Source] ? header.Origin : batch.Source, header.Partition, header.Offset, key));
            if (header.IsRetraction)
            {
                if (feeds)
                    table.Retract(target.Hash, key, batch.Source, batch.Events.Row(target.Row), timeMs, Snapshot);
                continue;
            }

            var block = feeds
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
