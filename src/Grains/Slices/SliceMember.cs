using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Ownership;
using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Grains.Slices;

/// <summary>A silo's part in consuming a stream that is divided into slices: takes those that the coordinator gives it, a pipeline each, and gives them up when a term ends.</summary>
public sealed partial class SliceMember : IPipelineStatus, IAsyncDisposable
{
    private static readonly TimeSpan _beat = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(200);

    private readonly ClusterPlan _plan;
    private readonly EntityCells _cells;
    private readonly OrleansRuntimeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<SliceMember> _logger;
    private readonly Func<int, OrleansRuntime> _runtimes;
    private readonly ISliceCoordinatorGrain _coordinator;
    private readonly TaskCompletionSource<Exception> _failure = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _news = new(1);
    private readonly Lock _gate = new();
    private Func<SlicePorts, ISlicePipeline>? _open;
    private Func<Exception, bool> _isLasting = _ => false;
    private Task _running = Task.CompletedTask;
    private Task _transition = Task.CompletedTask;
    private List<SliceSession> _sessions = [];

    /// <summary>Of the term's slices.</summary>
    private StreamAlignment? _alignment;
    private SliceOrder? _order;
    private SliceClock _clock;
    private CheckpointStatus? _checkpoint;
    private long _gapBegan;
    private volatile bool _isDraining;
    private volatile bool _isEnded;
    private volatile bool _wasRunning;

    internal SliceMember(ClusterPlan plan, IServiceProvider services, OrleansRuntimeOptions options, TimeProvider time, ILogger<SliceMember> logger)
    {
        _plan = plan;
        _cells = services.GetRequiredService<EntityCells>();
        _options = options;
        _time = time;
        _logger = logger;
        var grains = services.GetRequiredService<IGrainFactory>();
        _coordinator = grains.GetGrain<ISliceCoordinatorGrain>(plan.Project.Definition.Project);
        _runtimes = slice => new OrleansRuntime(
            plan, grains, services.GetRequiredService<EntityClient>(), _cells, services.GetRequiredService<OwnerView>(), services.GetRequiredService<EraseClient>(), options, time,
            services.GetRequiredService<ILogger<OrleansRuntime>>(), slice + 1);
    }

    /// <summary>Completes, with the reason, when this silo cannot have slices.</summary>
    public Task<Exception> Failure => _failure.Task;

    /// <summary>The slices that this silo consumes.</summary>
    public IReadOnlyList<int> Slices
    {
        get
        {
            lock (_gate)
                return [.. _sessions.Select(session => session.Slice.Number)];
        }
    }

    /// <inheritdoc/>
    public PipelineStatus Current
    {
        get
        {
            List<PipelineStatus> pipelines;
            lock (_gate)
                pipelines = [.. _sessions.Select(session => session.Pipeline?.Current).OfType<PipelineStatus>()];
            var status = SliceStatus.Merge(pipelines, _time.GetUtcNow().ToUnixTimeMilliseconds());
            var phase = _isEnded ? PipelinePhase.Stopped
                : _isDraining ? PipelinePhase.Draining
                : status.Phase == PipelinePhase.Running && (pipelines.Count > 0 || _order is { Term: > 0 }) ? PipelinePhase.Running
                // Whoever reads is served meanwhile: a term that begins is no reason to send them away.
                : _wasRunning ? PipelinePhase.Running
                : pipelines.Count > 0 ? status.Phase : PipelinePhase.Starting;
            _wasRunning |= phase == PipelinePhase.Running;
            return status with
            {
                Phase = phase,
                Detail = _failure.Task.IsCompletedSuccessfully ? _failure.Task.Result.Message
                    : status.Detail ?? (pipelines.Count == 0 ? "Consumes no slice of the stream at the moment." : status.Phase == phase ? null : "The slices of the stream are being taken up again."),
                Checkpoint = _checkpoint,
                Slices = Slices,
                SliceCount = _plan.Slices,
            };
        }
    }

    /// <summary>Joins those that consume. Once the silo has started.</summary>
    /// <param name="open">Makes the pipeline of a slice.</param>
    /// <param name="isLasting">Whether a failure would come again however often a pipeline is started: then this silo stops.</param>
    public void Start(Func<SlicePorts, ISlicePipeline> open, Func<Exception, bool> isLasting)
    {
        _open = open;
        _isLasting = isLasting;
        _running = Task.WhenAll(Task.Run(WatchAsync), Task.Run(ReportAsync));
    }

