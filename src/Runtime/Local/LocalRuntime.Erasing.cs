using FeatureStore.Core.Joins;
using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime.Local;

/// <summary>How entities are erased, and stay so.</summary>
public sealed partial class LocalRuntime
{
    /// <summary>How long a tombstone is kept at least: longer than the hot store keeps the fence of a deleted entity, whose sequence a block that begins anew must pass.</summary>
    private static readonly TimeSpan _tombstoneAge = TimeSpan.FromDays(7);

    /// <summary>More unsettled tombstones are looked at before snapshots only.</summary>
    private const int UnsettledPerBatchMax = 64;

    private readonly LocalRuntimeOptions _options;

    /// <summary>By join, which events of erased entities make no pair.</summary>
    private readonly JoinPairRule[] _isApart;

    /// <summary>
    /// Tombstones of which not all that they keep out has been applied again. Until it has, their entities' events may wait in joins, so that a replay makes of them, for other
    /// entities, what had been made before; with what comes after they make no pair. Then they go.
    /// </summary>
    private readonly HashSet<Tombstone> _unsettled = new(ReferenceEqualityComparer.Instance);

    /// <summary>By source.</summary>
    private readonly string[] _topics;

    private readonly SourcePositions _positions;

    /// <summary>By source and partition, what the topic began with at the start; null before it is known.</summary>
    private readonly IReadOnlyList<long>?[] _firstOffsets;
    private readonly HashSet<Tombstone> _stale = new(ReferenceEqualityComparer.Instance);
    private List<Tombstone> _changed = [];
    private List<Tombstone> _snapshotChanged = [];
    private List<Tombstone> _snapshotDropped = [];
    private Action<Tombstone>? _erasing;
    private Func<Tombstone, CancellationToken, Task>? _makeDurable;
    private Func<Tombstone, CancellationToken, Task>? _hide;

    /// <summary>Tombstones of erased entities; at most <see cref="LocalRuntimeOptions.TombstonesMax"/>.</summary>
    public int TombstoneCount { get; private set; }

    /// <summary>Names this history of state.</summary>
    internal Guid Incarnation { get; set; }

    /// <summary>Snapshots begun. It changes between two batches.</summary>
    internal long SnapshotNumber { get; private set; }

