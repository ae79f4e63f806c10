using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;

namespace FeatureStore.Grains.Slices;

/// <summary>
/// One slice of the stream in one term, as its pipeline sees it: a runtime that applies, and waits at cuts until all slices have come there; and checkpoints that the coordinator
/// begins and completes. So an event of an earlier interval never follows one of a later interval at an entity, unless it is sent again.
/// </summary>
internal sealed class SliceSession : IEntityRuntime, ICheckpoints, IAsyncDisposable
{
    private readonly ClusterPlan _plan;
    private readonly OrleansRuntime _runtime;
    private readonly OrleansRuntimeOptions _options;
    private readonly TimeProvider _time;
    private readonly Action _report;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();

    /// <summary>By source and partition, what was published before this term.</summary>
    private readonly long[][] _published;

    /// <summary>Completes where the slice may go on.</summary>
    private TaskCompletionSource _goesOn = Completed();
    private TaskCompletionSource _saved = Completed();
    private Task _background = Task.CompletedTask;
    private Cut? _cut;
    private byte[]? _offsets;
    private long _asked;
    private long _gathered;
    private long _erasing;
    private long _erased;
    private long _publishedCut;
    private long _flushing;
    private long _flushed;
    private long _completed;
    private long _gatheredAt;
    private long _completedAt;
    private volatile bool _isChanged;
    private volatile bool _isStarted;
    private bool _isKept;
    private string? _failure;

    /// <param name="plan">The definitions.</param>
    /// <param name="runtime">The slice's own; it goes with the session, unless that is asked to <see cref="Keep"/> it.</param>
    /// <param name="number">Of the slice.</param>
    /// <param name="record">The checkpoint's record at the beginning of the term.</param>
    /// <param name="completed">The cut before the term's first.</param>
    /// <param name="options">Settings.</param>
    /// <param name="time">The clock.</param>
    /// <param name="report">Called when there is news for the coordinator.</param>
    public SliceSession(ClusterPlan plan, OrleansRuntime runtime, int number, OwnerRecord record, long completed, OrleansRuntimeOptions options, TimeProvider time, Action report)
    {
        _plan = plan;
        _runtime = runtime;
        _options = options;
        _time = time;
        _report = report;
        _published = [.. plan.Project.Sources.Select(_ => Array.Empty<long>())];
        Slice = new Slice(number, plan.Slices);
        Last = record.Header;
        _completed = _gathered = _asked = completed;
        _completedAt = time.GetTimestamp();
        runtime.Saving = _saved.Task;
        runtime.Own(
            record.Term, completed + 1, [.. plan.Project.Sources.Select(source => Last?.StreamTimesMs.GetValueOrDefault(source.Definition.Name, long.MinValue) ?? long.MinValue)],
            [.. (Last?.Partitions ?? []).Where(partition => Slice.Has(partition.Partition))], record.Generations);
    }

    public Slice Slice { get; }

    /// <summary>The pipeline that works with it.</summary>
    public ISlicePipeline? Pipeline { get; set; }

    public long UnsavedBytes => _runtime.UnsavedBytes;

    /// <inheritdoc/>
    public CheckpointHeader? Last { get; }

    /// <inheritdoc/>
    public bool IsAwaited => Volatile.Read(ref _asked) > Volatile.Read(ref _gathered);

    /// <inheritdoc/>
    public bool IsDue => IsAwaited;

    /// <summary>Since when the slice waits at a cut; null: it does not.</summary>
    public long? StandsSince
    {
        get
        {
            lock (_gate)
                return _goesOn.Task.IsCompleted ? null : _gatheredAt;
        }
    }

    /// <summary>Whether the slice would have its events durable.</summary>
    private bool WantsCut => _isStarted && _cut is null
        && (_isChanged && IsPast(_options.WriteBehind) || IsPast(_options.WriteBehindMin) && (_runtime.IsHot || _runtime.UnsavedBytes >= _options.UnsavedBytesMax / 2));

    /// <inheritdoc/>
    public async ValueTask ApplyAsync(ApplyBatch batch, CancellationToken cancellationToken)
    {
        Task goesOn;
        lock (_gate)
            goesOn = _goesOn.Task;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        await goesOn.WaitAsync(either.Token).ConfigureAwait(false);
        _isChanged = true;
        await _runtime.ApplyAsync(batch, either.Token).ConfigureAwait(false);
        if (_runtime.IsHot && WantsCut)
            _report();
    }

