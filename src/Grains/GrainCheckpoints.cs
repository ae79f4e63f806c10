using FeatureStore.Core.Plans;
using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Ownership;
using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Grains;

/// <summary>
/// Cursor S on the cluster. A checkpoint is complete when every entity called before its cut is durable as of it; only then its header, S, replaces the last one.
/// Blocks may be durable beyond S, up to P: they pass over what they contain. The header's ETag and term keep a second owner out.
/// </summary>
public sealed partial class GrainCheckpoints : ICheckpoints, IAsyncDisposable
{
    private readonly ClusterPlan _plan;
    private readonly OrleansRuntime _runtime;
    private readonly EntityCells _cells;
    private readonly OrleansRuntimeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<GrainCheckpoints> _logger;
    private readonly JoinSegments _joins;
    private readonly CancellationTokenSource _stop = new();

    /// <summary>Held by whoever writes the record.</summary>
    private readonly SemaphoreSlim _writing = new(1);
    private Task _saving = Task.CompletedTask;
    private OwnerRecord _record = new();

    /// <summary>Whether the last write may have taken place or not.</summary>
    private bool _isInDoubt;
    private string? _etag;

    /// <summary>Whether the next checkpoint has all that the joins keep.</summary>
    private bool _replacesJoins;
    private long _dueAt;
    private long _hotAt;

    internal GrainCheckpoints(
        ClusterPlan plan, OrleansRuntime runtime, EntityCells cells, OrleansRuntimeOptions options, TimeProvider time, ILogger<GrainCheckpoints> logger)
    {
        _plan = plan;
        _runtime = runtime;
        _cells = cells;
        _options = options;
        _time = time;
        _logger = logger;
        _joins = new JoinSegments(cells, plan.Project.Definition.Project);
        _runtime.NoteErasure = NoteErasureAsync;
    }

    /// <inheritdoc/>
    public CheckpointHeader? Last { get; private set; }

    /// <summary>The newest checkpoint saved by this process; null before the first.</summary>
    public CheckpointStatus? Status { get; private set; }

    /// <inheritdoc/>
    public bool IsDue => _saving.IsCompleted && (IsPast(ref _dueAt) || IsPast(ref _hotAt) && (_runtime.IsHot || _runtime.UnsavedBytes >= _options.UnsavedBytesMax / 2));

    /// <summary>Takes the stream over, with a term that fences every earlier owner, and finds S.</summary>
    /// <exception cref="InvalidDataException">The state cannot be migrated to the definitions, or is damaged.</exception>
    /// <exception cref="OwnerFencedException">Another silo took it at the same time.</exception>
    public async Task AcquireAsync(CancellationToken cancellationToken)
    {
        var (bytes, etag) = await GrainRecords.ReadAsync(_cells.Storage, ClusterNames.CheckpointState, _cells.CheckpointId, cancellationToken).ConfigureAwait(false);
        var record = bytes.Length > 0 ? OwnerRecord.Read(bytes) : new OwnerRecord { Incarnation = Guid.CreateVersion7(_time.GetUtcNow()) };
        var migration = record.Header is { } header && header.LayoutFingerprint != _plan.Project.LayoutFingerprint ? MigrationOf(_plan, header) : null;
        if (migration is not null)
            LogMigrating(record.Header!.Sequence, Names(migration, CarriedState.None), Names(migration, CarriedState.Part));
        Last = record.Header;
        _etag = etag;
        var (begun, interval) = record.BeginTerm();
        await WriteAsync(_ => begun).ConfigureAwait(false);
        if (_record.GivenUp.Length > 0)
            await _joins.RemoveAsync([new JoinSegment(_record.GivenUp[^1], int.MaxValue, 0)], cancellationToken).ConfigureAwait(false);
        await _joins.ReadAsync(record.Joins, (type, key, block) => RestoreJoin(migration, type, key, block), cancellationToken).ConfigureAwait(false);
        _replacesJoins = migration is not null;
        _runtime.Own(
            _record.Term, interval,
            [.. _plan.Project.Sources.Select(source => Last?.StreamTimesMs.GetValueOrDefault(source.Definition.Name, long.MinValue) ?? long.MinValue)], Last?.Partitions ?? [], record.Generations);
        _runtime.JoinErasures.Restore(record.JoinErasures);
        Schedule();
        LogAcquired(_plan.Project.Definition.Project, _record.Term, _record.Base);
    }