    /// <inheritdoc/>
    public async ValueTask EraseAsync(int entity, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        EraseException.ThrowIfNone(_plan, entity, key);
        Tombstone tombstone;
        lock (_applying)
            tombstone = Erase(entity, key.Span);
        try
        {
            if (_makeDurable is null)
                Confirm([tombstone]);
            else
                await _makeDurable(tombstone, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            var reason = exception is IOException ? exception.Message : "the server is stopping.";
            throw new EraseException($"The entity is erased here, but not durably: {reason} The next checkpoint tries again; repeat the request to know that it is durable.", exception);
        }

        if (_hide is not null)
            await _hide(tombstone, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void BeginSource(int source, IReadOnlyList<long> firstOffsets, IReadOnlyList<long> publishedOffsets)
    {
        ArgumentNullException.ThrowIfNull(publishedOffsets);
        lock (_applying)
        {
            _positions.Begin(source, publishedOffsets);
            _firstOffsets[source] = firstOffsets;
            if (_firstOffsets.All(offsets => offsets is not null))
                FindStale();
        }
    }

    /// <inheritdoc/>
    public void RecreatePartition(int source, int partition)
    {
        lock (_applying)
        {
            _positions.Recreate(source, partition);
            foreach (var (tombstones, tombstone) in AllTombstones())
            {
                if (tombstone.Guards.FirstOrDefault(guard => guard.Topic == _topics[source]) is not { } old || partition >= old.NextOffsets.Count || old.NextOffsets[partition] == 0)
                    continue;
                var guard = old with { NextOffsets = [.. old.NextOffsets.Select((offset, index) => index == partition ? 0 : offset)] };
                var changed = tombstone with { Guards = [.. tombstone.Guards.Select(other => other == old ? guard : other)] };
                tombstones.Put(changed, _topics);
                _stale.Remove(tombstone);
                if (_unsettled.Remove(tombstone))
                    _unsettled.Add(changed);
                _changed.Add(changed);
            }
        }
    }

    /// <summary>Has every erasure noted, between two batches, and then made durable.</summary>
    internal void OnErase(Action<Tombstone> note, Func<Tombstone, CancellationToken, Task> makeDurable)
    {
        _erasing = note;
        _makeDurable = makeDurable;
    }

    /// <summary>Takes note that erasures are durable.</summary>
    internal void Confirm(IEnumerable<Tombstone> tombstones)
    {
        foreach (var tombstone in tombstones)
            ShardOf(tombstone.Key, out var hash).Confirm(hash, tombstone);
    }

    /// <summary>Has durable erasures told to readers elsewhere.</summary>
    internal void OnErased(Func<Tombstone, CancellationToken, Task> hide) => _hide = hide;

    /// <summary>Takes in the tombstones of a store. Before the first event, and after the blocks.</summary>
    /// <exception cref="InvalidDataException">One is not of these definitions.</exception>
    internal void Restore(IReadOnlyList<Tombstone> tombstones)
    {
        foreach (var tombstone in tombstones)
        {
            if ((uint)tombstone.Entity >= (uint)_plan.Entities.Count)
                throw new InvalidDataException($"A tombstone is of entity {tombstone.Entity}, and there are {_plan.Entities.Count}. The checkpoint is damaged; restore a copy or start with empty data.");
            ShardOf(tombstone.Key, out _).Restore(tombstone, _topics);
        }

        TombstoneCount = tombstones.Count;
        _unsettled.UnionWith(tombstones.Where(tombstone => OwnsJoined(tombstone.Entity) && !IsPassed(tombstone)));
        if (TombstoneCount > 0)
            EraseJoined();
    }

    /// <summary>Takes note of how far partitions have been read, which may end with records that were no events. Between two batches.</summary>
    internal void Advance(IEnumerable<PartitionCheckpoint> partitions)
    {
        lock (_applying)
        {
            foreach (var partition in partitions)
            {
                if (Array.IndexOf(_topics, partition.Topic) is >= 0 and var source)
                    _positions.Advance(source, partition.Partition, partition.NextOffset);
            }

            Settle();
        }
    }

    /// <summary>Takes the block of an entity out of the snapshot that was copied last, and is not saved yet.</summary>
    internal void DropFromSnapshot(Tombstone tombstone) => _shards[0].Snapshot.Add(tombstone.Entity, tombstone.Key, []);

    private Tombstone Erase(int entity, ReadOnlySpan<byte> key)
    {
        var shard = ShardOf(key, out var hash);
        var old = shard.Tombstones(entity).Find(key);
        if (old is null && TombstoneCount >= _options.TombstonesMax)
        {
            throw new EraseException(
                $"{TombstoneCount:N0} entities have been erased whose events the topics may still hold, and no more can be kept track of. Tombstones go at a start, once the topics' retention has passed them.");
        }

        // A joined event is kept out by the position of the record that made it.
        var guards = Passes.FeedersOf(_plan, _plan.Entities[entity]).Select(source => new TombstoneGuard(_topics[source.Index], _positions.NextOffsets(source.Index))).ToList();
        // Of topics that do not feed the entity now, and may again.
        guards.AddRange(old?.Guards.Where(guard => guards.TrueForAll(other => other.Topic != guard.Topic)).ToList() ?? []);
        var tombstone = shard.Erase(
            hash,
            new Tombstone
            {
                Entity = entity,
                Key = key.ToArray(),
                Incarnation = Incarnation,
                Sequence = 0,
                ErasedAtMs = _options.Time.GetUtcNow().ToUnixTimeMilliseconds(),
                Guards = guards,
            },
            _topics);
        if (old is null)
            TombstoneCount++;
        else
            _unsettled.Remove(old);
        if (OwnsJoined(entity))
        {
            _unsettled.Add(tombstone);
            Settle();
        }

        _erasing?.Invoke(tombstone);
        return tombstone;
    }

    private bool OwnsJoined(int entity) => _plan.Joins.Any(join => join.HasOwner(entity));

    /// <summary>Lets the events go that wait in joins, of tombstones that have nothing left to keep out.</summary>
    private void Settle()
    {
        if (_unsettled.RemoveWhere(IsPassed) > 0)
            EraseJoined();
    }

    private bool IsPassed(Tombstone tombstone) => tombstone.Guards.All(guard => Array.IndexOf(_topics, guard.Topic) is var source && (source < 0 || _positions.HasReached(source, guard.NextOffsets)));

    private void EraseJoined()
    {
        foreach (var join in _plan.Joins.Where(join => join.Owners.Any(side => side.Count > 0)))
        {
            JoinEventRule rule = (in JoinEvent one) => IsErased(join, one);
            Run(shard => shard.EraseJoined(join.Index, rule));
        }
    }

    /// <summary>Whether an event is one of an entity whose tombstone has it out for good.</summary>
    private bool IsErased(JoinPlan join, in JoinEvent one)
    {
        Span<byte> buffer = stackalloc byte[EntityPlan.KeyBytesMax];
        foreach (var owner in join.Owners[one.Side])
        {
            var key = KeyOf(owner, one, buffer);
            if (KeepsOut(join, owner, key, one) && !_unsettled.Contains(ShardOf(key, out _).Tombstones(owner.Entity).Find(key)!))
                return true;
        }

        return false;
    }

    /// <summary>Whether one of two events lies before the tombstone of an entity whose event it is, and the other does not.</summary>
    private bool IsApart(JoinPlan join, in JoinEvent one, in JoinEvent other) => IsOutAlone(join, one, other) || IsOutAlone(join, other, one);

    private bool IsOutAlone(JoinPlan join, in JoinEvent one, in JoinEvent other)
    {
        Span<byte> buffer = stackalloc byte[EntityPlan.KeyBytesMax];
        foreach (var owner in join.Owners[one.Side])
        {
            var key = KeyOf(owner, one, buffer);
            if (KeepsOut(join, owner, key, one) && !KeepsOut(join, owner, key, other))
                return true;
        }

        return false;
    }

    /// <summary>Nothing where a field of the key is null.</summary>
    private ReadOnlySpan<byte> KeyOf(JoinOwner owner, in JoinEvent one, Span<byte> buffer) =>
        buffer[.._plan.Entities[owner.Entity].EncodeKey(one.Fields, owner.Fields, buffer)];

    private bool KeepsOut(JoinPlan join, JoinOwner owner, ReadOnlySpan<byte> key, in JoinEvent one) =>
        ShardOf(key, out _).Tombstones(owner.Entity).KeepsOut((one.Side == 0 ? join.Left : join.Right).Index, one.Partition, one.Offset, key);

    /// <summary>Finds the tombstones that are old and guard nothing that could be read again.</summary>
    private void FindStale()
    {
        var erasedBeforeMs = (_options.Time.GetUtcNow() - _tombstoneAge).ToUnixTimeMilliseconds();
        foreach (var (_, tombstone) in AllTombstones())
        {
            if (tombstone.ErasedAtMs <= erasedBeforeMs && tombstone.Guards.All(IsGone))
                _stale.Add(tombstone);
        }
    }

    private bool IsGone(TombstoneGuard guard)
    {
        var source = Array.IndexOf(_topics, guard.Topic);
        // A topic that no source reads now may be read again.
        if (source < 0 || _firstOffsets[source] is not { } first)
            return false;
        for (var partition = 0; partition < guard.NextOffsets.Count; partition++)
        {
            if (guard.NextOffsets[partition] > (partition < first.Count ? first[partition] : 0))
                return false;
        }

        return true;
    }

    /// <summary>Drops the stale tombstones, and hands what has changed to the snapshot that begins.</summary>
    private void TakeTombstoneChanges()
    {
        (_snapshotChanged, _changed) = (_changed, []);
        _snapshotDropped = [];
        foreach (var tombstone in _stale)
        {
            var tombstones = ShardOf(tombstone.Key, out _).Tombstones(tombstone.Entity);
            if (!ReferenceEquals(tombstones.Find(tombstone.Key), tombstone))
                continue;
            tombstones.Remove(tombstone.Key);
            _unsettled.Remove(tombstone);
            TombstoneCount--;
            _snapshotDropped.Add(tombstone);
        }

        _stale.Clear();
    }

    private IEnumerable<(Tombstones Of, Tombstone Tombstone)> AllTombstones() =>
        [.. from shard in _shards from entity in _plan.Entities from tombstone in shard.Tombstones(entity.Index).All select (shard.Tombstones(entity.Index), tombstone)];

    private Shard ShardOf(ReadOnlySpan<byte> key, out ulong hash)
    {
        hash = KeyHash.Of(key);
        return _shards[Shard.IndexOf(hash, _shards.Length)];
    }
}