    /// <inheritdoc/>
    public ValueTask ReadAsync(int entity, BlockSet keys, BlockSet blocks, CancellationToken cancellationToken) => _runtime.ReadAsync(entity, keys, blocks, cancellationToken);

    /// <inheritdoc/>
    public ValueTask EraseAsync(int entity, ReadOnlyMemory<byte> key, CancellationToken cancellationToken) => _runtime.EraseAsync(entity, key, cancellationToken);

    /// <inheritdoc/>
    public void BeginSource(int source, IReadOnlyList<long> firstOffsets, IReadOnlyList<long> publishedOffsets)
    {
        _published[source] = [.. publishedOffsets];
        _runtime.BeginSource(source, firstOffsets, publishedOffsets);
    }

    /// <inheritdoc/>
    public void RecreatePartition(int source, int partition)
    {
        if (partition < _published[source].Length)
            _published[source][partition] = 0;
        _runtime.RecreatePartition(source, partition);
    }

    /// <inheritdoc/>
    public long StreamTimeMs(int source) => _runtime.StreamTimeMs(source);

    /// <inheritdoc/>
    public void Begin(string clusterId, IReadOnlyList<PartitionCheckpoint> partitions, Task published)
    {
        if (!IsAwaited)
            throw new InvalidOperationException("A slice cuts the stream where all do, and not by itself.");
        var size = _runtime.UnsavedBytes;
        var cut = _runtime.BeginInterval(partitions);
        var offsets = new CutOffsets
        {
            ClusterId = clusterId,
            Partitions = partitions,
            StreamTimesMs = _plan.Project.Sources.ToDictionary(source => source.Definition.Name, source => _runtime.StreamTimeMs(source.Index)),
            Generations = _runtime.Generations(),
            Guards = _plan.Project.TopicSources.ToDictionary(source => source.Definition.Kafka!.Topic, source => GuardsOf(source.Index, source.Definition.Kafka!.Topic, partitions)),
            SizeBytes = size,
        }.Write();
        lock (_gate)
        {
            _cut = cut;
            _offsets = offsets;
            _goesOn = Pending();
            _saved = Pending();
            _runtime.Saving = _saved.Task;
            _gatheredAt = _time.GetTimestamp();
            _isChanged = false;
            Volatile.Write(ref _gathered, cut.Interval);
        }

        _ = Task.Run(() => PublishedAsync(cut.Interval, published));
        _report();
    }

    /// <inheritdoc/>
    public Task CompleteAsync() => _saved.Task;

    /// <summary>The pipeline reads now.</summary>
    public void Started()
    {
        _isStarted = true;
        _report();
    }

    /// <summary>The slice cannot go on; the coordinator has it taken up again.</summary>
    public void Fail(Exception exception)
    {
        if (_stop.IsCancellationRequested)
            return;
        _failure ??= $"slice {Slice.Number}: {exception.Message}";
        _report();
    }

    public SliceReport Report(long[] positions)
    {
        lock (_gate)
        {
            return new SliceReport
            {
                Slice = Slice.Number,
                IsStarted = _isStarted,
                WantsCut = WantsCut,
                Gathered = _gathered,
                Offsets = _offsets,
                Erased = _erased,
                Published = _publishedCut,
                Flushed = _flushed,
                Failure = _failure,
                Completed = _completed,
                Positions = positions,
            };
        }
    }

    /// <summary>Does what the coordinator wants of the slices of this term.</summary>
    public void Follow(SliceOrder order)
    {
        var wakes = false;
        lock (_gate)
        {
            if (order.Completed > _completed)
                Complete(order.Completed);
            if (order.Cut is not { } cut)
                return;
            if (cut.Interval > _gathered)
            {
                wakes = cut.Interval > _asked;
                Volatile.Write(ref _asked, cut.Interval);
            }
            else if (cut.Interval == _gathered)
            {
                Follow(cut);
            }
        }

        if (wakes)
            Pipeline?.Wake();
    }

    /// <summary>Ends every wait: the term is over.</summary>
    public void End() => _stop.Cancel();

