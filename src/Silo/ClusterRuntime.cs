using FeatureStore.Core.Plans;
using FeatureStore.Ingest;
using FeatureStore.Runtime;
#if ORLEANS
using System.Net;
using System.Security.Cryptography;
using System.Text;
using FeatureStore.Grains;
using FeatureStore.Grains.Changes;
using FeatureStore.Grains.Slices;
using FeatureStore.Ingest.Kafka;
using Orleans.Configuration;
using Orleans.Dashboard;
#endif

namespace FeatureStore.Silo;

/// <summary>The one place that knows whether Orleans is in the build: makes the web host a silo of a cluster.</summary>
internal static class ClusterRuntime
{
#if ORLEANS
    private const string DashboardPath = "/dashboard";

    /// <summary>Of so many probes in a row, none answered, several silos must tell before a silo is dead.</summary>
    private const int MissedProbesMax = 3;

    private const int ConnectionsMax = 20;
    private const int WaitMinSeconds = 10;
    private const int WaitMaxSeconds = 30;

    /// <summary>Writes under way at once that go together to the disk.</summary>
    private const int SharedWritesMax = 512;

    /// <summary>How long a silo that leaves may take for it, once the stream is drained.</summary>
    private static readonly TimeSpan _leaveTimeout = TimeSpan.FromSeconds(20);

