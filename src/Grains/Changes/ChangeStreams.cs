using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Orleans.Streams;

namespace FeatureStore.Grains.Changes;

/// <summary>Adds streams of changes to a silo.</summary>
public static class ChangeStreams
{
    private const int QueuesMax = 4;

    /// <summary>
    /// Adds <see cref="IChangeFeed"/> over the stream provider <see cref="ClusterNames.Streams"/>: changes of the entities of all silos, told on any. Beside
    /// <see cref="FeatureStoreSilo.AddFeatureStore"/>, and a stream provider of that name, such as that of <see cref="AddChangeMemoryStreams"/>.
    /// </summary>
    public static ISiloBuilder AddChangeStreams(this ISiloBuilder builder, ChangeStreamOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        options ??= new ChangeStreamOptions();
        options.Check();
        builder.AddGrainService<ChangeService>();
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services
            .AddSingleton(options)
            .AddSingleton<ChangePublisher>()
            .AddHostedService(services => services.GetRequiredService<ChangePublisher>())
            .AddSingleton<ChangeClient>()
            .AddSingleton<StreamChangeFeed>()
            .AddSingleton<IChangeFeed>(services => services.GetRequiredService<StreamChangeFeed>())
            .AddHostedService(services => services.GetRequiredService<StreamChangeFeed>());
        return builder;
    }

    /// <summary>
    /// Adds streams and their subscriptions in the silos' memory: bounded, and lost with a silo, which listeners notice.
    /// </summary>
    public static ISiloBuilder AddChangeMemoryStreams(this ISiloBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMemoryGrainStorage(ClusterNames.Streams).AddMemoryStreams(ClusterNames.Streams, streams =>
        {
            streams.ConfigurePartitioning(QueuesMax);
            streams.ConfigureStreamPubSub(StreamPubSubType.ExplicitGrainBasedOnly);
            streams.ConfigurePullingAgent(agent => agent.Configure(of =>
            {
                of.GetQueueMsgsTimerPeriod = TimeSpan.FromMilliseconds(100);
                of.MaxEventDeliveryTime = TimeSpan.FromSeconds(5);
            }));
            // Nobody reads what was: a listener that comes back reads the newest values.
            streams.ConfigureCacheEviction(cache => cache.Configure(of =>
            {
                of.DataMinTimeInCache = TimeSpan.FromSeconds(1);
                of.DataMaxAgeInCache = TimeSpan.FromSeconds(10);
            }));
        });
    }

    internal static StreamId IdOf(EntityPlan entity, int bucket) => StreamId.Create("featurestore.changes", $"{entity.Name}/{bucket}");
}