    /// <inheritdoc/>
    public void Begin(string clusterId, IReadOnlyList<PartitionCheckpoint> partitions, Task published)
    {
        if (!_saving.IsCompletedSuccessfully)
        {
            var failure = _saving.Exception?.InnerException;
            throw new InvalidOperationException($"A checkpoint could not be saved: {failure?.Message ?? "it was given up."}", failure);
        }

        var replacesJoins = _replacesJoins || JoinSegments.IsLong(_record.Joins, _runtime.Joins.Bytes);
        if (replacesJoins)
            _runtime.Joins.MarkAllUnsaved();
        var erasures = _runtime.JoinErasures.Current;
        var cut = _runtime.BeginInterval(partitions);
        var record = _record with
        {
            Header = new CheckpointHeader
            {
                LayoutFingerprint = _plan.Project.LayoutFingerprint,
                Layouts = Migration.LayoutsOf(_plan.Project),
                Incarnation = _record.Incarnation,
                Sequence = cut.Interval,
                ClusterId = clusterId,
                Partitions = partitions,
                StreamTimesMs = _plan.Project.Sources.ToDictionary(source => source.Definition.Name, source => _runtime.StreamTimeMs(source.Index)),
            },
            Generations = _runtime.Generations(),
            Joins = replacesJoins ? [] : _record.Joins,
        };
        _runtime.Saving = _saving = Task.Run(() => SaveAsync(record, cut, erasures, published));
    }

    /// <inheritdoc/>
    public Task CompleteAsync() => _saving;

    /// <summary>Gives up a checkpoint that is not written yet.</summary>
    public async ValueTask DisposeAsync()
    {
        // The silo's services end it too.
        if (_stop.IsCancellationRequested)
            return;
        await _stop.CancelAsync().ConfigureAwait(false);
        await _saving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        _writing.Dispose();
    }

    /// <summary>How the state of other definitions is read. Blocks are migrated when they are.</summary>
    internal static Migration MigrationOf(ClusterPlan plan, CheckpointHeader header)
    {
        const string Advice = "Start with the old definitions, or with an empty grain storage to rebuild the state from the topics.";
        if (header.Layouts.Count == 0)
            throw new InvalidDataException($"The cluster's state was written under other definitions of entities, feature views or keys, and cannot be migrated. {Advice}");
        var migration = new Migration(plan.Project, header.Layouts);
        foreach (var layout in header.Layouts)
        {
            if (plan.Entity(layout.Entity) is { } entity && !entity.HasKeysOf(BlockLayout.Parse(layout.Layout)))
                throw new InvalidDataException($"The cluster's state was written under other definitions, and cannot be migrated: entity \"{entity.Name}\" has keys of other types, or another format. {Advice}");
        }

        return migration;
    }

    private static string Names(Migration migration, CarriedState state) => string.Join(", ", migration.Features(state).DefaultIfEmpty("none"));

    private void RestoreJoin(Migration? migration, int type, ReadOnlySpan<byte> key, ReadOnlySpan<byte> block)
    {
        if (migration is not null && !migration.TryMigrate(type, block, out type, out block))
            return;
        var join = type - _plan.Project.Entities.Count;
        if ((uint)join >= (uint)_plan.Project.Joins.Count || _plan.Project.Joins[join].Check(block) is not null)
            throw new InvalidDataException("What the joins kept is damaged, or of other joins. Restore a copy of the grain storage, or start with an empty one.");
        _runtime.Joins.Restore(type, KeyHash.Of(key), key, block);
    }

    private async Task SaveAsync(OwnerRecord record, Cut cut, IReadOnlyList<JoinErasure> erasures, Task published)
    {
        var start = _time.GetTimestamp();
        var size = _runtime.UnsavedBytes;
        _runtime.Joins.CopySnapshot();
        await published.WaitAsync(_stop.Token).ConfigureAwait(false);
        for (var attempt = 1; !await _runtime.FlushAsync(cut, _stop.Token).ConfigureAwait(false); attempt++)
            await PauseAsync(null, cut.Interval, attempt).ConfigureAwait(false);
        await _runtime.ForgetAsync(cut).ConfigureAwait(false);
        await RetryAsync(cut.Interval, async () =>
        {
            if (await _joins.WriteAsync(cut.Interval, _runtime.Joins.Snapshot, _stop.Token).ConfigureAwait(false) is { } segment)
                record = record with { Joins = [.. record.Joins.Where(other => other.Checkpoint != segment.Checkpoint), segment] };
        }).ConfigureAwait(false);
        var replaced = _record.Joins.Except(record.Joins).ToList();
        // Until the checkpoint is written, a new owner goes on from the last one, which needs them.
        var superfluous = JoinErasures.Superfluous(record.Header!.Partitions, erasures);
        await RetryAsync(cut.Interval, () => WriteAsync(_ => record with { JoinErasures = [.. _runtime.JoinErasures.Current.Where(erasure => !superfluous.Contains(erasure))] })).ConfigureAwait(false);
        _runtime.JoinErasures.Drop(superfluous);
        _replacesJoins = false;
        Last = record.Header;
        Status = new CheckpointStatus(cut.Interval, _time.GetUtcNow().ToUnixTimeMilliseconds(), size, _time.GetElapsedTime(start).TotalMilliseconds);
        await RetryAsync(cut.Interval, () => _joins.RemoveAsync(replaced, _stop.Token)).ConfigureAwait(false);
        Schedule();
    }

