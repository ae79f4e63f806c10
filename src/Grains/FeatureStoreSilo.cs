using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Ownership;
using FeatureStore.Grains.Persistence;
using FeatureStore.Grains.Placement;
using FeatureStore.Grains.Reports;
using FeatureStore.Grains.Slices;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Serialization;
using Orleans.Storage;

namespace FeatureStore.Grains;

/// <summary>Adds the project's entities to a silo.</summary>
public static class FeatureStoreSilo
{
    /// <summary>
    /// Adds entity grains, <see cref="OrleansRuntime"/> (as itself and as <see cref="IEntityRuntime"/>) and <see cref="GrainCheckpoints"/>; of a stream that is divided, <see cref="SliceMember"/> in its stead. The silo also needs a grain
    /// storage provider named <see cref="ClusterNames.Storage"/>, of whatever kind.
    /// </summary>
    public static ISiloBuilder AddFeatureStore(this ISiloBuilder builder, ClusterPlan plan, OrleansRuntimeOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        builder.AddGrainService<EntityService>().AddGrainService<EraseService>().AddGrainService<SiloReportService>();
        builder.AddPlacementDirector<EntityPlacement, EntityPlacementDirector>();
        // Of our own exceptions the message is what helps, on whichever silo they are thrown.
        builder.Services.Configure<ExceptionSerializationOptions>(exceptions => exceptions.SupportedNamespacePrefixes.Add("FeatureStore"));
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services
            .AddSingleton(plan)
            .AddSingleton(options)
            .AddSingleton<EntityCells>()
            .AddSingleton<IEntityCounts>(services => services.GetRequiredService<EntityCells>())
            .AddSingleton<OwnerView>()
            .AddSingleton<EntityClient>()
            .AddSingleton<EraseClient>()
            .AddHostedService<OwnerExchange>()
            .AddHostedService<MembershipLog>()
            .AddSingleton<SiloReportClient>()
            .AddSingleton<ISiloReports, ClusterReports>()
            .AddSingleton<EntityShedding>()
            .AddHostedService(services => services.GetRequiredService<EntityShedding>())
            .AddKeyedSingleton<IGrainStorageSerializer, StoredStateSerializer>(ClusterNames.Storage)
            .AddSingleton(services => new OrleansRuntime(
                plan, services.GetRequiredService<IGrainFactory>(), services.GetRequiredService<EntityClient>(), services.GetRequiredService<EntityCells>(),
                services.GetRequiredService<OwnerView>(), services.GetRequiredService<EraseClient>(), options, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<OrleansRuntime>>()))
            .AddSingleton<IEntityRuntime>(services => services.GetRequiredService<OrleansRuntime>())
            .AddSingleton(services => new GrainCheckpoints(
                plan, services.GetRequiredService<OrleansRuntime>(), services.GetRequiredService<EntityCells>(), options,
                services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<GrainCheckpoints>>()))
            .AddSingleton(services => new SliceMember(plan, services, options, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<SliceMember>>()));
        return builder;
    }

    /// <summary>Keeps the state of grains in a store that all silos reach: the provider that <see cref="AddFeatureStore"/> asks for. The store stays the caller's.</summary>
    public static ISiloBuilder AddRecordStorage(this ISiloBuilder builder, IRecordStore store)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddKeyedSingleton<IGrainStorage>(ClusterNames.Storage, new RecordGrainStorage(store));
        return builder;
    }

    /// <summary>Has this silo publish the entities that it hosts to a hot store, which all silos share. Beside <see cref="AddFeatureStore"/>.</summary>
    public static ISiloBuilder AddHotStore(this ISiloBuilder builder, IHotStore store, HotPublisherOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services
            .AddSingleton(store)
            .AddSingleton(services =>
            {
                var cells = services.GetRequiredService<EntityCells>();
                foreach (var entity in cells.Plan.Project.Entities)
                    cells.ToPublish.Track(entity.Index, true);
                return new HotPublisher(
                    cells.Plan.Project, services.GetRequiredService<IEntityRuntime>(), cells.ToPublish, store, cells.IncarnationAsync, options ?? new HotPublisherOptions(),
                    services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<HotPublisher>>());
            })
            .AddHostedService<HotPublishing>();
        return builder;
    }

    /// <summary>Begins with the silo, before any entity is active; publishes all once more when it leaves.</summary>
    private sealed class HotPublishing(HotPublisher publisher) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public async Task StopAsync(CancellationToken cancellationToken) =>
            await publisher.PublishAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