    /// <summary>Adds the silo and its runtime.</summary>
    /// <param name="builder">The web host.</param>
    /// <param name="options">Of the cluster.</param>
    /// <param name="plan">The compiled definitions.</param>
    /// <param name="records">Where grains keep their state; null: where the options say.</param>
    /// <param name="hotStore">What the silos publish to, and read first; null: nothing.</param>
    public static void Add(WebApplicationBuilder builder, ClusterOptions options, ProjectPlan plan, IRecordStore? records, IHotStore? hotStore)
    {
        // A silo that dies makes Orleans say so for each call and each entity, with a stack trace: what an operator wants of it are membership and our own lines.
        // It places through Polly, which says so for every entity.
        builder.Logging.AddFilter("Orleans", LogLevel.Critical).AddFilter("Orleans.Runtime.MembershipService.MembershipAgent", LogLevel.Error)
            .AddFilter("Orleans.Runtime.MembershipService.MembershipTableManager", LogLevel.Error).AddFilter("Polly", LogLevel.None)
            .AddFilter("Orleans.Hosting.Kubernetes", LogLevel.Warning).AddFilter("FeatureStore.Grains.Entities.EntityService", LogLevel.Warning).AddFilter("FeatureStore.Grains.Ownership.EraseService", LogLevel.Warning).AddFilter("FeatureStore.Grains.Changes.ChangeService", LogLevel.Warning).AddFilter("FeatureStore.Grains.Reports.SiloReportService", LogLevel.Warning);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = _leaveTimeout);
        var cluster = PlanOf(plan, options);
        builder.UseOrleans(silo =>
        {
            var project = plan.Definition.Project;
            // Silos with files of their own would lose each other's entities: they are of different clusters, and do not talk.
            silo.Configure<Orleans.Configuration.ClusterOptions>(ids => (ids.ServiceId, ids.ClusterId) = (project, records is null ? project : $"{project}-{records.Id:n}"));
            AddClustering(silo, options);
            silo.Configure<ClusterMembershipOptions>(membership => ConfigureMembership(membership, options.SilenceMax));
            silo.Configure<SiloMessagingOptions>(messaging => messaging.SystemResponseTimeout = WaitMax(options.SilenceMax));
            var runtime = new OrleansRuntimeOptions { ReadMax = WaitMax(options.SilenceMax) };
            if (records is null)
                AddStorage(silo, options, project);
            else
                silo.AddRecordStorage(records);
            silo.AddFeatureStore(cluster, records is null ? runtime : runtime with { WritesMax = SharedWritesMax }).AddChangeMemoryStreams().AddChangeStreams();
            if (hotStore is not null)
                silo.AddHotStore(hotStore);
            if (options.DashboardKey is not null)
                silo.AddDashboard();
        });
    }

    /// <summary>Serves the dashboard to whoever has the key: as the password of a browser's prompt, or in the header X-Api-Key.</summary>
    public static void MapDashboard(WebApplication app, ClusterOptions options)
    {
        if (options.DashboardKey is null)
            return;
        var expected = SHA256.HashData(Encoding.UTF8.GetBytes(options.DashboardKey));
        app.Use(async (context, next) =>
        {
            if (!context.Request.Path.StartsWithSegments(DashboardPath) || CryptographicOperations.FixedTimeEquals(expected, SHA256.HashData(KeyOf(context.Request))))
            {
                await next(context).ConfigureAwait(false);
                return;
            }

            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            context.Response.Headers.WWWAuthenticate = "Basic realm=\"Orleans Dashboard\", charset=\"UTF-8\"";
        });
        app.MapOrleansDashboard(DashboardPath);
    }

    /// <summary>Takes the stream over. After the silo has started.</summary>
    /// <exception cref="StartException">The grain storage does not answer.</exception>
    public static async Task<(IEntityRuntime Runtime, ICheckpoints Checkpoints, Func<CheckpointStatus?> Status, IAsyncDisposable Owned)> OwnAsync(
        WebApplication app, CancellationToken cancellationToken)
    {
        var checkpoints = app.Services.GetRequiredService<GrainCheckpoints>();
        try
        {
            await checkpoints.AcquireAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not (InvalidDataException or OperationCanceledException))
        {
            throw new StartException($"The cluster's checkpoint cannot be taken over: {exception.Message.TrimEnd('.')}. See whether the grain storage is up, and --storage-connection right.", exception);
        }

        return (app.Services.GetRequiredService<OrleansRuntime>(), checkpoints, () => checkpoints.Status, checkpoints);
    }

    /// <summary>Joins those that consume slices of the stream. After the silo has started.</summary>
    /// <param name="app">The silo.</param>
    /// <param name="open">Makes the pipeline of a slice.</param>
    public static Ingestion Join(WebApplication app, Func<Slice, IEntityRuntime, ICheckpoints, Func<CheckpointStatus?>, SliceAlignment, IngestPipeline> open)
    {
        var member = app.Services.GetRequiredService<SliceMember>();
        member.Start(
            ports => new SlicePipeline(open(ports.Slice, ports.Runtime, ports.Checkpoints, ports.Status, ports.Alignment)),
            failure => failure is IngestConfigurationException or InvalidDataException);
        return new Ingestion(member, member.Failure, member.StopAsync);
    }

    private static ClusterPlan PlanOf(ProjectPlan plan, ClusterOptions options)
    {
        try
        {
            return new ClusterPlan(plan, options.Slices);
        }
        catch (ArgumentException exception)
        {
            throw new StartException(exception.Message, exception);
        }
    }

    private static byte[] KeyOf(HttpRequest request)
    {
        const string Basic = "Basic ";
        if (request.Headers["X-Api-Key"].ToString() is { Length: > 0 } key)
            return Encoding.UTF8.GetBytes(key);
        var header = request.Headers.Authorization.ToString();
        if (!header.StartsWith(Basic, StringComparison.OrdinalIgnoreCase))
            return [];
        var bytes = new byte[header.Length];
        if (!Convert.TryFromBase64String(header[Basic.Length..], bytes, out var length))
            return [];
        var colon = bytes.AsSpan(0, length).IndexOf((byte)':');
        return colon < 0 ? [] : bytes[(colon + 1)..length];
    }

    private static void AddClustering(ISiloBuilder silo, ClusterOptions options)
    {
        switch (options.Clustering)
        {
            case "localhost":
                silo.UseLocalhostClustering(
                    options.SiloPort, options.GatewayPort, options.PrimaryPort == options.SiloPort ? null : new IPEndPoint(IPAddress.Loopback, options.PrimaryPort));
                return;
            case "kubernetes":
                silo.UseKubernetesHosting();
                SetPorts(silo, options);
                AddMembership(silo, options.Storage, options.Connection!);
                return;
            default:
                SetPorts(silo, options);
                AddMembership(silo, options.Clustering, options.Connection!);
                return;
        }
    }

    private static void SetPorts(ISiloBuilder silo, ClusterOptions options) =>
        silo.Configure<EndpointOptions>(endpoint =>
        {
            (endpoint.SiloPort, endpoint.GatewayPort) = (options.SiloPort, options.GatewayPort);
            // Without one, Orleans takes the machine's, or Kubernetes' hosting the pod's.
            if (options.SiloAddress is not null)
                endpoint.AdvertisedIPAddress = options.SiloAddress;
        });

    private static void ConfigureMembership(ClusterMembershipOptions membership, TimeSpan silenceMax)
    {
        membership.NumMissedProbesLimit = MissedProbesMax;
        membership.ProbeTimeout = silenceMax / MissedProbesMax;
        // So many of the longest probes are also how long nothing at all must have come from a silo before one may say that it is dead. Four times a probe's time is what Orleans takes otherwise.
        membership.MaxProbeTimeout = membership.ProbeTimeout;
        // When all silos died at once there is nobody to probe: those that come back go by the signs of life in the table, of which three must be missing.
        membership.IAmAliveTablePublishTimeout = silenceMax;
        membership.TableRefreshTimeout = silenceMax;
    }

    /// <summary>How long a call is worth waiting for that may go to a silo that is out: until that is found dead, and as long again for what then follows.</summary>
    private static TimeSpan WaitMax(TimeSpan silenceMax) => TimeSpan.FromSeconds(Math.Clamp(2 * silenceMax.TotalSeconds, WaitMinSeconds, WaitMaxSeconds));

    private static void AddMembership(ISiloBuilder silo, string kind, string connection)
    {
        switch (kind)
        {
            case "redis":
#if ORLEANS_REDIS
                silo.UseRedisClustering(connection);
                return;
#else
                throw NoRedis();
#endif
            case "azure":
#if ORLEANS_AZURE
                var tables = AzureClient(() => new Azure.Data.Tables.TableServiceClient(connection));
                silo.UseAzureStorageClustering(azure => azure.TableServiceClient = tables);
                return;
#else
                throw NoAzure();
#endif
            default:
                var pooled = Pooled(connection);
                silo.UseAdoNetClustering(adoNet => (adoNet.Invariant, adoNet.ConnectionString) = (PostgreSql(), pooled));
                return;
        }
    }

    private static void AddStorage(ISiloBuilder silo, ClusterOptions options, string project)
    {
        switch (options.Storage)
        {
            case "memory":
                silo.AddMemoryGrainStorage(ClusterNames.Storage);
                return;
            case "redis":
#if ORLEANS_REDIS
                silo.AddRedisGrainStorage(ClusterNames.Storage, redis => redis.ConfigurationOptions = StackExchange.Redis.ConfigurationOptions.Parse(options.StorageConnection!));
                return;
#else
                throw NoRedis();
#endif
            case "azure":
#if ORLEANS_AZURE
                // Not tables: a record of theirs holds 1 MiB, in properties of 64 KiB.
                var blobs = AzureClient(() => new Azure.Storage.Blobs.BlobServiceClient(options.StorageConnection!));
                silo.AddAzureBlobGrainStorage(ClusterNames.Storage, azure => (azure.BlobServiceClient, azure.ContainerName) = (blobs, AzureContainer.Of(project)));
                return;
#else
                throw NoAzure();
#endif
            default:
                var pooled = Pooled(options.StorageConnection!);
                silo.AddAdoNetGrainStorage(ClusterNames.Storage, adoNet => (adoNet.Invariant, adoNet.ConnectionString) = (PostgreSql(), pooled));
                return;
        }
    }

    /// <summary>Bounds a silo's connections, where the user does not: the client's own bound is the whole of what a PostgreSQL server allows by default.</summary>
    private static string Pooled(string connection)
    {
        try
        {
            var builder = new Npgsql.NpgsqlConnectionStringBuilder(connection);
            if (!builder.ShouldSerialize("Maximum Pool Size"))
                builder.MaxPoolSize = ConnectionsMax;
            return builder.ConnectionString;
        }
        catch (ArgumentException exception)
        {
            // The message names the keyword, never a value.
            throw new StartException($"The connection string of PostgreSQL cannot be read: {exception.Message} Write it as in \"Host=db;Database=orleans;Username=…;Password=…\".", exception);
        }
    }

    /// <summary>The name by which Orleans asks for PostgreSQL's client, which it finds once it is registered.</summary>
    private static string PostgreSql()
    {
        const string Name = "Npgsql";
        System.Data.Common.DbProviderFactories.RegisterFactory(Name, Npgsql.NpgsqlFactory.Instance);
        return Name;
    }

