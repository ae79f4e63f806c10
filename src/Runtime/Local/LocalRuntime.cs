using System.Runtime.ExceptionServices;
using FeatureStore.Core.Joins;
using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime.Local;

/// <summary>
/// All entities in this process, in shards by key, each changed by one thread at a time. Durable by snapshots: <see cref="BeginSnapshot"/>
/// fixes what the next checkpoint holds, and the stream goes on while it is copied.
/// </summary>
public sealed partial class LocalRuntime : IEntityRuntime, IDisposable
{
    /// <summary>Blocks of a type that a shard looks at after a batch, for some microseconds.</summary>
    private const int SweptBlocksPerBatch = 64;

    private readonly ProjectPlan _plan;
    private readonly Shard[] _shards;
    private readonly ShardWorker[] _workers;
    private readonly Passes[] _passes;
    private readonly EnrichedRows _enriched = new();
    private readonly JoinMerge _merge = new();
    private readonly Action<Shard> _apply;
    private readonly Action<Shard> _join;

    /// <summary>What the shards are at. Set before they are started.</summary>
    private Work _work;
    private readonly long[] _streamTimesMs;
    private readonly long[] _nowsMs;
    private readonly bool _sweeps;

    /// <summary>Held while a batch is applied, and by what must happen between two.</summary>
    private readonly Lock _applying = new();