    /// <summary>
    /// The runtime, for the slice's next term on this silo, once this session is disposed of: it stands at a cut, and if the next term goes on from there it still knows where its entities are, and in
    /// which state. In a new runtime each would have to be looked for, and go back to what is durable.
    /// </summary>
    /// <returns>Null where the slice does not stand at a cut, or not all that it sent is durable.</returns>
    public OrleansRuntime? Keep()
    {
        lock (_gate)
        {
            _isKept = !_goesOn.Task.IsCompleted && _runtime.UnsavedBytes == 0;
            return _isKept ? _runtime : null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        if (Pipeline is not null)
            await Pipeline.DisposeAsync().ConfigureAwait(false);
        Task background;
        lock (_gate)
            background = _background;
        await background.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!_isKept)
            _runtime.Dispose();
        else if (_cut is { } cut)
            await _runtime.ForgetAsync(cut).ConfigureAwait(false);
    }

    private static TaskCompletionSource Pending() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static TaskCompletionSource Completed()
    {
        var completed = Pending();
        completed.SetResult();
        return completed;
    }

    private void Follow(CutOrder cut)
    {
        if (cut.Phase > CutPhase.Gather)
            _offsets = null;
        if (cut.Phase == CutPhase.Erase && _erasing < cut.Interval)
        {
            _erasing = cut.Interval;
            Run(() => EraseAsync(cut));
        }

        if (cut.Phase >= CutPhase.Publish && !cut.IsLast)
            GoOn();
        if (cut.Phase == CutPhase.Flush && _flushing < cut.Interval)
        {
            _flushing = cut.Interval;
            var flushed = _cut!;
            Run(() => FlushAsync(flushed));
        }
    }

    private void Complete(long interval)
    {
        _completed = interval;
        _completedAt = _time.GetTimestamp();
        if (_cut is not { } cut || cut.Interval > interval)
            return;
        _cut = null;
        var saved = _saved;
        Run(async () =>
        {
            await _runtime.ForgetAsync(cut).ConfigureAwait(false);
            saved.TrySetResult();
        });
    }

    private void GoOn()
    {
        if (_goesOn.TrySetResult())
            GrainsInstruments.CutPause.Record(_time.GetElapsedTime(_gatheredAt).TotalSeconds);
    }

    /// <summary>One after the other, while the pipeline goes on.</summary>
    private void Run(Func<Task> work)
    {
        var before = _background;
        _background = Task.Run(async () =>
        {
            await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                await work().ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                // The term is over.
            }
            catch (Exception exception)
            {
                Fail(exception);
            }
        });
    }

    private async Task PublishedAsync(long interval, Task published)
    {
        try
        {
            await published.WaitAsync(_stop.Token).ConfigureAwait(false);
            lock (_gate)
                _publishedCut = Math.Max(_publishedCut, interval);
            _report();
        }
        catch (OperationCanceledException)
        {
            // The term is over.
        }
    }

    private async Task EraseAsync(CutOrder cut)
    {
        await _runtime.EraseAtCutAsync(cut.Erasures, calls: Slice.Number == 0, _stop.Token).ConfigureAwait(false);
        lock (_gate)
            _erased = cut.Interval;
        _report();
    }

    private async Task FlushAsync(Cut cut)
    {
        for (var attempt = 1; !await _runtime.FlushAsync(cut, _stop.Token).ConfigureAwait(false); attempt++)
        {
            GrainsInstruments.CheckpointFailures.Add(1);
            var pauseMs = Math.Min(10_000, 20 << Math.Min(attempt, 9)) * (0.5 + Random.Shared.NextDouble());
            await Task.Delay(TimeSpan.FromMilliseconds(pauseMs), _time, _stop.Token).ConfigureAwait(false);
        }

        lock (_gate)
            _flushed = cut.Interval;
        _report();
    }

    private long[] GuardsOf(int source, string topic, IReadOnlyList<PartitionCheckpoint> partitions)
    {
        var guards = new long[Math.Max(_published[source].Length, partitions.Where(partition => partition.Topic == topic).Select(partition => partition.Partition + 1).DefaultIfEmpty().Max())];
        for (var partition = 0; partition < _published[source].Length; partition++)
            guards[partition] = Slice.Has(partition) ? _published[source][partition] : 0;
        foreach (var partition in partitions.Where(partition => partition.Topic == topic))
            guards[partition.Partition] = Math.Max(guards[partition.Partition], partition.NextOffset);
        return guards;
    }

    private bool IsPast(TimeSpan wait) => _time.GetElapsedTime(Volatile.Read(ref _completedAt)) >= wait;
}
