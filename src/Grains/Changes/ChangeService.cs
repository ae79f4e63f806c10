using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime.Services;
using Orleans.Services;

namespace FeatureStore.Grains.Changes;

/// <summary>On each silo, learns that somebody listens to changes.</summary>
[Alias("featurestore.changes")]
internal interface IChangeService : IGrainService
{
    /// <summary>
    /// Has the silo publish the changes of its entities of some types, from now on and until <see cref="ChangeStreamOptions.Lease"/> after the last such call.
    /// </summary>
    /// <param name="entities">Names of entities. What the silo does not know it passes over.</param>
    [Alias("listen")]
    Task<ChangeCounts> ListenAsync([Immutable] string[] entities);
}

/// <summary>How many batches of changes a silo has published.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.change-counts")]
internal sealed class ChangeCounts
{
    /// <summary>Names the silo's counting.</summary>
    [Id(0)]
    public long Epoch { get; init; }

    /// <summary>Of each entity type asked for.</summary>
    [Id(1)]
    public required long[] Published { get; init; }
}

/// <inheritdoc cref="IChangeService"/>
[Reentrant]
internal sealed class ChangeService(GrainId id, Silo silo, ILoggerFactory loggers, ChangePublisher publisher) : GrainService(id, silo, loggers), IChangeService
{
    public Task<ChangeCounts> ListenAsync([Immutable] string[] entities) => Task.FromResult(publisher.Listen(entities));
}

/// <summary>Reaches the <see cref="IChangeService"/> of a silo.</summary>
internal sealed class ChangeClient(IServiceProvider services) : GrainServiceClient<IChangeService>(services)
{
    public IChangeService On(SiloAddress silo) => GetGrainService(silo);
}