    /// <param name="plan">The compiled definitions.</param>
    /// <param name="options">Shards and publishing.</param>
    public LocalRuntime(ProjectPlan plan, LocalRuntimeOptions options)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Shards, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Shards, 64);
        _plan = plan;
        _options = options;
        _topics = [.. plan.Sources.Select(source => source.Definition.Kafka?.Topic ?? "")];
        _positions = new SourcePositions(plan.Sources.Count);
        _firstOffsets = [.. plan.Sources.Select(source => source.Join is null ? null : Array.Empty<long>())];
        _shards = [.. Enumerable.Range(0, options.Shards).Select(index => new Shard(plan, index, options.Shards))];
        (ToPublish, ToTell) = (new ChangedEntities(this, Outbox.HotStore), new ChangedEntities(this, Outbox.Listeners));
        foreach (var entity in plan.Entities)
            ToPublish.Track(entity.Index, options.TracksPublishing);
        _workers = [.. _shards.Skip(1).Select(shard => new ShardWorker(shard))];
        _streamTimesMs = new long[plan.Sources.Count];
        _streamTimesMs.AsSpan().Fill(long.MinValue);
        _apply = shard => shard.Apply(_work.Batch, _work.Routes, _enriched);
        _isOut = [.. plan.Joins.Select(join => (JoinPairRule)((in JoinEvent one, in JoinEvent other) => IsOut(join, one, other)))];
        _join = shard => shard.Join(_work.Batch, _work.Join, _unsettled.Count > 0 ? _isOut[_work.Join] : null);
        _passes = [.. plan.Sources.Select(source => Passes.Of(plan, source))];
        _nowsMs = new long[plan.Sources.Count];
        _sweeps = plan.Entities.Any(entity => Retention.Of(plan, entity) is not null);
        RuntimeInstruments.Runtimes.TryAdd(this, 0);
    }

    /// <summary>Number of entities.</summary>
    public long Entities => Total(shard => shard.Entities);

    /// <summary>Bytes of all blocks.</summary>
    public long Bytes => Total(shard => shard.Bytes);

    /// <summary>Bytes of the blocks that changed since the last snapshot began.</summary>
    public long UnsavedBytes => Total(shard => shard.UnsavedBytes);

    /// <summary>Blocks that changed since they were last published.</summary>
    public long Unpublished => Total(shard => shard.Waiting(Outbox.HotStore));

    /// <summary>What a hot store lacks; tracked where the options say so. Entities that were restored are among it.</summary>
    public IChangedEntities ToPublish { get; }

    /// <summary>What those who listen to changes have not been told; tracked while somebody listens.</summary>
    public IChangedEntities ToTell { get; }

    /// <inheritdoc/>
    public ValueTask ApplyAsync(ApplyBatch batch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Events.Count == 0)
            return ValueTask.CompletedTask;
        lock (_applying)
            Apply(batch);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask ReadAsync(int entity, BlockSet keys, BlockSet blocks, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentNullException.ThrowIfNull(blocks);
        for (var index = 0; index < keys.Count; index++)
        {
            var hash = KeyHash.Of(keys[index]);
            _shards[Shard.IndexOf(hash, _shards.Length)].Read(entity, hash, keys[index], blocks);
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public long StreamTimeMs(int source) => Volatile.Read(ref _streamTimesMs[source]);

    /// <summary>Takes in the state of a checkpoint. Before the first event.</summary>
    /// <exception cref="InvalidDataException">A block does not fit the definitions.</exception>
    public void Restore(CheckpointHeader header, Action<BlockVisitor> loadBlocks)
    {
        ArgumentNullException.ThrowIfNull(header);
        ArgumentNullException.ThrowIfNull(loadBlocks);
        foreach (var source in _plan.Sources)
            _streamTimesMs[source.Index] = header.StreamTimesMs.GetValueOrDefault(source.Definition.Name, long.MinValue);
        Advance(header.Partitions);

        loadBlocks((entity, key, block) =>
        {
            if (Problem(entity, key, block) is { } problem)
                throw new InvalidDataException($"{problem}. The checkpoint is damaged; restore a copy or start with empty data.");
            var hash = KeyHash.Of(key);
            _shards[Shard.IndexOf(hash, _shards.Length)].Restore(entity, hash, key, block);
        });
    }

    /// <summary>Fixes the next snapshot: every block that changed since the last one, as it is now. Between two batches, and only when the last snapshot was taken.</summary>
    public void BeginSnapshot()
    {
        lock (_applying)
        {
            SnapshotNumber++;
            foreach (var shard in _shards)
                shard.BeginSnapshot();
            TakeTombstoneChanges();
        }
    }

    /// <summary>Copies the blocks of the snapshot; batches may be applied meanwhile. The checkpoint is valid until the next snapshot begins.</summary>
    public Checkpoint CopySnapshot(CheckpointHeader header)
    {
        foreach (var shard in _shards)
            shard.CopySnapshot();
        var all = _shards[0].Snapshot;
        foreach (var shard in _shards.Skip(1))
            all.Append(shard.Snapshot);
        return new Checkpoint(header, all.Entities, all.Keys, all.Blocks) { TombstonesChanged = _snapshotChanged, TombstonesDropped = _snapshotDropped };
    }

    /// <summary>Has the next snapshot hold every block and every tombstone. Before the first event.</summary>
    internal void MarkAllUnsaved()
    {
        foreach (var shard in _shards)
            shard.MarkAllUnsaved();
        _changed.AddRange(AllTombstones().Select(pair => pair.Tombstone));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        RuntimeInstruments.Runtimes.TryRemove(this, out _);
        foreach (var worker in _workers)
            worker.Dispose();
        foreach (var shard in _shards)
            shard.Dispose();
    }

    private void Apply(ApplyBatch batch, Route[] routes)
    {
        if (routes.Length == 0)
            return;
        _work = new Work(batch, routes, 0);
        Run(_apply);
    }

    /// <summary>Gives the batch to the joins that its source is a side of.</summary>
    private void Join(ApplyBatch batch)
    {
        var joins = _plan.Sources[batch.Source].Joins;
        for (var index = 0; index < joins.Count; index++)
        {
            var join = joins[index];
            _work = new Work(batch, [], join.Index);
            Run(_join);
            _merge.Merge(_shards, join.Index, batch.Joined[index]);
        }
    }

    /// <summary>Lets all shards do the work at hand, and waits for them.</summary>
    private void Run(Action<Shard> work)
    {
        foreach (var worker in _workers)
            worker.Start(work);
        ExceptionDispatchInfo? failure = null;
        try
        {
            work(_shards[0]);
        }
        catch (Exception exception)
        {
            failure = ExceptionDispatchInfo.Capture(exception);
        }

        foreach (var worker in _workers)
            failure = worker.Wait() ?? failure;
        failure?.Throw();
    }

    /// <summary>
    /// Drops a few of the entities that are over. By the stream's time, also where reads are as of the wall clock: events that are applied late must find what they would
    /// have found in time.
    /// </summary>
    private void Sweep()
    {
        var wallMs = _options.Time.GetUtcNow().ToUnixTimeMilliseconds();
        for (var source = 0; source < _nowsMs.Length; source++)
            _nowsMs[source] = _plan.Sources[source].Definition.Clock == Core.Definitions.SourceClock.Wall ? Math.Min(wallMs, _streamTimesMs[source]) : _streamTimesMs[source];
        foreach (var shard in _shards)
            shard.Sweep(SweptBlocksPerBatch, _nowsMs);
    }

    private void Apply(ApplyBatch batch)
    {
        batch.Check(_plan);
        var passes = _passes[batch.Source];
        _enriched.Reset(batch.Events.Count, passes.Enriched.Length);
        Apply(batch, passes.First);
        if (passes.Enriched.Length > 0)
        {
            _enriched.CopyTo(batch.Events, passes.Enriched);
            Apply(batch, passes.Second);
        }

        Volatile.Write(ref _streamTimesMs[batch.Source], Math.Max(_streamTimesMs[batch.Source], batch.NewestMs()));
        if (_plan.Sources[batch.Source].Join is null)
            _positions.Advance(batch);
        Join(batch);
        if (_unsettled.Count is > 0 and <= UnsettledPerBatchMax)
            Settle();
        if (_sweeps)
            Sweep();
    }

    private string? Problem(int entity, ReadOnlySpan<byte> key, ReadOnlySpan<byte> block)
    {
        if ((uint)entity >= _plan.Entities.Count + _plan.Joins.Count)
            return $"A block is of entity {entity}, and there are {_plan.Entities.Count + _plan.Joins.Count}";
        if (entity >= _plan.Entities.Count)
        {
            var join = _plan.Joins[entity - _plan.Entities.Count];
            return join.Check(block) is { } wrong ? $"A block of joined source \"{join.Name}\" {wrong}"
                : EntityPlan.Key(block).SequenceEqual(key) ? null : $"A block of joined source \"{join.Name}\" has another key than its place";
        }

        var plan = _plan.Entities[entity];
        if (plan.Check(block) is { } problem)
            return $"A block of entity \"{plan.Name}\" {problem}";
        return EntityPlan.Key(block).SequenceEqual(key) ? null : $"A block of entity \"{plan.Name}\" has another key than its place";
    }

    /// <summary>Of each entity type its name, entities and bytes.</summary>
    internal IEnumerable<(string Entity, long Count, long Bytes)> Sizes() =>
        _plan.Entities.Select(entity => (entity.Name, Size: _shards.Select(shard => shard.Size(entity.Index)).Aggregate((left, right) => (left.Count + right.Count, left.Bytes + right.Bytes))))
            .Select(pair => (pair.Name, pair.Size.Count, pair.Size.Bytes));

    private long Total(Func<Shard, long> number)
    {
        var total = 0L;
        foreach (var shard in _shards)
            total += number(shard);
        return total;
    }

    /// <param name="Batch">The batch.</param>
    /// <param name="Routes">What to apply it to.</param>
    /// <param name="Join">Else the join to add it to.</param>
    private readonly record struct Work(ApplyBatch Batch, Route[] Routes, int Join);

    /// <summary>The thread of a shard.</summary>
    private sealed class ShardWorker : IDisposable
    {
        private readonly Shard _shard;
        private readonly Thread _thread;
        private readonly SemaphoreSlim _start = new(0);
        private readonly SemaphoreSlim _done = new(0);
        private Action<Shard>? _work;
        private ExceptionDispatchInfo? _failure;

        public ShardWorker(Shard shard)
        {
            _shard = shard;
            _thread = new Thread(Run) { IsBackground = true, Name = "shard" };
            _thread.Start();
        }

        public void Start(Action<Shard> work)
        {
            _work = work;
            _start.Release();
        }

        public ExceptionDispatchInfo? Wait()
        {
            _done.Wait();
            return Interlocked.Exchange(ref _failure, null);
        }

        public void Dispose()
        {
            _work = null;
            _start.Release();
            _thread.Join();
            _start.Dispose();
            _done.Dispose();
        }

        private void Run()
        {
            while (true)
            {
                _start.Wait();
                if (_work is not { } work)
                    return;
                try
                {
                    work(_shard);
                }
                catch (Exception exception)
                {
                    _failure = ExceptionDispatchInfo.Capture(exception);
                }

                _done.Release();
            }
        }
    }
}
