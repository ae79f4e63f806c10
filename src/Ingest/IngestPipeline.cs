using FeatureStore.Core.Plans;
using FeatureStore.Ingest.Kafka;
using FeatureStore.Ingest.Pipeline;
using FeatureStore.Runtime;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Ingest;

/// <summary>From Kafka through the runtime and the models back to Kafka, exactly once: composes the parts, starts and stops them, and reports.</summary>
public sealed partial class IngestPipeline : IPipelineStatus, IAsyncDisposable
{
    private readonly ProjectPlan _plan;
    private readonly KafkaConnection _connection;
    private readonly IEntityRuntime _runtime;
    private readonly ICheckpoints _checkpoints;
    private readonly IModelCatalog _models;
    private readonly IDeadLetterLog _deadLetters;
    private readonly IngestOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<IngestPipeline> _logger;
    private readonly Func<CheckpointStatus?> _checkpointStatus;
    private readonly TaskCompletionSource<Exception> _failure = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SliceAlignment? _slices;
    private readonly WakeSignal _wake = new();
    private List<KafkaEventSource> _sources = [];
    private KafkaSink? _sink;
    private Publisher? _publisher;
    private Pump? _pump;
    private StatusReporter? _reporter;
    private volatile PipelineStatus _current;

    /// <param name="plan">The compiled definitions.</param>
    /// <param name="connection">Where the topics are.</param>
    /// <param name="runtime">Applies events; its state is that of <paramref name="checkpoints"/>' last checkpoint.</param>
    /// <param name="checkpoints">Make state durable.</param>
    /// <param name="checkpointStatus">The newest checkpoint, to report.</param>
    /// <param name="models">The models that score.</param>
    /// <param name="deadLetters">Gets every dead letter, for operators.</param>
    /// <param name="options">Settings.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Log.</param>
    /// <param name="slices">Where the stream's other slices are; null where there are none.</param>
    public IngestPipeline(
        ProjectPlan plan, KafkaConnection connection, IEntityRuntime runtime, ICheckpoints checkpoints, Func<CheckpointStatus?> checkpointStatus,
        IModelCatalog models, IDeadLetterLog deadLetters, IngestOptions options, TimeProvider time, ILogger<IngestPipeline> logger,
        SliceAlignment? slices = null)
    {
        ArgumentNullException.ThrowIfNull(time);
        _plan = plan;
        _connection = connection;
        _runtime = runtime;
        _checkpoints = checkpoints;
        _checkpointStatus = checkpointStatus;
        _models = models;
        _deadLetters = deadLetters;
        _options = options;
        _time = time;
        _logger = logger;
        _slices = slices;
        _current = new PipelineStatus { Phase = PipelinePhase.Starting, TimeMs = _time.GetUtcNow().ToUnixTimeMilliseconds() };
    }

    /// <inheritdoc/>
    public PipelineStatus Current => _current;

    /// <summary>Completes, with the reason, when the pipeline cannot go on.</summary>
    public Task<Exception> Failure => _failure.Task;

