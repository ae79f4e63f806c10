using System.Diagnostics;
using FeatureStore.Core.Plans;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Runtime.Local;

/// <summary>Saves snapshots of a <see cref="LocalRuntime"/> to a store, as often as keeps the work a small share of the time.</summary>
public sealed partial class Checkpointer : ICheckpoints, IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly ProjectPlan _plan;
    private readonly LocalRuntime _runtime;
    private readonly IEntityStore _store;
    private readonly CheckpointOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<Checkpointer> _logger;
    private readonly Lock _erasing = new();

    /// <summary>Held while the store is written.</summary>
    private readonly SemaphoreSlim _writing = new(1);

    /// <summary>Erasures that are not durable yet, with the number of the newest snapshot that had begun before each.</summary>
    private readonly Dictionary<Tombstone, long> _pending = new(ReferenceEqualityComparer.Instance);

    /// <summary>Erasures that are durable, while a snapshot that began before them is not: it must not bring their blocks back.</summary>
    private readonly List<(Tombstone Tombstone, long Snapshot)> _overtaken = [];
    private long _savedSnapshot;

    /// <summary>Whether the store still has the state of other definitions. Under <see cref="_writing"/>.</summary>
    private bool _replacesAll;
    private Task _saving = Task.CompletedTask;
    private long _dueAt;

    public Checkpointer(
        ProjectPlan plan, LocalRuntime runtime, IEntityStore store, CheckpointOptions options, TimeProvider time, ILogger<Checkpointer> logger)
    {
        ArgumentNullException.ThrowIfNull(time);
        _plan = plan;
        _runtime = runtime;
        _store = store;
        _options = options;
        _time = time;
        _logger = logger;
        Incarnation = Guid.CreateVersion7(time.GetUtcNow());
        runtime.Incarnation = Incarnation;
        runtime.OnErase(tombstone => AddPending(tombstone), EraseAsync);
        Schedule(TimeSpan.Zero);
    }

    /// <inheritdoc/>
    public CheckpointHeader? Last { get; private set; }

    /// <summary>The newest checkpoint saved by this process; null before the first.</summary>
    public CheckpointStatus? Status { get; private set; }

    /// <summary>Names this history of state; a version-7 GUID, which begins with the time at which it began.</summary>
    public Guid Incarnation { get; private set; }

    /// <inheritdoc/>
    public bool IsDue => _saving.IsCompleted && (_time.GetTimestamp() >= _dueAt || _runtime.UnsavedBytes >= _options.UnsavedBytesMax);

    /// <summary>Loads the newest checkpoint into the runtime, if there is one.</summary>
    /// <exception cref="InvalidDataException">It does not fit the definitions.</exception>
    public void Restore()
    {
        var header = _store.LoadHeader();
        if (header is null)
        {
            // An entity may have been erased before the first checkpoint.
            _runtime.Restore(_store.LoadTombstones());
            return;
        }

        if (header.LayoutFingerprint != _plan.LayoutFingerprint && header.Layouts.Count == 0)
        {
            throw new InvalidDataException(
                "The data were written under other definitions of entities, feature views or keys, and cannot be migrated. " +
                "Start with the old definitions, or with an empty data directory to rebuild the state from the topics.");
        }

        var start = Stopwatch.GetTimestamp();
        if (header.LayoutFingerprint == _plan.LayoutFingerprint)
        {
            _runtime.Restore(header, _store.LoadBlocks);
            _runtime.Restore(_store.LoadTombstones());
        }
        else
        {
            Migrate(header);
        }

        Last = header;
        _runtime.Saved(header.Partitions, snapshot: 0);
        Incarnation = header.Incarnation;
        _runtime.Incarnation = Incarnation;
        LogRestored(header.Sequence, _runtime.Entities, _runtime.Bytes, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <summary>Takes in the state of other definitions. The store stays as it is until the next checkpoint, which has all of it.</summary>
    private void Migrate(CheckpointHeader header)
    {
        var migration = new Migration(_plan, header.Layouts);
        LogMigrating(header.Sequence, Names(CarriedState.None), Names(CarriedState.Part));
        var start = Stopwatch.GetTimestamp();
        var reported = start;
        _runtime.Restore(header, visit => _store.LoadBlocks((entity, key, block) =>
        {
            if (migration.TryMigrate(entity, block, out var index, out var migrated))
                visit(index, key, migrated);
            if (Stopwatch.GetElapsedTime(reported) < TimeSpan.FromSeconds(5))
                return;
            reported = Stopwatch.GetTimestamp();
            LogMigrated(migration.Count, migration.Count / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }));
        _runtime.Restore([.. _store.LoadTombstones().Select(migration.Migrate).OfType<Tombstone>()]);
        foreach (var (entity, count) in migration.Removed)
            LogRemoved(entity, count);
        LogMigrated(migration.Count, migration.Count / Math.Max(0.001, Stopwatch.GetElapsedTime(start).TotalSeconds));
        _runtime.MarkAllUnsaved();
        _replacesAll = true;

        string Names(CarriedState state) => string.Join(", ", migration.Features(state).DefaultIfEmpty("none"));
    }

    /// <inheritdoc/>
    public void Begin(string clusterId, IReadOnlyList<PartitionCheckpoint> partitions, Task published)
    {
        Debug.Assert(_saving.IsCompleted, "One checkpoint at a time.");
        // The blocks of a snapshot that was given up would be missing from every later one.
        if (!_saving.IsCompletedSuccessfully)
        {
            var failure = _saving.Exception?.InnerException;
            throw new InvalidOperationException($"A checkpoint could not be saved: {failure?.Message ?? "it was given up."}", failure);
        }

        var header = new CheckpointHeader
        {
            LayoutFingerprint = _plan.LayoutFingerprint,
            Layouts = Migration.LayoutsOf(_plan),
            Incarnation = Incarnation,
            Sequence = (Last?.Sequence ?? 0) + 1,
            ClusterId = clusterId,
            Partitions = partitions,
            StreamTimesMs = _plan.Sources.ToDictionary(source => source.Definition.Name, source => _runtime.StreamTimeMs(source.Index)),
        };
        _runtime.Advance(partitions);
        _runtime.BeginSnapshot();
        var snapshot = _runtime.SnapshotNumber;
        _saving = Task.Run(() => SaveAsync(header, snapshot, published));
    }

    /// <inheritdoc/>
    public Task CompleteAsync() => _saving;

    /// <summary>Gives up a checkpoint that is not being written yet, and waits for one that is. Before the store and the runtime go.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _saving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // No erasure is being written when the store goes.
        await _writing.WaitAsync().ConfigureAwait(false);
        _writing.Dispose();
        _stop.Dispose();
    }

    private async Task SaveAsync(CheckpointHeader header, long snapshot, Task published)
    {
        var start = _time.GetTimestamp();
        var checkpoint = _runtime.CopySnapshot(header);
        await published.WaitAsync(_stop.Token).ConfigureAwait(false);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var saveStart = _time.GetTimestamp();
                await SaveAsync(checkpoint, snapshot).ConfigureAwait(false);
                var took = _time.GetElapsedTime(saveStart);
                Last = header;
                _runtime.Saved(header.Partitions, snapshot);
                var size = checkpoint.Blocks.TotalLength;
                Status = new CheckpointStatus(
                    header.Sequence, _time.GetUtcNow().ToUnixTimeMilliseconds(), size, _time.GetElapsedTime(start).TotalMilliseconds);
                Schedule(took);
                return;
            }
            catch (IOException exception)
            {
                // The blocks stay in the snapshot: nothing is lost while the process lives, and S stays where it was.
                var pause = TimeSpan.FromSeconds(Math.Min(30, 1 << Math.Min(attempt, 5)));
                LogSaveFailed(exception, header.Sequence, attempt, pause.TotalSeconds);
                RuntimeInstruments.CheckpointFailures.Add(1);
                await Task.Delay(pause, _time, _stop.Token).ConfigureAwait(false);
            }
        }
    }

    private async Task SaveAsync(Checkpoint checkpoint, long snapshot)
    {
        await _writing.WaitAsync(_stop.Token).ConfigureAwait(false);
        try
        {
            Tombstone[] erased;
            lock (_erasing)
            {
                erased = [.. _pending.Where(pending => pending.Value < snapshot).Select(pending => pending.Key)];
                foreach (var (tombstone, begun) in _overtaken)
                {
                    if (begun >= snapshot)
                        _runtime.DropFromSnapshot(tombstone);
                }
            }

            _store.Save(checkpoint with { Erased = erased, ReplacesAll = _replacesAll });
            _replacesAll = false;
            lock (_erasing)
            {
                _savedSnapshot = snapshot;
                _overtaken.Clear();
                Array.ForEach(erased, tombstone => _pending.Remove(tombstone));
            }

            _runtime.Confirm(erased);
        }
        finally
        {
            _writing.Release();
        }
    }

    private void AddPending(Tombstone tombstone)
    {
        lock (_erasing)
            _pending.Add(tombstone, _runtime.SnapshotNumber);
    }

    /// <summary>Makes an erasure durable, and with it those that wait.</summary>
    private async Task EraseAsync(Tombstone tombstone, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        await _writing.WaitAsync(either.Token).ConfigureAwait(false);
        try
        {
            // What the store holds is numbered as in the old definitions.
            if (_replacesAll)
                throw new IOException("the state of changed definitions has not been saved yet.");
            KeyValuePair<Tombstone, long>[] erased;
            lock (_erasing)
            {
                // Whoever wrote in between may have taken it along.
                if (!_pending.ContainsKey(tombstone))
                    return;
                erased = [.. _pending];
            }

            await Task.Run(() => _store.Erase([.. erased.Select(pending => pending.Key)]), CancellationToken.None).ConfigureAwait(false);
            lock (_erasing)
            {
                foreach (var (durable, begun) in erased)
                {
                    _pending.Remove(durable);
                    if (begun > _savedSnapshot)
                        _overtaken.Add((durable, begun));
                }
            }

            _runtime.Confirm(erased.Select(pending => pending.Key));
        }
        finally
        {
            _writing.Release();
        }
    }

    private void Schedule(TimeSpan took)
    {
        var pause = TimeSpan.FromTicks(Math.Clamp(took.Ticks * _options.PausePerWork, _options.IntervalMin.Ticks, _options.IntervalMax.Ticks));
        Volatile.Write(ref _dueAt, _time.GetTimestamp() + (long)(pause.TotalSeconds * _time.TimestampFrequency));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The definitions have changed since checkpoint {Sequence}: its state is migrated. Features that start empty: {Empty}. Features that lack what reaches further back than was kept: {Partial}")]
    private partial void LogMigrating(long sequence, string empty, string partial);

    [LoggerMessage(Level = LogLevel.Information, Message = "Migrated {Count} entities, {Rate:F0} a second")]
    private partial void LogMigrated(long count, double rate);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Entity {Entity} is not defined any more: the next checkpoint drops the state of {Count} entities")]
    private partial void LogRemoved(string entity, long count);

    [LoggerMessage(Level = LogLevel.Information, Message = "Restored checkpoint {Sequence}: {Entities} entities, {Bytes} bytes, in {Seconds:F1} s")]
    private partial void LogRestored(long sequence, long entities, long bytes, double seconds);

    [LoggerMessage(Level = LogLevel.Error, Message = "Checkpoint {Sequence} could not be saved (attempt {Attempt}); state is not durable until it is. Next attempt in {Seconds} s")]
    private partial void LogSaveFailed(Exception exception, long sequence, int attempt, double seconds);
}

/// <summary>Settings of <see cref="Checkpointer"/>.</summary>
public sealed record CheckpointOptions
{
    /// <summary>Least pause between two checkpoints. Default 1 s.</summary>
    public TimeSpan IntervalMin { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest pause between two checkpoints; bounds how much is applied again after a crash. Default 30 s.</summary>
    public TimeSpan IntervalMax { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Pause in multiples of the time that the last checkpoint took to write. Default 20: about 5 % of one core.</summary>
    public int PausePerWork { get; init; } = 20;

    /// <summary>Changed bytes from which a checkpoint does not wait for its time. Default 256 MiB.</summary>
    public long UnsavedBytesMax { get; init; } = 256L << 20;
}
