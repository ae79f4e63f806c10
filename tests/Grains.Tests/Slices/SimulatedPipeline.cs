using FeatureStore.Grains.Slices;
using FeatureStore.Runtime;

namespace FeatureStore.Grains.Tests.Slices;

/// <summary>Consumes a slice of a simulated topic as ingest does: by event time, within the alignment of all other partitions; from S in silence to P, then publishing; a cut where one is awaited.</summary>
internal sealed class SimulatedPipeline : ISlicePipeline
{
    private readonly SlicePorts _ports;
    private readonly SimulatedTopic _topic;
    private readonly Random _random;
    private readonly int _pauseMs;
    private readonly Action? _starting;
    private readonly long[] _next;
    private readonly long _alignMs = (long)SlicedProject.Plan.Sources[0].Definition.Align.TotalMilliseconds;
    private readonly List<(long Sequence, List<(Payment, double[])> Predictions)> _waiting = [];
    private readonly List<(long Sequence, TaskCompletionSource Published)> _waiters = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _wake = new(0);
    private readonly TaskCompletionSource<Exception> _failure = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _running = Task.CompletedTask;
    private long[] _published = [];
    private int _instance;
    private long _applied;
    private long _committed;

    /// <param name="ports">What it works with.</param>
    /// <param name="topic">What it reads.</param>
    /// <param name="seed">Of its batches and pauses.</param>
    /// <param name="pauseMs">Longest pause after a batch, ms.</param>
    /// <param name="starting">Called where a start would wait for the broker.</param>
    public SimulatedPipeline(SlicePorts ports, SimulatedTopic topic, int seed, int pauseMs, Action? starting)
    {
        (_ports, _topic, _random, _pauseMs, _starting) = (ports, topic, new Random(seed), pauseMs, starting);
        _next = new long[topic.Log.Length];
    }

    public Task<Exception> Failure => _failure.Task;

    public PipelineStatus Current => new() { Phase = PipelinePhase.Running, TimeMs = 0 };

    public Task StartAsync()
    {
        _starting?.Invoke();
        (_instance, _published) = _topic.Open(_ports.Slice.Number);
        foreach (var saved in _ports.Checkpoints.Last?.Partitions ?? [])
            _next[saved.Partition] = saved.NextOffset;
        foreach (var partition in Own())
        {
            if (_next[partition] > _published[partition])
                _topic.Note($"S of partition {partition} is {_next[partition]}, beyond P {_published[partition]}");
        }

        _ports.Runtime.BeginSource(0, new long[_next.Length], _published);
        _running = Task.WhenAll(Task.Run(ReadAsync), Task.Run(PublishAsync));
        return Task.CompletedTask;
    }

    public void Wake() => _wake.Release();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private IEnumerable<int> Own() => Enumerable.Range(0, _next.Length).Where(_ports.Slice.Has);

    private async Task ReadAsync()
    {
        try
        {
            var batch = new SlicedProject.Batch();
            var isChanged = false;
            while (true)
            {
                _stop.Token.ThrowIfCancellationRequested();
                if ((isChanged || _ports.Checkpoints.IsAwaited) && _ports.Checkpoints.IsDue)
                {
                    _ports.Checkpoints.Begin("cluster", [.. Own().Select(Checkpoint)], WhenPublished(_applied));
                    isChanged = false;
                }

                var isSilent = Own().Any(partition => _next[partition] < _published[partition]);
                var payments = LetThrough(isSilent);
                if (payments.Count == 0)
                {
                    Report(isSilent);
                    _ports.Alignment.EndRound();
                    if (await _wake.WaitAsync(TimeSpan.FromMilliseconds(5), _stop.Token))
                    {
                        while (_wake.Wait(0))
                        {
                        }
                    }

                    continue;
                }

                batch.Fill([.. payments]);
                _topic.Applying(_ports.Slice, _alignMs, payments);
                await _ports.Runtime.ApplyAsync(batch.Apply, CancellationToken.None);
                _topic.Applied(payments);
                Report(isSilent);
                _ports.Alignment.EndRound();
                isChanged = true;
                if (!isSilent)
                {
                    lock (_waiting)
                        _waiting.Add((++_applied, [.. payments.Select((payment, row) => (payment, batch.Vector(row)))]));
                }

                if (_pauseMs > 0)
                    await Task.Delay(_random.Next(_pauseMs + 1), _stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // It ends where it is.
        }
        catch (Exception exception)
        {
            _failure.TrySetResult(exception);
        }
    }

    /// <summary>Some of the next events, the earliest first.</summary>
    private List<Payment> LetThrough(bool isSilent)
    {
        List<Payment> payments = [];
        for (var left = 1 + _random.Next(18); left > 0; left--)
        {
            var ready = Own().Where(partition => _next[partition] < (isSilent ? _published[partition] : _topic.Log[partition].Length)).ToList();
            if (ready.Count == 0)
                break;
            // Times differ, and of one partition they rise: the earliest is never the alignment ahead of the slice's others.
            var first = ready.MinBy(partition => Head(partition).TimeMs);
            if (Head(first).TimeMs > _topic.ArrivedMs || Head(first).TimeMs > _ports.Alignment.BoundMs(0, Head(first).TimeMs, _alignMs, null) || payments.Count > 0 && Head(first).TimeMs > payments[0].TimeMs + _alignMs / 2)
                break;
            payments.Add(Head(first));
            _next[first]++;
        }

        return payments;
    }

    private Payment Head(int partition) => _topic.Log[partition][_next[partition]];

    private void Report(bool isSilent)
    {
        var open = Own().Where(partition => _next[partition] < _topic.Log[partition].Length).ToList();
        var leastMs = open.Where(partition => isSilent && _next[partition] < _published[partition]).Select(partition => Head(partition).TimeMs - _alignMs + 1).DefaultIfEmpty(long.MinValue).Min();
        var positionMs = open.Select(partition => Math.Max(Head(partition).TimeMs, isSilent && _next[partition] >= _published[partition] ? leastMs : long.MinValue)).DefaultIfEmpty(long.MaxValue).Min();
        _ports.Alignment.Report(0, positionMs, positionMs, long.MaxValue);
    }

    private async Task PublishAsync()
    {
        try
        {
            while (true)
            {
                await Task.Delay(3, _stop.Token);
                List<(long Sequence, List<(Payment, double[])> Predictions)> batches;
                lock (_waiting)
                {
                    batches = [.. _waiting];
                    _waiting.Clear();
                }

                if (batches.Count == 0)
                    continue;
                _topic.Publish(_ports.Slice.Number, _instance, [.. batches.SelectMany(batch => batch.Predictions)]);
                lock (_waiting)
                {
                    _committed = batches[^1].Sequence;
                    foreach (var (_, published) in _waiters.FindAll(waiter => waiter.Sequence <= _committed))
                        published.SetResult();
                    _waiters.RemoveAll(waiter => waiter.Sequence <= _committed);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // What is not published is answered by whoever comes next.
        }
        catch (Exception exception)
        {
            _failure.TrySetResult(exception);
        }
    }

    private Task WhenPublished(long sequence)
    {
        lock (_waiting)
        {
            if (sequence <= _committed)
                return Task.CompletedTask;
            var published = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiters.Add((sequence, published));
            return published.Task;
        }
    }

    private PartitionCheckpoint Checkpoint(int partition) => new()
    {
        Topic = "payments",
        Partition = partition,
        NextOffset = _next[partition],
        NewestMs = 0,
        WitnessOffset = -1,
        WitnessTimestampMs = -1,
        WitnessHash = 0,
        SeenIds = [],
    };
}
