using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using FeatureStore.Api;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Ingest;
using FeatureStore.Ingest.Kafka;
using FeatureStore.Registry;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using FeatureStore.Scoring;
using FeatureStore.Silo.Embedded;
using FeatureStore.Storage;
using FeatureStore.Storage.InMemory;
using FeatureStore.Storage.Redis;
using FeatureStore.Storage.Sqlite;
using Microsoft.AspNetCore.Connections;

namespace FeatureStore.Silo;

/// <summary>Puts the parts together, starts them in order, and stops them in the other.</summary>
internal sealed partial class SiloServer : IAsyncDisposable
{
    private const int CannotStart = 2;
    private const int EmbeddedPartitions = 4;
    private const int StreamSeed = 20180401;

    /// <summary>Below the grace period of an orchestrator.</summary>
    private static readonly TimeSpan _drainTimeout = TimeSpan.FromSeconds(25);

    /// <summary>How long a silo waits for the one that it finds the others through, where both start at once.</summary>
    private static readonly TimeSpan _primaryTimeout = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan _primaryPause = TimeSpan.FromMilliseconds(200);

    private readonly SiloOptions _options;
    private readonly Stack<IAsyncDisposable> _owned = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _stopRequested = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Ingestion? _ingestion;
    private IngestPipeline? _pipeline;
    private int _pipelines;

    private SiloServer(SiloOptions options) => _options = options;