    /// <summary>Reaches the broker, finds S and P, and begins to read.</summary>
    /// <exception cref="IngestConfigurationException">It cannot work as configured.</exception>
    public async Task StartAsync()
    {
        var rehearsal = _options.Rehearses ? Task.Run(() => Rehearsal.Run(_plan, _models, _options, _time)) : Task.CompletedTask;
        var group = $"featurestore.{_plan.Definition.Project}";
        var partitions = await PrepareTopicsAsync().ConfigureAwait(false);
        _sources = [.. _plan.TopicSources.Select((source, index) => new KafkaEventSource(
            _connection, group, source.Definition.Kafka!.Topic, partitions[index], _wake, _options.KafkaTimeout))];
        _sink = new KafkaSink(_connection, _options.Transactional ? _options.Slice.IsWhole ? group : $"{group}.{_options.Slice.Number}" : null, _sources, _options.KafkaTimeout);
        var published = _sink.Open([.. _sources.SelectMany(source => Enumerable.Range(0, source.Partitions).Select(partition => (source.Topic, partition)))]);
        var clusterId = _sources[0].ClusterId;
        CheckCluster(clusterId);
        var lanes = _plan.TopicSources.Select((source, index) => OpenLane(source, _sources[index], published)).ToArray();
        _publisher = new Publisher(_sink, _options, _time, _logger, Fail);
        var writer = new PredictionWriter(_plan, _models, _deadLetters, _time);
        _pump = new Pump(lanes, _runtime, _checkpoints, writer, _publisher, _options, _time, _wake, clusterId, Fail, _slices);
        foreach (var lane in lanes)
            _runtime.BeginSource(lane.Source.Index, lane.ByNumber(partition => partition.FirstOffset, 0), lane.ByNumber(partition => partition.Published, 0));

        for (var index = 0; index < lanes.Length; index++)
            _sources[index].Start(lanes[index].ByNumber(partition => partition.StartOffset, -1));
        _publisher.Start();
        PublishStart(lanes);
        await rehearsal.ConfigureAwait(false);
        _pump.Start();
        _reporter = new StatusReporter(lanes, _runtime, _pump, _publisher, _checkpointStatus, _time, _logger, Publish);
        _reporter.Start();
    }

    /// <summary>Has the pipeline look at once whether a checkpoint is awaited.</summary>
    public void Wake() => _wake.Set();