#if ORLEANS_AZURE
    private static T AzureClient<T>(Func<T> make)
    {
        try
        {
            return make();
        }
        catch (Exception exception) when (exception is FormatException or ArgumentException or InvalidOperationException)
        {
            // What the client says may quote the key.
            throw new StartException("The connection string of the Azure storage account cannot be read. Write it as the portal gives it: \"DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net\".");
        }
    }
#else
    private static StartException NoAzure() =>
        new("This server was built where the package sources have no Azure storage providers of Orleans. Choose adonet or redis, or build where they have (eng/feed.sh says what is missing).");
#endif

#if !ORLEANS_REDIS
    private static StartException NoRedis() =>
        new("This server was built where the package sources have no Redis client new enough for Orleans. Choose adonet, or build where they have (eng/feed.sh says what is missing).");
#endif

    /// <summary>Ingest as the cluster knows it.</summary>
    private sealed class SlicePipeline(IngestPipeline pipeline) : ISlicePipeline
    {
        public PipelineStatus Current => pipeline.Current;

        public Task<Exception> Failure => pipeline.Failure;

        public Task StartAsync() => pipeline.StartAsync();

        public void Wake() => pipeline.Wake();

        public ValueTask DisposeAsync() => pipeline.DisposeAsync();
    }
#else
    public static void Add(WebApplicationBuilder builder, ClusterOptions options, ProjectPlan plan, IRecordStore? records, IHotStore? hotStore) => throw LeftOut();

    public static void MapDashboard(WebApplication app, ClusterOptions options) => throw LeftOut();

    public static Task<(IEntityRuntime Runtime, ICheckpoints Checkpoints, Func<CheckpointStatus?> Status, IAsyncDisposable Owned)> OwnAsync(
        WebApplication app, CancellationToken cancellationToken) => throw LeftOut();

    public static Ingestion Join(WebApplication app, Func<Slice, IEntityRuntime, ICheckpoints, Func<CheckpointStatus?>, SliceAlignment, IngestPipeline> open) => throw LeftOut();

    private static StartException LeftOut() =>
        new("This server was built where the package sources do not serve Orleans whole, and so without \"--runtime orleans\". Use --runtime local, or build where they do (eng/feed.sh says what is missing).");
#endif
}
