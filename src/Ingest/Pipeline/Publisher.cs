using System.Collections.Concurrent;
using FeatureStore.Runtime;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>
/// The sending side: sends batches in their order and commits them with cursor P, at least once in <see cref="IngestOptions.PublishInterval"/>. What is sent
/// stays in memory until its commit; an aborted transaction is sent again from there. One thread of its own.
/// </summary>
internal sealed partial class Publisher : IDisposable
{
    private readonly IPredictionSink _sink;
    private readonly IngestOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly BlockingCollection<OutgoingBatch> _queue;
    private readonly ConcurrentBag<OutgoingBatch> _pool = [];
    private readonly List<OutgoingBatch> _uncommitted = [];
    private readonly Dictionary<(string, int), long> _positions = [];
    private readonly Lock _waitersGate = new();
    private readonly List<(long Sequence, TaskCompletionSource Completion)> _waiters = [];
    private readonly Thread _thread;
    private readonly Action<Exception> _fail;
    private readonly CancellationTokenSource _stop = new();
    private long _committed;

    public Publisher(IPredictionSink sink, IngestOptions options, TimeProvider time, ILogger logger, Action<Exception> fail)
    {
        _sink = sink;
        _options = options;
        _time = time;
        _logger = logger;
        _fail = fail;
        _queue = new BlockingCollection<OutgoingBatch>(options.BatchesMax);
        _thread = new Thread(Run) { IsBackground = true, Name = "publisher" };
    }

    /// <summary>Latencies of the batches committed since this was last taken, in ms.</summary>
    public ConcurrentQueue<(double Ms, int Records)> Latencies { get; } = new();

    public void Start() => _thread.Start();

    public OutgoingBatch Rent() => _pool.TryTake(out var batch) ? batch : new OutgoingBatch();

    /// <summary>Hands over a batch; waits where too many are under way.</summary>
    public void Send(OutgoingBatch batch) => _queue.Add(batch, _stop.Token);

    /// <summary>Completes when a batch and all before it are committed.</summary>
    public Task WhenPublished(long sequence)
    {
        lock (_waitersGate)
        {
            if (sequence <= _committed)
                return Task.CompletedTask;
            var completion = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiters.Add((sequence, completion));
            return completion.Task;
        }
    }

    /// <summary>Commits what was handed over, and ends.</summary>
    public void Complete(TimeSpan timeout)
    {
        _queue.CompleteAdding();
        if (_thread.IsAlive && !_thread.Join(timeout))
            LogNotDrained(timeout.TotalSeconds);
    }

    public void Dispose()
    {
        _stop.Cancel();
        if (_thread.IsAlive)
            _thread.Join();
        foreach (var batch in _pool.Concat(_uncommitted).Concat(_queue))
            batch.Dispose();
        _queue.Dispose();
        _stop.Dispose();
    }

    private void Run()
    {
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                if (!_queue.TryTake(out var batch, Timeout.Infinite, _stop.Token))
                    return;
                Transact(batch);
            }
        }
        catch (OperationCanceledException)
        {
            // Asked to end without draining: what is not committed will be answered again from P.
        }
        catch (Exception exception)
        {
            _fail(exception);
        }
    }

    /// <summary>Sends and commits a batch and those that follow it within the interval.</summary>
    private void Transact(OutgoingBatch first)
    {
        _uncommitted.Add(first);
        var start = _time.GetTimestamp();
        var bytes = first.Bytes;
        try
        {
            _sink.Begin();
            Send(_sink, first);
            while (bytes < _options.PublishBytesMax)
            {
                var leftMs = (int)Math.Ceiling((_options.PublishInterval - _time.GetElapsedTime(start)).TotalMilliseconds);
                if (leftMs <= 0 || !_queue.TryTake(out var next, leftMs, _stop.Token))
                    break;
                _uncommitted.Add(next);
                bytes += next.Bytes;
                Send(_sink, next);
            }

            Commit();
        }
        catch (SinkAbortedException exception)
        {
            SendAgain(exception);
        }

        Finish();
    }

    private void Commit()
    {
        var start = _time.GetTimestamp();
        _positions.Clear();
        foreach (var batch in _uncommitted)
        {
            foreach (var (topic, partition, nextOffset) in batch.Positions)
                _positions[(topic, partition)] = nextOffset;
        }

        _sink.Commit([.. _positions.Select(position => (position.Key.Item1, position.Key.Item2, position.Value))]);
        IngestInstruments.CommitDuration.Record(_time.GetElapsedTime(start).TotalSeconds);
    }

    private void SendAgain(SinkAbortedException exception)
    {
        for (var attempt = 1; ; attempt++)
        {
            var pauseMs = Math.Min(5000, 50 << Math.Min(attempt, 7));
            LogAborted(exception, attempt, _uncommitted.Count, pauseMs);
            IngestInstruments.Aborts.Add(1);
            if (_stop.Token.WaitHandle.WaitOne(pauseMs))
                throw new OperationCanceledException(_stop.Token);
            try
            {
                _sink.Begin();
                foreach (var batch in _uncommitted)
                    Send(_sink, batch);
                Commit();
                return;
            }
            catch (SinkAbortedException again)
            {
                exception = again;
            }
        }
    }

    private static void Send(IPredictionSink sink, OutgoingBatch batch)
    {
        foreach (var topic in batch.Topics)
            sink.Send(topic, batch.RecordsOf(topic));
        foreach (var (topic, record) in batch.DeadLetters)
            sink.Send(topic, record);
    }

    private void Finish()
    {
        List<TaskCompletionSource> done = [];
        lock (_waitersGate)
        {
            _committed = _uncommitted[^1].Sequence;
            for (var index = _waiters.Count - 1; index >= 0; index--)
            {
                if (_waiters[index].Sequence > _committed)
                    continue;
                done.Add(_waiters[index].Completion);
                _waiters.RemoveAt(index);
            }
        }

        foreach (var completion in done)
            completion.SetResult();
        foreach (var batch in _uncommitted)
        {
            var latency = _time.GetElapsedTime(batch.ReadAt);
            IngestInstruments.PublishLatency.Record(latency.TotalSeconds);
            if (Latencies.Count < 10_000)
                Latencies.Enqueue((latency.TotalMilliseconds, batch.RecordCount));
            batch.Clear();
            _pool.Add(batch);
        }

        _uncommitted.Clear();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "A transaction was undone (attempt {Attempt}); its {Batches} batches are sent again in {PauseMs} ms")]
    private partial void LogAborted(Exception exception, int attempt, int batches, int pauseMs);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Predictions could not be committed within {Seconds} s of stopping; they will be made again at the next start")]
    private partial void LogNotDrained(double seconds);
}
