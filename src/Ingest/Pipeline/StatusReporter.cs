using FeatureStore.Runtime;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>Takes a snapshot of the pipeline every second, and says in the log how catching up goes.</summary>
internal sealed partial class StatusReporter : IAsyncDisposable
{
    private const int LogEverySnapshots = 5;

    /// <summary>Records behind from which catching up is worth a line in the log.</summary>
    private const long LagWorthSaying = 50_000;

    private readonly SourceLane[] _sources;
    private readonly IEntityRuntime _runtime;
    private readonly Pump _pump;
    private readonly Publisher _publisher;
    private readonly Func<CheckpointStatus?> _checkpoint;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Action<PipelineStatus> _publish;
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<PartitionLane, (long Events, long EndOffset)> _before = [];
    private Task _running = Task.CompletedTask;
    private bool _asksBroker;
    private bool _wasLive;
    private int _snapshots;

    public StatusReporter(
        SourceLane[] sources, IEntityRuntime runtime, Pump pump, Publisher publisher, Func<CheckpointStatus?> checkpoint,
        TimeProvider time, ILogger logger, Action<PipelineStatus> publish)
    {
        _sources = sources;
        _runtime = runtime;
        _pump = pump;
        _publisher = publisher;
        _checkpoint = checkpoint;
        _time = time;
        _logger = logger;
        _publish = publish;
    }

    public void Start() => _running = Task.Run(RunAsync);

    public async Task StopAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100), _time);
        var last = _time.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
            {
                // Readiness is news at once; the rest is worth a look a second.
                var elapsed = _time.GetElapsedTime(last);
                if (_pump.IsLive == _wasLive && elapsed < TimeSpan.FromSeconds(1))
                    continue;
                last = _time.GetTimestamp();
                Report(Math.Max(elapsed.TotalSeconds, 0.001));
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private void Report(double seconds)
    {
        if (_pump.IsLive && !_wasLive)
            LogLive();
        _wasLive = _pump.IsLive;
        _asksBroker = true;
        var sources = _sources.Select(source => new SourceStatus
        {
            Name = source.Source.Definition.Name,
            Topic = source.Records.Topic,
            StreamTimeMs = _runtime.StreamTimeMs(source.Source.Index),
            Partitions = [.. source.Partitions.Select(partition => Snapshot(source.Records, partition, seconds))],
        }).ToList();
        var lag = sources.Sum(source => source.Partitions.Sum(partition => partition.LagRecords));
        var rate = sources.Sum(source => source.Partitions.Sum(partition => partition.EventsPerSecond));
        var detail = _publisher.Trouble;
        if (detail is null && lag >= LagWorthSaying && rate > 0)
        {
            detail = $"Catching up: {rate:N0} events/s, {lag:N0} records left, about {lag / rate:N0} s.";
            if (_snapshots++ % LogEverySnapshots == 0)
                LogCatchingUp(rate, lag, lag / rate);
        }

        _publish(new PipelineStatus
        {
            Phase = _pump.IsLive ? PipelinePhase.Running : PipelinePhase.Replaying,
            Detail = detail,
            TimeMs = _time.GetUtcNow().ToUnixTimeMilliseconds(),
            Sources = sources,
            Checkpoint = _checkpoint(),
            Publish = TakeLatencies(seconds),
        });
    }

    private PartitionStatus Snapshot(IEventSource records, PartitionLane partition, double seconds)
    {
        var (eventsBefore, end) = _before.GetValueOrDefault(partition, (0, -1));
        try
        {
            if (_asksBroker && !_stop.IsCancellationRequested)
                end = records.QueryOffsets(partition.Partition).End;
        }
        catch (EventSourceException)
        {
            // The last known end stays, and one time-out a snapshot is enough.
            _asksBroker = false;
        }

        var (events, position) = (partition.EventsApplied, partition.Position);
        _before[partition] = (events, end);
        var ageMs = partition.Witness.TimestampMs < 0 ? 0 : Math.Max(0, _time.GetUtcNow().ToUnixTimeMilliseconds() - partition.Witness.TimestampMs);
        return new PartitionStatus
        {
            Partition = partition.Partition,
            State = partition.IsHeldBack ? PartitionState.HeldBack : position >= end ? PartitionState.Idle : PartitionState.Active,
            Position = position,
            EndOffset = end,
            LagMs = position < end ? ageMs : 0,
            FreshnessMs = partition.Witness.Offset < 0 ? null : partition.FreshnessMs,
            EventsPerSecond = (events - eventsBefore) / seconds,
        };
    }

    private PublishStatus? TakeLatencies(double seconds)
    {
        List<double> latencies = [];
        var records = 0L;
        while (_publisher.Latencies.TryDequeue(out var latency))
        {
            latencies.Add(latency.Ms);
            records += latency.Records;
        }

        if (latencies.Count == 0)
            return null;
        latencies.Sort();
        return new PublishStatus(latencies[latencies.Count / 2], latencies[(int)(latencies.Count * 0.99)], records / seconds);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Ready: all that was published is applied")]
    private partial void LogLive();

    [LoggerMessage(Level = LogLevel.Information, Message = "Catching up: {EventsPerSecond:N0} events/s, {Records:N0} records left, about {Seconds:N0} s")]
    private partial void LogCatchingUp(double eventsPerSecond, long records, double seconds);
}