    /// <summary>Drains: what was read is applied, scored and committed, and a last checkpoint saved.</summary>
    /// <returns>Whether all of it was done in time. Nothing is lost where it was not: the next start goes on from what is durable.</returns>
    public async Task<bool> StopAsync(TimeSpan timeout)
    {
        var start = _time.GetTimestamp();
        TimeSpan Left() => timeout - _time.GetElapsedTime(start) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero;
        if (_reporter is not null)
            await _reporter.StopAsync().ConfigureAwait(false);
        if (_pump is null || _publisher is null || _failure.Task.IsCompleted)
            return false;
        SetPhase(PipelinePhase.Draining, null);
        var drained = await Task.Run(() => _pump.Stop(Left()) && _publisher.Complete(Left())).ConfigureAwait(false);
        if (drained)
            await Task.WhenAny(_checkpoints.CompleteAsync(), Task.Delay(Left(), _time)).ConfigureAwait(false);
        drained = drained && _checkpoints.CompleteAsync().IsCompletedSuccessfully && !_failure.Task.IsCompleted;
        if (!_failure.Task.IsCompleted)
            SetPhase(PipelinePhase.Stopped, drained ? "Stopped on request." : "Stopped on request, before all that was read was published and saved.");
        return drained;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_reporter is not null)
            await _reporter.DisposeAsync().ConfigureAwait(false);
        // Every wait ends before any part goes; and records are given back, and clients closed, before the memory they use is freed.
        _pump?.Abort();
        _sink?.Interrupt();
        _publisher?.Stop();
        _pump?.Dispose();
        _sink?.Dispose();
        _publisher?.Dispose();
        foreach (var source in _sources)
            source.Dispose();
        _wake.Dispose();
    }

    /// <summary>Commits where each partition starts: lag tools see it from the first moment, and the first real commit finds coordinators known.</summary>
    private void PublishStart(SourceLane[] lanes)
    {
        var start = _publisher!.Rent();
        start.ReadAt = _time.GetTimestamp();
        foreach (var lane in lanes)
        {
            foreach (var partition in lane.Partitions)
                start.Positions.Add((lane.Records.Topic, partition.Partition, partition.Published));
        }

        _publisher.Send(start, CancellationToken.None);
    }

    private void Fail(Exception exception)
    {
        if (!_failure.TrySetResult(exception))
            return;
        // What an operator has to mend needs its sentence, not the place in the code.
        LogFailed(exception is EventSourceException or SinkFencedException ? null : exception, exception.Message);
        SetPhase(PipelinePhase.Stopped, exception.Message);
        // One thread is gone: the others must not wait for it.
        _pump?.Abort();
    }

    private void Publish(PipelineStatus status)
    {
        if (!_failure.Task.IsCompleted)
            _current = status;
    }

    private void SetPhase(PipelinePhase phase, string? detail) =>
        _current = _current with { Phase = phase, Detail = detail, TimeMs = _time.GetUtcNow().ToUnixTimeMilliseconds() };

    /// <summary>Finds the sources' topics and makes the output topics that are missing.</summary>
    /// <returns>Partitions of each source's topic.</returns>
    private async Task<int[]> PrepareTopicsAsync()
    {
        using var admin = _connection.CreateAdmin();
        var outputs = _plan.Models.Where(model => model.On is not null).Select(model => (model.Definition.Sink!.Topic, model.On!))
            .Concat(_plan.TopicSources.Select(source => (source.Definition.DeadLetterTopic, source))).ToList();
        var counts = KafkaConnection.CountPartitions(
            admin, _plan.TopicSources.Select(source => source.Definition.Kafka!.Topic).Concat(outputs.Select(output => output.Item1)), _connection.Bootstrap, _options.KafkaTimeout);
        foreach (var source in _plan.TopicSources)
        {
            if (counts[source.Definition.Kafka!.Topic] == 0)
            {
                throw new IngestConfigurationException(
                    $"Topic \"{source.Definition.Kafka!.Topic}\" of source \"{source.Definition.Name}\" does not exist at \"{_connection.Bootstrap}\". Make it with as many partitions as its load needs.");
            }
        }

        var missing = outputs.Where(output => counts[output.Item1] == 0).DistinctBy(output => output.Item1)
            .ToDictionary(output => output.Item1, output => _options.OutputPartitions > 0 ? _options.OutputPartitions : counts[(output.Item2.Join?.Left ?? output.Item2).Definition.Kafka!.Topic]);
        await KafkaConnection.CreateTopicsAsync(admin, missing, _options.KafkaTimeout).ConfigureAwait(false);
        foreach (var (topic, partitions) in missing)
            LogTopicMade(topic, partitions);
        return [.. _plan.TopicSources.Select(source => counts[source.Definition.Kafka!.Topic])];
    }

    private void CheckCluster(string clusterId)
    {
        if (_checkpoints.Last is { ClusterId.Length: > 0 } last && clusterId.Length > 0 && last.ClusterId != clusterId && !_options.AcceptRecreatedTopics)
        {
            throw new IngestConfigurationException(
                $"The data were made from Kafka cluster \"{last.ClusterId}\"; \"{_connection.Bootstrap}\" is cluster \"{clusterId}\". " +
                "Use the old cluster, an empty data directory, or start once with --accept-recreated-topics.");
        }
    }

    private SourceLane OpenLane(SourcePlan source, KafkaEventSource records, IReadOnlyDictionary<(string Topic, int Partition), long> published)
    {
        var partitions = StartingPoints.Open(_plan, source, records, _checkpoints.Last, published, _options.AcceptRecreatedTopics, _time, _options.Slice);
        foreach (var partition in partitions)
        {
            if (_options.Transactional && partition.Witness.Offset >= 0 && !published.ContainsKey((records.Topic, partition.Partition)))
                LogPublishedLost(records.Topic, partition.Partition, partition.NextOffset);
            if (partition.Published > partition.NextOffset)
                LogReplay(records.Topic, partition.Partition, partition.NextOffset, partition.Published);
        }

        return new SourceLane(_plan, source, records, partitions);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Ingest has stopped: {Reason}")]
    private partial void LogFailed(Exception? exception, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Made topic {Topic} with {Partitions} partitions")]
    private partial void LogTopicMade(string topic, int partitions);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Topic}/{Partition}: the group's committed offset is gone, so predictions for records from {Offset} on are sent, even if they were before. Let brokers keep offsets longer than the store may be down (offsets.retention.minutes)")]
    private partial void LogPublishedLost(string topic, int partition, long offset);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Topic}/{Partition}: applying offsets {From} to {To} again in silence; their predictions are published already")]
    private partial void LogReplay(string topic, int partition, long from, long to);
}