    private async Task RetryAsync(long sequence, Func<Task> write)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await write().ConfigureAwait(false);
                return;
            }
            catch (Exception exception) when (exception is not (OwnerFencedException or OperationCanceledException))
            {
                await PauseAsync(exception, sequence, attempt).ConfigureAwait(false);
            }
        }
    }

    private async Task PauseAsync(Exception? exception, long sequence, int attempt)
    {
        GrainsInstruments.CheckpointFailures.Add(1);
        var pause = TimeSpan.FromMilliseconds(Math.Min(10_000, 20 << Math.Min(attempt, 9)));
        // That entities have moved is no failure; that they still are not durable after some rounds is.
        if (attempt > 3)
            LogSaveFailed(exception, sequence, attempt, pause.TotalSeconds);
        await Task.Delay(pause, _time, _stop.Token).ConfigureAwait(false);
    }

    /// <summary>Has the record written with what keeps erased entities out of joins, as the last checkpoint has their events.</summary>
    /// <exception cref="IOException">The grain storage did not take it in time.</exception>
    private async Task NoteErasureAsync(CancellationToken cancellationToken)
    {
        var start = _time.GetTimestamp();
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await WriteAsync(record => record with { JoinErasures = _runtime.JoinErasures.Current }).ConfigureAwait(false);
                return;
            }
            catch (Exception exception) when (exception is not (OwnerFencedException or OperationCanceledException))
            {
                if (_time.GetElapsedTime(start) > _options.EraseMax)
                    throw new IOException("the grain storage did not take it.", exception);
                await Task.Delay(TimeSpan.FromMilliseconds(20 << Math.Min(attempt, 4)), _time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Changes the record.</summary>
    private async Task WriteAsync(Func<OwnerRecord, OwnerRecord> change)
    {
        await _writing.WaitAsync(_stop.Token).ConfigureAwait(false);
        try
        {
            if (_isInDoubt)
                await FindRecordAsync().ConfigureAwait(false);
            var record = change(_record);
            _isInDoubt = true;
            _etag = await GrainRecords.WriteAsync(_cells.Storage, ClusterNames.CheckpointState, _cells.CheckpointId, record.Write(), _etag, _stop.Token).ConfigureAwait(false);
            (_record, _isInDoubt) = (record, false);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Finds out whether a write took place whose answer was lost.</summary>
    private async Task FindRecordAsync()
    {
        var (bytes, etag) = await GrainRecords.ReadAsync(_cells.Storage, ClusterNames.CheckpointState, _cells.CheckpointId, _stop.Token).ConfigureAwait(false);
        if (bytes.Length > 0 && OwnerRecord.Read(bytes).Term > _record.Term)
            throw new OwnerFencedException();
        _etag = etag;
    }

    private bool IsPast(ref long timestamp) => _time.GetTimestamp() >= Volatile.Read(ref timestamp);

    private void Schedule()
    {
        var now = _time.GetTimestamp();
        Volatile.Write(ref _hotAt, now + (long)(_options.WriteBehindMin.TotalSeconds * _time.TimestampFrequency));
        Volatile.Write(ref _dueAt, now + (long)(_options.WriteBehind.TotalSeconds * _time.TimestampFrequency));
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "This silo owns the stream of project {Project}: term {Term}, from checkpoint {Sequence}")]
    private partial void LogAcquired(string project, long term, long sequence);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The definitions have changed since checkpoint {Sequence}: an entity's state is migrated when it is next needed. Features that start empty: {Empty}. Features that lack what reaches further back than was kept: {Partial}")]
    private partial void LogMigrating(long sequence, string empty, string partial);

    [LoggerMessage(Level = LogLevel.Error, Message = "Checkpoint {Sequence} could not be saved (attempt {Attempt}); what came since the last one is not durable until it is. Next attempt in {Seconds} s")]
    private partial void LogSaveFailed(Exception? exception, long sequence, int attempt, double seconds);
}
