using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Ownership;
using FeatureStore.Grains.Persistence;
using FeatureStore.Grains.Placement;
using FeatureStore.Grains.Slices;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
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
        builder.AddGrainService<FlushService>().AddGrainService<EraseService>();
        builder.AddPlacementDirector<EntityPlacement, EntityPlacementDirector>();
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services
            .AddSingleton(plan)
            .AddSingleton(options)
            .AddSingleton<EntityCells>()
            .AddSingleton<OwnerView>()
            .AddSingleton<FlushClient>()
            .AddSingleton<EraseClient>()
            .AddHostedService<OwnerExchange>()
            .AddHostedService<MembershipLog>()
            .AddKeyedSingleton<IGrainStorageSerializer, StoredStateSerializer>(ClusterNames.Storage)
            .AddSingleton(services => new OrleansRuntime(
                plan, services.GetRequiredService<IGrainFactory>(), services.GetRequiredService<FlushClient>(), services.GetRequiredService<EntityCells>(),
                services.GetRequiredService<OwnerView>(), services.GetRequiredService<EraseClient>(), options, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<OrleansRuntime>>()))
            .AddSingleton<IEntityRuntime>(services => services.GetRequiredService<OrleansRuntime>())
            .AddSingleton(services => new GrainCheckpoints(
                plan, services.GetRequiredService<OrleansRuntime>(), services.GetRequiredService<EntityCells>(), options,
                services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<GrainCheckpoints>>()))
            .AddSingleton(services => new SliceMember(plan, services, options, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<SliceMember>>()));
        return builder;
    }
}
