using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime.Services;
using Orleans.Services;

namespace FeatureStore.Grains.Ownership;

/// <summary>On the silo that owns the stream, erases entities for the others.</summary>
[Alias("featurestore.erase")]
internal interface IEraseService : IGrainService
{
    /// <summary>Erases an entity.</summary>
    /// <returns>Why it is not erased, or not durably; null where it is.</returns>
    [Alias("erase")]
    [ResponseTimeout(ResponseTimes.Apply)]
    Task<string?> EraseAsync(string entity, [Immutable] byte[] key);
}

/// <inheritdoc cref="IEraseService"/>
[Reentrant]
internal sealed class EraseService(GrainId id, Silo silo, ILoggerFactory loggers, ClusterPlan plan, OwnerView owner, IServiceProvider services)
    : GrainService(id, silo, loggers), IEraseService
{
    public async Task<string?> EraseAsync(string entity, [Immutable] byte[] key)
    {
        if (plan.Entity(entity) is not { } found)
            return $"The silo that ingests does not know entity \"{entity}\". Roll the same definitions out to all silos.";
        if (!owner.IsOwner)
            return "Another silo ingests the project now. Repeat the request.";
        try
        {
            await services.GetRequiredService<OrleansRuntime>().EraseAsync(found.Index, key, CancellationToken.None);
            return null;
        }
        catch (Exception exception) when (exception is EraseException or OwnerFencedException)
        {
            return exception.Message;
        }
    }
}

/// <summary>Reaches the <see cref="IEraseService"/> of a silo.</summary>
internal sealed class EraseClient(IServiceProvider services) : GrainServiceClient<IEraseService>(services)
{
    public IEraseService On(SiloAddress silo) => GetGrainService(silo);
}
