using System.Text.Json;
using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Ownership;
using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;
using Microsoft.Extensions.Logging;
using Orleans.Storage;

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
    private readonly GrainId _id;
    private readonly CancellationTokenSource _stop = new();
    private Task _saving = Task.CompletedTask;
    private Guid _incarnation;
    private long _term;
    private string? _etag;
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
        _id = GrainId.Create("featurestore-checkpoint", plan.Project.Definition.Project);
        _incarnation = Guid.CreateVersion7(time.GetUtcNow());
    }

    /// <inheritdoc/>
    public CheckpointHeader? Last { get; private set; }

    /// <summary>The newest checkpoint saved by this process; null before the first.</summary>
    public CheckpointStatus? Status { get; private set; }

    /// <inheritdoc/>
    public bool IsDue => _saving.IsCompleted && (IsPast(ref _dueAt) || IsPast(ref _hotAt) && (_runtime.IsHot || _runtime.UnsavedBytes >= _options.UnsavedBytesMax / 2));

    /// <summary>Takes the stream over, with a term that fences every earlier owner, and finds S.</summary>
    /// <exception cref="InvalidDataException">The state was made under other definitions, or is damaged.</exception>
    /// <exception cref="OwnerFencedException">Another silo took it at the same time.</exception>
    public async Task AcquireAsync(CancellationToken cancellationToken)
    {
        var state = new GrainState<StoredState> { State = new StoredState() };
        await _cells.Storage.ReadStateAsync(ClusterNames.CheckpointState, _id, state, cancellationToken).ConfigureAwait(false);
        if (state.RecordExists && state.State is { Bytes.Length: > 0 })
        {
            var record = Read(state.State.Bytes);
            if (record.Header is { } header && header.LayoutFingerprint != _plan.Project.LayoutFingerprint)
            {
                throw new InvalidDataException(
                    "The cluster's state was written under other definitions of entities, feature views or keys, and cannot be migrated. " +
                    "Start with the old definitions, or with an empty grain storage to rebuild the state from the topics.");
            }

            (_term, _incarnation, Last) = (record.Term, record.Incarnation, record.Header);
        }

        _etag = state.ETag;
        _term++;
        await WriteAsync(Last).ConfigureAwait(false);
        _runtime.Own(_term, [.. _plan.Project.Sources.Select(source => Last?.StreamTimesMs.GetValueOrDefault(source.Definition.Name, long.MinValue) ?? long.MinValue)]);
        Schedule();
        LogAcquired(_plan.Project.Definition.Project, _term, Last?.Sequence ?? 0);
    }

    /// <inheritdoc/>
    public void Begin(string clusterId, IReadOnlyList<PartitionCheckpoint> partitions, Task published)
    {
        if (!_saving.IsCompletedSuccessfully)
        {
            var failure = _saving.Exception?.InnerException;
            throw new InvalidOperationException($"A checkpoint could not be saved: {failure?.Message ?? "it was given up."}", failure);
        }

        var header = new CheckpointHeader
        {
            LayoutFingerprint = _plan.Project.LayoutFingerprint,
            Incarnation = _incarnation,
            Sequence = (Last?.Sequence ?? 0) + 1,
            ClusterId = clusterId,
            Partitions = partitions,
            StreamTimesMs = _plan.Project.Sources.ToDictionary(source => source.Definition.Name, source => _runtime.StreamTimeMs(source.Index)),
        };
        var cut = _runtime.BeginInterval();
        _runtime.Saving = _saving = Task.Run(() => SaveAsync(header, cut, published));
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
    }

    private static OwnerRecord Read(byte[] bytes)
    {
        try
        {
            return JsonSerializer.Deserialize<OwnerRecord>(bytes)!;
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException("The cluster's checkpoint cannot be read. Restore a copy of the grain storage, or start with an empty one.", exception);
        }
    }

    private async Task SaveAsync(CheckpointHeader header, Cut cut, Task published)
    {
        var start = _time.GetTimestamp();
        var size = _runtime.UnsavedBytes;
        await published.WaitAsync(_stop.Token).ConfigureAwait(false);
        for (var attempt = 1; !await _runtime.FlushAsync(cut, _stop.Token).ConfigureAwait(false); attempt++)
            await PauseAsync(null, header.Sequence, attempt).ConfigureAwait(false);
        await _runtime.ForgetAsync(cut).ConfigureAwait(false);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await WriteAsync(header).ConfigureAwait(false);
                break;
            }
            catch (Exception exception) when (exception is not (OwnerFencedException or OperationCanceledException))
            {
                await PauseAsync(exception, header.Sequence, attempt).ConfigureAwait(false);
            }
        }

        Last = header;
        Status = new CheckpointStatus(header.Sequence, _time.GetUtcNow().ToUnixTimeMilliseconds(), size, _time.GetElapsedTime(start).TotalMilliseconds);
        Schedule();
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

    private async Task WriteAsync(CheckpointHeader? header)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(new OwnerRecord(_term, _incarnation, header));
        var state = new GrainState<StoredState> { State = new StoredState { Bytes = bytes }, ETag = _etag, RecordExists = _etag is not null };
        try
        {
            await _cells.Storage.WriteStateAsync(ClusterNames.CheckpointState, _id, state, _stop.Token).ConfigureAwait(false);
        }
        catch (InconsistentStateException exception)
        {
            // A write whose answer was lost looks the same: then the record is our own.
            var stored = new GrainState<StoredState> { State = new StoredState() };
            await _cells.Storage.ReadStateAsync(ClusterNames.CheckpointState, _id, stored, _stop.Token).ConfigureAwait(false);
            if (!stored.State.Bytes.AsSpan().SequenceEqual(bytes))
                throw new OwnerFencedException(null, exception);
            state = stored;
        }

        _etag = state.ETag;
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

    [LoggerMessage(Level = LogLevel.Error, Message = "Checkpoint {Sequence} could not be saved (attempt {Attempt}); what came since the last one is not durable until it is. Next attempt in {Seconds} s")]
    private partial void LogSaveFailed(Exception? exception, long sequence, int attempt, double seconds);

    /// <summary>What the record of a checkpoint says.</summary>
    /// <param name="Term">Of its owner.</param>
    /// <param name="Incarnation">Of the history of state.</param>
    /// <param name="Header">The newest checkpoint; null before the first.</param>
    private sealed record OwnerRecord(long Term, Guid Incarnation, CheckpointHeader? Header);
}