    /// <summary>Runs the server until it is asked to stop, or fails.</summary>
    /// <returns>Exit code: 0 stopped on request, 1 failed while running, 2 cannot start.</returns>
    public static async Task<int> RunAsync(SiloOptions options)
    {
        await using var server = new SiloServer(options);
        // From here on, so that a request to stop counts even while the server starts.
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, server.RequestStop);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, server.RequestStop);
        try
        {
            var app = await server.StartAsync().ConfigureAwait(false);
            return await server.RunUntilStoppedAsync(app, server._ingestion).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is StartException or IngestConfigurationException or EventSourceException or SinkFencedException
            or EntityStoreException or ModelLoadException or InvalidDataException)
        {
            Console.Error.WriteLine(exception.Message);
            return CannotStart;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        while (_owned.TryPop(out var owned))
            await owned.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task<WebApplication> StartAsync()
    {
        var isEmbedded = _options.Kafka is null;
        var log = Own(LoggerFactory.Create(ConfigureLogging));
        var plan = ProjectPlan.Compile(LoadDefinitions());
        var models = Own(ModelCatalog.Load(_options.Models ?? Example("models"), plan.Models, new OnnxOptions()));
        var broker = isEmbedded ? StartBroker(plan) : null;
        var properties = _options.KafkaConfig is null ? [] : KafkaConnection.ReadProperties(_options.KafkaConfig);
        var connection = new KafkaConnection(broker?.Bootstrap ?? _options.Kafka!, properties, log.CreateLogger<KafkaConnection>());
        var publisher = Own(new KafkaEventPublisher(plan, connection));
        var deadLetters = new DeadLetterLog();
        var status = new ServingStatus();

        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls(_options.Urls).ConfigureKestrel(kestrel => kestrel.AddServerHeader = false);
        ConfigureLogging(builder.Logging);
        builder.Services
            .AddSingleton(plan)
            .AddSingleton<IModelCatalog>(models)
            .AddSingleton<IEventPublisher>(publisher)
            .AddSingleton<IPipelineStatus>(status)
            .AddSingleton<IDeadLetterLog>(deadLetters)
            .AddSingleton(new SiloIdentity(Environment.MachineName, _options.Cluster?.Roles ?? SiloIdentity.Default.Roles))
            .AddFeatureStoreApi();
        (IEntityRuntime Runtime, ICheckpoints Checkpoints, Func<CheckpointStatus?> Status)? state = null;
        if (_options.Cluster is null)
            state = OpenLocal(builder.Services, plan, isEmbedded, log);
        else
            ClusterRuntime.Add(builder, _options.Cluster, plan, await OpenRecordsAsync(plan, _options.Cluster).ConfigureAwait(false), OpenHotStore(plan));
        var app = builder.Build();
        _owned.Push(app);
        if (_options.Cluster is not null)
            ClusterRuntime.MapDashboard(app, _options.Cluster);
        app.MapFeatureStore();
        if (state is not null)
            Pipeline(state.Value);
        await StartHttpAsync(app).ConfigureAwait(false);
        if (_options.Cluster is { Ingests: true, Slices: > 1 })
        {
            _ingestion = ClusterRuntime.Join(app, Open);
            status.Follow(_ingestion.Status);
            return app;
        }

        if (_options.Cluster is { Ingests: true })
        {
            var owner = await ClusterRuntime.OwnAsync(app, _stop.Token).ConfigureAwait(false);
            _owned.Push(owner.Owned);
            Pipeline((owner.Runtime, owner.Checkpoints, owner.Status));
        }

        if (_pipeline is null)
            status.Serve();
        else
            await _pipeline.StartAsync().ConfigureAwait(false);
        if (isEmbedded)
            StartStream(plan, publisher, log.CreateLogger<SiloServer>());
        return app;

        void Pipeline((IEntityRuntime Runtime, ICheckpoints Checkpoints, Func<CheckpointStatus?> Status) of)
        {
            _pipeline = Open(default, of.Runtime, of.Checkpoints, of.Status, null);
            _owned.Push(_pipeline);
            _ingestion = new Ingestion(_pipeline, _pipeline.Failure, _pipeline.StopAsync);
            status.Follow(_pipeline);
        }

        IngestPipeline Open(Slice slice, IEntityRuntime runtime, ICheckpoints checkpoints, Func<CheckpointStatus?> checkpointStatus, SliceAlignment? slices) => new(
            plan, connection, runtime, checkpoints, checkpointStatus, models, deadLetters,
            IngestOptions(isEmbedded) with { Slice = slice, Rehearses = Interlocked.Increment(ref _pipelines) == 1 }, TimeProvider.System, log.CreateLogger<IngestPipeline>(), slices);
    }

    /// <summary>Opens the state in this process, and restores it.</summary>
    private (IEntityRuntime Runtime, ICheckpoints Checkpoints, Func<CheckpointStatus?> Status) OpenLocal(
        IServiceCollection services, ProjectPlan plan, bool isEmbedded, ILoggerFactory log)
    {
        IEntityStore store = isEmbedded ? new InMemoryEntityStore() : new SqliteEntityStore(_options.Data);
        Own(store);
        var runtime = Own(new LocalRuntime(plan, RuntimeOptions()));
        var checkpointer = new Checkpointer(plan, runtime, store, new CheckpointOptions(), TimeProvider.System, log.CreateLogger<Checkpointer>());
        _owned.Push(checkpointer);
        checkpointer.Restore();
        var changes = new LocalChangeFeed(runtime.ToTell, new LocalChangeFeedOptions(), TimeProvider.System);
        _owned.Push(changes);
        services.AddSingleton<IEntityRuntime>(runtime).AddSingleton<IChangeFeed>(changes);
        if (OpenHotStore(plan) is { } hotStore)
        {
            services.AddSingleton<IHotStore>(hotStore);
            var publisher = new HotPublisher(
                plan, runtime, runtime.ToPublish, hotStore, _ => new(checkpointer.Incarnation), new HotPublisherOptions(), TimeProvider.System, log.CreateLogger<HotPublisher>());
            _owned.Push(publisher);
            runtime.OnErased(publisher.PublishAsync);
        }

        return (runtime, checkpointer, () => checkpointer.Status);
    }

    private async Task StartHttpAsync(WebApplication app)
    {
        try
        {
            await app.StartAsync().ConfigureAwait(false);
        }
        catch (IOException exception) when (exception.InnerException is AddressInUseException)
        {
            throw new StartException($"\"{_options.Urls}\" is in use by another process. Choose another address with --urls.", exception);
        }
        catch (Exception exception) when (_options.Cluster is not null)
        {
            throw new StartException($"The silo cannot start: {exception.GetBaseException().Message.TrimEnd('.')}. See whether another process has its ports (--silo-port, --gateway-port, --urls), and whether {(_options.Cluster.Storage == "sqlite" ? "it has the same --data as the silo of --primary-port" : "--cluster-connection and --storage-connection are right")}.", exception);
        }
        catch (Exception exception) when (exception is IOException or SocketException or FormatException or InvalidOperationException)
        {
            throw new StartException($"HTTP cannot be served at \"{_options.Urls}\": {exception.Message.TrimEnd('.')}. Choose another address with --urls, as in http://127.0.0.1:8080.", exception);
        }
    }

    private async Task<int> RunUntilStoppedAsync(WebApplication app, Ingestion? ingestion)
    {
        await Task.WhenAny(_stopRequested.Task, ingestion?.Failure ?? _stopRequested.Task).ConfigureAwait(false);
        await _stop.CancelAsync().ConfigureAwait(false);
        if (ingestion is null)
        {
            await app.StopAsync().ConfigureAwait(false);
            return 0;
        }

        var drained = await ingestion.StopAsync(_drainTimeout).ConfigureAwait(false);
        await app.StopAsync().ConfigureAwait(false);
        if (drained)
            return 0;
        var failure = ingestion.Failure.IsCompleted ? await ingestion.Failure.ConfigureAwait(false) : null;
        await Console.Error.WriteLineAsync(failure?.Message
            ?? $"Stopped before all that was read was published and saved, which took longer than {_drainTimeout.TotalSeconds:0} s. Nothing is lost: the next start goes on from there.")
            .ConfigureAwait(false);
        return failure is EventSourceException or IngestConfigurationException or InvalidDataException ? CannotStart : 1;
    }

    private ProjectDefinition LoadDefinitions()
    {
        var result = DefinitionLoader.Load(_options.Definitions ?? Example("definitions"));
        return result.Project ?? throw new StartException($"The definitions are not valid:{Environment.NewLine}{result}");
    }

    private LocalRuntimeOptions RuntimeOptions()
    {
        var options = new LocalRuntimeOptions { TracksPublishing = _options.Redis is not null };
        return _options.Shards is { } shards ? options with { Shards = shards } : options;
    }

    private IngestOptions IngestOptions(bool isEmbedded) => new()
    {
        PublishInterval = TimeSpan.FromMilliseconds(_options.PublishIntervalMs),
        Transactional = !isEmbedded,
        AcceptRecreatedTopics = _options.AcceptRecreatedTopics,
    };

    /// <summary>Opens the file that silos of one machine share.</summary>
    /// <exception cref="StartException">The silo that this one is to join uses another file: they would lose each other's entities.</exception>
    private async Task<SqliteRecordStore?> OpenRecordsAsync(ProjectPlan plan, ClusterOptions cluster)
    {
        // Tells who has the file from who has another one. The silos' own check, that they are of one cluster, would leave them waiting for each other without a word.
        const string Name = "primary-port";
        if (cluster.Storage != "sqlite")
            return null;
        var path = Path.Combine(_options.Data, "cluster.db");
        var records = Own(new SqliteRecordStore(path, plan.Definition.Project));
        var port = BitConverter.GetBytes(cluster.PrimaryPort);
        for (var start = Stopwatch.GetTimestamp(); ;)
        {
            var known = await records.ReadAsync(Name).ConfigureAwait(false);
            if (known.Bytes.AsSpan().SequenceEqual(port) || cluster.PrimaryPort == cluster.SiloPort && (await records.WriteAsync(Name, port, known.Version).ConfigureAwait(false)).IsDone)
                return records;
            if (Stopwatch.GetElapsedTime(start) > _primaryTimeout)
                throw new StartException($"Grain storage \"{Path.GetFullPath(path)}\" is not that of the silo at --primary-port {cluster.PrimaryPort}, or that one has never run. Start that one first, and this one with the same --data.");
            await Task.Delay(_primaryPause, _stop.Token).ConfigureAwait(false);
        }
    }

    private RedisHotStore? OpenHotStore(ProjectPlan plan)
    {
        if (_options.Redis is null)
            return null;
        RedisHotStore store;
        try
        {
            store = new RedisHotStore(plan.Definition.Project, [.. plan.Entities.Select(entity => entity.Name)], new RedisHotStoreOptions { Configuration = _options.Redis });
        }
        catch (ArgumentException exception)
        {
            throw new StartException($"Option \"--redis\" cannot be read: {exception.InnerException?.Message ?? exception.Message} Write HOST:PORT, then options as in \"host:port,ssl=true\".", exception);
        }

        _owned.Push(store);
        return store;
    }

    private EmbeddedBroker StartBroker(ProjectPlan plan)
    {
        var broker = Own(new EmbeddedBroker());
        var topics = plan.TopicSources.SelectMany(source => new[] { source.Definition.Kafka!.Topic, source.Definition.DeadLetterTopic })
            .Concat(plan.Models.Where(model => model.On is not null).Select(model => model.Definition.Sink!.Topic));
        foreach (var topic in topics.Distinct())
            broker.CreateTopic(topic, EmbeddedPartitions);
        return broker;
    }

    private void StartStream(ProjectPlan plan, KafkaEventPublisher publisher, ILogger logger)
    {
        LogEmbedded(logger);
        foreach (var source in plan.TopicSources.Where(TransactionStream.Fits))
        {
            _ = new TransactionStream(StreamSeed).RunAsync(publisher, source.Index, TimeProvider.System, _stop.Token);
            LogStream(logger, TransactionStream.EventsPerSecond, source.Definition.Kafka!.Topic);
        }
    }

    private void RequestStop(PosixSignalContext context)
    {
        context.Cancel = true;
        _stopRequested.TrySetResult();
    }

    private T Own<T>(T part)
        where T : IDisposable
    {
        _owned.Push(part as IAsyncDisposable ?? new AsyncDisposal(part));
        return part;
    }

    private static string Example(string folder) => Path.Combine(AppContext.BaseDirectory, "examples", "fraud", folder);

    private static void ConfigureLogging(ILoggingBuilder logging) => logging
        .ClearProviders()
        .SetMinimumLevel(LogLevel.Information)
        .AddFilter("Microsoft", LogLevel.Warning)
        // What keeps it from starting is said once, in one sentence.
        .AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None)
        .AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
            console.UseUtcTimestamp = true;
        });

    [LoggerMessage(Level = LogLevel.Warning, Message = "Embedded broker, for trying out: state ends with the process, and predictions are sent at least once. Use --kafka for a real one")]
    private static partial void LogEmbedded(ILogger logger);

    [LoggerMessage(Level = LogLevel.Information, Message = "Built-in stream: {EventsPerSecond} made-up card transactions a second on topic {Topic}")]
    private static partial void LogStream(ILogger logger, int eventsPerSecond, string topic);

    private sealed class AsyncDisposal(IDisposable part) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            part.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
