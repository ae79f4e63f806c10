using System.Collections.Concurrent;
using FeatureStore.Ingest.Kafka;
using FeatureStore.Runtime;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>
/// The sending side: sends batches in their order and commits them with cursor P, at least once in <see cref="IngestOptions.PublishInterval"/>. What is sent
/// stays in memory until its commit; an aborted transaction is sent again from there. One thread of its own. To end, the order is <see cref="Stop"/>, then
/// the sink's disposal, then this one's: a client may read what is sent until it is closed.
/// </summary>
internal sealed partial class Publisher : IDisposable
{
    /// <summary>Longest value, in bytes, of a dead letter that is not cut any more.</summary>
    private const int DeadLetterBytesMin = 1024;

    private readonly IPredictionSink _sink;
    private readonly IngestOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Handover<OutgoingBatch> _queue;
    private readonly ConcurrentBag<OutgoingBatch> _pool = [];
    private readonly List<OutgoingBatch> _uncommitted = [];
    private readonly Dictionary<(string Topic, int Partition), long> _positions = [];
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
        _queue = new Handover<OutgoingBatch>(options.BatchesMax);
        _thread = new Thread(Run) { IsBackground = true, Name = "publisher" };
    }

    /// <summary>Latencies of the batches committed since this was last taken, in ms.</summary>
    public ConcurrentQueue<(double Ms, int Records)> Latencies { get; } = new();

    /// <summary>Why nothing can be published at the moment; null where it can.</summary>
    public string? Trouble { get; private set; }

    /// <summary>Batches that wait to be sent; at most <see cref="IngestOptions.BatchesMax"/>.</summary>
    public int Waiting => _queue.Count;

    public void Start() => _thread.Start();

    public OutgoingBatch Rent() => _pool.TryTake(out var batch) ? batch : new OutgoingBatch();

    /// <summary>Hands over a batch; waits where too many are under way.</summary>
    public void Send(OutgoingBatch batch, CancellationToken cancellationToken) => _queue.Add(batch, cancellationToken);

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
    /// <returns>Whether all of it was committed in time.</returns>
    public bool Complete(TimeSpan timeout)
    {
        _queue.Complete();
        return (!_thread.IsAlive || _thread.Join(timeout)) && _queue.IsOver && _uncommitted.Count == 0;
    }

    /// <summary>Ends as soon as the sink lets go. What is not committed is answered at the next start.</summary>
    public void Stop()
    {
        _stop.Cancel();
        if (_thread.IsAlive)
            _thread.Join();
    }

    public void Dispose()
    {
        Stop();
        while (_queue.TryTake(out var batch))
            _pool.Add(batch);
        foreach (var batch in _pool.Concat(_uncommitted))
            batch.Dispose();
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
                Transact(batch, waits: true);
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

    /// <summary>Sends and commits what has been handed over, if anything, and waits for no more. What the thread does again and again, but for the waiting.</summary>
    internal bool PublishOnce()
    {
        if (!_queue.TryTake(out var batch))
            return false;
        Transact(batch, waits: false);
        return true;
    }

    /// <summary>Sends and commits a batch and those that follow it within the interval.</summary>
    private void Transact(OutgoingBatch first, bool waits)
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
                if (leftMs <= 0 || !_queue.TryTake(out var next, waits ? leftMs : 0, _stop.Token))
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

        (string, int, long)[] positions = [.. _positions.Select(position => (position.Key.Topic, position.Key.Partition, position.Value))];
        while (true)
        {
            try
            {
                _sink.Commit(positions);
                break;
            }
            catch (SinkPendingException exception)
            {
                Trouble = exception.Message;
                LogPending(exception, _uncommitted.Count);
                _stop.Token.ThrowIfCancellationRequested();
            }
        }

        Trouble = null;
        IngestInstruments.CommitDuration.Record(_time.GetElapsedTime(start).TotalSeconds);
    }

    private void SendAgain(SinkAbortedException exception)
    {
        for (var attempt = 1; ; attempt++)
        {
            var pauseMs = Math.Min(5000, 50 << Math.Min(attempt, 7));
            Trouble = exception.Message;
            LogAborted(exception, attempt, _uncommitted.Count, pauseMs);
            IngestInstruments.Aborts.Add(1);
            if (exception.IsRecordTooLarge)
                CutDeadLetters(exception);
            Task.Delay(TimeSpan.FromMilliseconds(pauseMs), _time, _stop.Token).GetAwaiter().GetResult();
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

    /// <summary>Cuts the longest dead letters to half of their length: a topic that does not take one must not stop the stream.</summary>
    private void CutDeadLetters(SinkAbortedException exception)
    {
        var longest = _uncommitted.Max(batch => batch.DeadLetters.Select(letter => letter.Record.Value?.Length ?? 0).DefaultIfEmpty().Max());
        if (longest <= DeadLetterBytesMin)
        {
            throw new IngestConfigurationException(
                $"{exception.Message} It is no dead letter, which could be cut: a prediction is larger than its topic takes. Raise the topic's max.message.bytes.", exception);
        }

        LogCut(longest / 2);
        foreach (var batch in _uncommitted)
            batch.CutDeadLetters(longest / 2);
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "The broker has not answered a commit of {Batches} batches yet; it is asked again")]
    private partial void LogPending(Exception exception, int batches);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A dead-letter topic takes no record as large as the one refused; the values of dead letters are cut to {Bytes} bytes. Raise the topic's max.message.bytes")]
    private partial void LogCut(int bytes);
}
