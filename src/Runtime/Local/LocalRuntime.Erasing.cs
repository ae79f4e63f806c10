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

    /// <summary>By join, which events were erased before another was read.</summary>
    private readonly JoinPairRule[] _isOut;

    /// <summary>
    /// Tombstones of which not all that they keep out has been applied again, and of how many of their erasures it has. Until then, their entities' events may wait in joins, so that a
    /// replay makes of them, for other entities, what had been made before; with what comes after an erasure they make no pair. Then they go.
    /// </summary>
    private readonly Dictionary<Tombstone, int> _unsettled = new(ReferenceEqualityComparer.Instance);

    /// <summary>By source.</summary>
    private readonly string[] _topics;

    private readonly SourcePositions _positions;

    /// <summary>By source and partition, what the topic began with at the start; null before it is known.</summary>
    private readonly IReadOnlyList<long>?[] _firstOffsets;
    private readonly HashSet<Tombstone> _stale = new(ReferenceEqualityComparer.Instance);
    private List<Tombstone> _changed = [];
    private List<Tombstone> _snapshotChanged = [];
    private List<Tombstone> _snapshotDropped = [];

    /// <summary>How far the newest checkpoint is, where it was cut after partitions were last made anew.</summary>
    private IReadOnlyList<PartitionCheckpoint> _saved = [];

    /// <summary>Snapshots begun when a partition was last made anew.</summary>
    private long _recreatedAt = -1;
    private Action<Tombstone>? _erasing;
    private Func<Tombstone, CancellationToken, Task>? _makeDurable;
    private Func<CancellationToken, Task>? _publish;

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

        if (_publish is not null)
            await _publish(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Has what waits for the hot store published at once where an erasure is durable, so that whoever asked for it does not read the entity any more.</summary>
    public void OnErased(Func<CancellationToken, Task> publish) => _publish = publish;

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
            _recreatedAt = SnapshotNumber;
            _saved = [];
            foreach (var (tombstones, tombstone) in AllTombstones())
            {
                if (tombstone.Guards.FirstOrDefault(guard => guard.Topic == _topics[source]) is not { } old || partition >= old.NextOffsets.Count || old.NextOffsets[partition] == 0)
                    continue;
                var changed = tombstone with { Guards = Recreated(tombstone.Guards), Earlier = [.. tombstone.Earlier.Select(Recreated)] };
                tombstones.Put(changed, _topics);
                _stale.Remove(tombstone);
                if (_unsettled.Remove(tombstone, out var passed))
                    _unsettled.Add(changed, passed);
                _changed.Add(changed);
            }
        }

        TombstoneGuard[] Recreated(IReadOnlyList<TombstoneGuard> guards) => [.. guards.Select(guard => guard.Topic != _topics[source] ? guard
            : guard with { NextOffsets = [.. guard.NextOffsets.Select((offset, index) => index == partition ? 0 : offset)] })];
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
        foreach (var tombstone in tombstones.Where(tombstone => OwnsJoined(tombstone.Entity)))
        {
            if (Passed(tombstone, 0) is var passed && passed <= tombstone.Earlier.Count)
                _unsettled.Add(tombstone, passed);
        }

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

    /// <summary>Takes note of how far the newest checkpoint is that is durable.</summary>
    /// <param name="partitions">How far.</param>
    /// <param name="snapshot">Number of its snapshot; 0: it was restored.</param>
    internal void Saved(IReadOnlyList<PartitionCheckpoint> partitions, long snapshot)
    {
        lock (_applying)
        {
            if (snapshot > _recreatedAt)
                _saved = partitions;
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
        var guards = Passes.FeedersOf(_plan, _plan.Entities[entity]).Select(source => GuardOf(source.Index, old)).ToList();
        // Of topics that do not feed the entity now, and may again.
        guards.AddRange(old?.Guards.Where(guard => guards.TrueForAll(other => other.Topic != guard.Topic)).ToList() ?? []);
        var earlier = old is null || !OwnsJoined(entity) ? [] : EarlierOf(old, guards);
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
                Earlier = earlier,
            },
            _topics);
        if (old is null)
            TombstoneCount++;
        else
            _unsettled.Remove(old);
        if (OwnsJoined(entity))
        {
            _unsettled.Add(tombstone, 0);
            Settle();
        }

        _erasing?.Invoke(tombstone);
        return tombstone;
    }

    private bool OwnsJoined(int entity) => _plan.Joins.Any(join => join.HasOwner(entity));

    /// <summary>The erasures before a new one that a replay from the newest checkpoint may come by.</summary>
    private List<IReadOnlyList<TombstoneGuard>> EarlierOf(Tombstone old, List<TombstoneGuard> guards)
    {
        var earlier = old.Earlier.Append(old.Guards).Where(erasure => !IsSaved(erasure)).ToList();
        // Nothing was read in between.
        if (earlier.Count > 0 && earlier[^1].All(guard => guards.Any(other => other.Topic == guard.Topic && other.NextOffsets.SequenceEqual(guard.NextOffsets))))
            earlier.RemoveAt(earlier.Count - 1);
        return earlier.Count < EraseException.ErasuresMax ? earlier : throw EraseException.TooMany();
    }

    /// <summary>What was applied or published does not count again. In a replay, that may be less than what an older tombstone keeps out.</summary>
    private TombstoneGuard GuardOf(int source, Tombstone? old)
    {
        var next = _positions.NextOffsets(source);
        if (old?.Guards.FirstOrDefault(guard => guard.Topic == _topics[source])?.NextOffsets is { } before)
        {
            Array.Resize(ref next, Math.Max(next.Length, before.Count));
            for (var partition = 0; partition < before.Count; partition++)
                next[partition] = Math.Max(next[partition], before[partition]);
        }

        return new TombstoneGuard(_topics[source], next);
    }

    /// <summary>Whether the newest checkpoint was cut after an erasure: one that was cut before is beyond its guards in no partition.</summary>
    private bool IsSaved(IReadOnlyList<TombstoneGuard> erasure)
    {
        var isBeyond = false;
        foreach (var guard in erasure.Where(guard => _topics.Contains(guard.Topic)))
        {
            for (var partition = 0; partition < guard.NextOffsets.Count; partition++)
            {
                var saved = _saved.FirstOrDefault(saved => saved.Topic == guard.Topic && saved.Partition == partition)?.NextOffset ?? 0;
                if (saved < guard.NextOffsets[partition])
                    return false;
                isBeyond |= guard.NextOffsets[partition] > 0 && saved > guard.NextOffsets[partition];
            }
        }

        return isBeyond;
    }

    /// <summary>Lets the events go that wait in joins, of erasures that have nothing left to keep out.</summary>
    private void Settle()
    {
        var isAny = false;
        foreach (var (tombstone, before) in _unsettled.ToList())
        {
            if (Passed(tombstone, before) is var passed && passed == before)
                continue;
            isAny = true;
            _unsettled[tombstone] = passed;
            if (passed > tombstone.Earlier.Count)
                _unsettled.Remove(tombstone);
        }

        if (isAny)
            EraseJoined();
    }

    /// <summary>Of how many of a tombstone's erasures all that they keep out has been applied.</summary>
    /// <param name="tombstone">The tombstone.</param>
    /// <param name="passed">Of how many it is known.</param>
    private int Passed(Tombstone tombstone, int passed)
    {
        while (passed <= tombstone.Earlier.Count && IsPassed(passed < tombstone.Earlier.Count ? tombstone.Earlier[passed] : tombstone.Guards))
            passed++;
        return passed;
    }

    private bool IsPassed(IReadOnlyList<TombstoneGuard> erasure) => erasure.All(guard => Array.IndexOf(_topics, guard.Topic) is var source && (source < 0 || _positions.HasReached(source, guard.NextOffsets)));

    private void EraseJoined()
    {
        foreach (var join in _plan.Joins.Where(join => join.Owners.Any(side => side.Count > 0)))
        {
            JoinEventRule rule = (in JoinEvent one) => IsErased(join, one);
            Run(shard => shard.EraseJoined(join.Index, rule));
        }
    }

    /// <summary>Whether an event is one of an entity whose erasure has it out for good.</summary>
    private bool IsErased(JoinPlan join, in JoinEvent one)
    {
        Span<byte> buffer = stackalloc byte[EntityPlan.KeyBytesMax];
        foreach (var owner in join.Owners[one.Side])
        {
            var key = KeyOf(owner, one, buffer);
            var tombstones = ShardOf(key, out _).Tombstones(owner.Entity);
            if (tombstones.Find(key) is { } tombstone && tombstones.KeepsOut(PlaceOf(join, one), key, _unsettled.GetValueOrDefault(tombstone, tombstone.Earlier.Count + 1)))
                return true;
        }

        return false;
    }

    /// <summary>Whether an event lies before an erasure of an entity whose event it is, and another behind it.</summary>
    private bool IsOut(JoinPlan join, in JoinEvent one, in JoinEvent other)
    {
        Span<byte> buffer = stackalloc byte[EntityPlan.KeyBytesMax];
        foreach (var owner in join.Owners[one.Side])
        {
            var key = KeyOf(owner, one, buffer);
            if (ShardOf(key, out _).Tombstones(owner.Entity).IsOut(PlaceOf(join, one), PlaceOf(join, other), key))
                return true;
        }

        return false;
    }

    /// <summary>Nothing where a field of the key is null.</summary>
    private ReadOnlySpan<byte> KeyOf(JoinOwner owner, in JoinEvent one, Span<byte> buffer) =>
        buffer[.._plan.Entities[owner.Entity].EncodeKey(one.Fields, owner.Fields, buffer)];

    private static Tombstones.Place PlaceOf(JoinPlan join, in JoinEvent one) => new((one.Side == 0 ? join.Left : join.Right).Index, one.Partition, one.Offset);

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