    /// <summary>Hands this silo's slices over to the others, at a cut, and leaves.</summary>
    /// <returns>Whether that was done in time. Nothing is lost where it was not: the others go on from the last checkpoint.</returns>
    public async Task<bool> StopAsync(TimeSpan timeout)
    {
        _isDraining = true;
        News();
        var isDrained = !_failure.Task.IsCompleted && await Task.WhenAny(_drained.Task, _failure.Task, Task.Delay(timeout, _time)).ConfigureAwait(false) == _drained.Task;
        await DisposeAsync().ConfigureAwait(false);
        return isDrained;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_isEnded)
            return;
        _isEnded = true;
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Task transition;
        lock (_gate)
        {
            Replace([]);
            transition = _transition;
        }

        await transition.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task WatchAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            var known = _order;
            await CallAsync(() => _coordinator.WatchAsync(_cells.Silo, known?.Coordinator ?? Guid.Empty, known?.Version ?? 0), isLong: true).ConfigureAwait(false);
        }
    }

    private async Task ReportAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            await ((Task)_news.WaitAsync(_beat, _stop.Token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await CallAsync(() => _coordinator.ReportAsync(Report(hasLeft: false))).ConfigureAwait(false);
            bool isDrained;
            lock (_gate)
                isDrained = _isDraining && _sessions.Count == 0 && _order?.Slices.Length == 0 && _transition.IsCompleted;
            if (!isDrained)
                continue;
            await CallAsync(() => _coordinator.ReportAsync(Report(hasLeft: true))).ConfigureAwait(false);
            _drained.TrySetResult();
            return;
        }
    }

    private MemberReport Report(bool hasLeft)
    {
        lock (_gate)
        {
            var (positions, waits) = _alignment?.Tell() ?? ([], []);
            foreach (var values in positions.Values)
                _clock.ToCoordinators(values);
            return new MemberReport
            {
                Silo = _cells.Silo,
                Fingerprint = _plan.Fingerprint,
                SliceCount = _plan.Slices,
                Term = _sessions.Count > 0 ? _order!.Term : 0,
                IsDraining = _isDraining,
                HasLeft = hasLeft,
                Slices = [.. _sessions.Select(session => session.Report(positions[session.Slice.Number]))],
                Waits = Array.ConvertAll(waits, wait => (byte)wait),
                Clock = _clock.Coordinator,
            };
        }
    }

    /// <param name="call">Asks the coordinator.</param>
    /// <param name="isLong">Whether it may let the silo wait for an answer.</param>
    private async Task CallAsync(Func<ValueTask<SliceOrder>> call, bool isLong = false)
    {
        var sentAt = NowTicks;
        try
        {
            Follow(await call().AsTask().WaitAsync(_stop.Token).ConfigureAwait(false), sentAt, isLong);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // This silo leaves.
        }
        catch (Exception exception)
        {
            // The coordinator's silo is gone, or this one is cut off: what was asked last stands until a coordinator says otherwise.
            LogOutOfReach(exception);
            await Task.Delay(_pause, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Follow(SliceOrder order, long sentAt, bool isLong)
    {
        if (order.Refusal is { } refusal)
        {
            Fail(new InvalidDataException(refusal));
            return;
        }

        lock (_gate)
        {
            // Two calls are under way at a time, and a coordinator that was replaced may still answer.
            if (_isEnded || order.Term < (_order?.Term ?? 0) || order.Coordinator == _order?.Coordinator && order.ClockTicks < _order.ClockTicks)
                return;
            if (!isLong || order.Coordinator != _clock.Coordinator)
                _clock = new SliceClock(order.Coordinator, order.ClockTicks - NowTicks, order.ClockTicks - sentAt);
            var begins = order.Term > (_order?.Term ?? 0);
            if (order.Completed > (_order?.Completed ?? 0) && order.CompletedMs > 0)
                _checkpoint = new CheckpointStatus(order.Completed, order.CompletedMs, order.SizeBytes, order.DurationMs);
            _order = order;
            if (begins)
                Replace(order.Slices);
            foreach (var session in _sessions)
                session.Follow(order);
            Align(order);
        }
    }

    /// <summary>Takes in where other silos' slices are.</summary>
    private void Align(SliceOrder order)
    {
        if (_alignment is null)
            return;
        Span<SlicePosition> others = new SlicePosition[_plan.Project.Sources.Count];
        Span<SliceWait> awaited = new SliceWait[others.Length];
        for (var source = 0; source < others.Length; source++)
        {
            others[source] = _clock.FromCoordinators(SlicePosition.Read(order.Others, source));
            awaited[source] = source < order.Awaited.Length ? (SliceWait)order.Awaited[source] : SliceWait.None;
        }

        _alignment.Follow(others, awaited);
    }

    /// <summary>Ends the slices of a term, and begins those of the next.</summary>
    private void Replace(int[] slices)
    {
        var ended = _sessions;
        _sessions = [];
        _alignment = null;
        _gapBegan = ended.Select(session => session.StandsSince).Min() ?? _time.GetTimestamp();
        foreach (var session in ended)
            session.End();
        GrainsInstruments.Slices.Record(slices.Length);
        var order = _order;
        var kept = ended.Where(session => slices.Contains(session.Slice.Number)).Select(session => (session.Slice.Number, Runtime: session.Keep()))
            .Where(slice => slice.Runtime is not null).ToDictionary(slice => slice.Number, slice => slice.Runtime!);
        var before = _transition;
        _transition = Task.Run(async () =>
        {
            await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await Task.WhenAll(ended.Select(session => session.DisposeAsync().AsTask())).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (slices.Length > 0)
                await BeginAsync(order!, slices, kept).ConfigureAwait(false);
            News();
        });
    }

    private async Task BeginAsync(SliceOrder order, int[] slices, Dictionary<int, OrleansRuntime> kept)
    {
        List<SliceSession> begun = [];
        try
        {
            if (await ReadRecordAsync(order).ConfigureAwait(false) is not { } record)
                return;
            lock (_gate)
            {
                if (_isEnded || _order!.Term != order.Term)
                    return;
                var alignment = new StreamAlignment(_plan.Project.Sources.Count, _time, News);
                foreach (var slice in slices)
                {
                    var goesOn = kept.TryGetValue(slice, out var runtime) && runtime.NewestCut == record.Header?.Sequence && kept.Remove(slice);
                    var session = new SliceSession(_plan, goesOn ? runtime! : _runtimes(slice), slice, record, order.Completed, _options, _time, News);
                    session.Pipeline = _open!(new SlicePorts(session.Slice, session, session, () => _checkpoint, alignment.Add(slice, () => session.Pipeline?.Wake())));
                    begun.Add(session);
                }

                (_sessions, _alignment) = (begun, alignment);
                Align(_order);
            }

            // Each start waits for the broker on its thread, several times.
            await Task.WhenAll(begun.Select(session => Task.Run(() => StartAsync(session)))).ConfigureAwait(false);
            GrainsInstruments.RebalanceGap.Record(_time.GetElapsedTime(_gapBegan).TotalSeconds);
        }
        catch (Exception exception)
        {
            Fail(exception);
        }
        finally
        {
            foreach (var runtime in kept.Values)
                runtime.Dispose();
        }
    }

    private async Task StartAsync(SliceSession session)
    {
        _ = session.Pipeline!.Failure.ContinueWith(failure => Fail(session, failure.Result), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        try
        {
            await session.Pipeline.StartAsync().ConfigureAwait(false);
            session.Started();
        }
        catch (Exception exception)
        {
            Fail(session, exception);
        }
    }

    private void Fail(SliceSession session, Exception exception)
    {
        if (_isLasting(exception))
            Fail(exception);
        session.Fail(exception);
    }

    private void Fail(Exception exception)
    {
        _failure.TrySetResult(exception);
        News();
    }

    /// <summary>The checkpoint's record as of the beginning of a term; null where that has ended.</summary>
    private async Task<OwnerRecord?> ReadRecordAsync(SliceOrder order)
    {
        for (; ; await Task.Delay(_pause, _time, _stop.Token).ConfigureAwait(false))
        {
            lock (_gate)
            {
                if (_isEnded || _order!.Term != order.Term)
                    return null;
            }

            try
            {
                var (bytes, _) = await GrainRecords.ReadAsync(_cells.Storage, ClusterNames.CheckpointState, _cells.CheckpointId, _stop.Token).ConfigureAwait(false);
                var record = OwnerRecord.Read(bytes);
                if (record.Header is { } header && header.LayoutFingerprint != _plan.Project.LayoutFingerprint)
                    GrainCheckpoints.MigrationOf(_plan, header);
                if (record.Term == order.Term)
                    return record;
            }
            catch (Exception exception) when (exception is not (InvalidDataException or OperationCanceledException))
            {
                LogOutOfReach(exception);
            }
        }
    }

    private long NowTicks => _time.GetElapsedTime(0).Ticks;

    private void News()
    {
        if (_news.CurrentCount == 0)
            _news.Release();
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "The coordinator of the slices, or the grain storage, is out of reach; it is asked again")]
    private partial void LogOutOfReach(Exception exception);
}
