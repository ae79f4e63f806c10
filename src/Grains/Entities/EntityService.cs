using FeatureStore.Grains.Payloads;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime.Services;
using Orleans.Services;

namespace FeatureStore.Grains.Entities;

/// <summary>On each silo, does to entities that are active there what would else take a call each.</summary>
[Alias("featurestore.entities")]
internal interface IEntityService : IGrainService
{
    /// <summary>As <see cref="IEntityGrain.ApplyAsync"/>, but in place: what keeps an activation right is in the cell, whoever calls it.</summary>
    /// <returns>An answer for each; null where the entity is not active here, or has first to go back to what is durable: its grain sees to that.</returns>
    [Alias("apply")]
    [ResponseTimeout(ResponseTimes.Apply)]
    Task<ApplyReply?[]> ApplyAsync([Immutable] ApplyManyRequest request);

    /// <summary>Makes entities durable as of a cut.</summary>
    /// <returns>A <see cref="FlushStatus"/> for each.</returns>
    [Alias("flush")]
    [ResponseTimeout(ResponseTimes.Flush)]
    Task<byte[]> FlushAsync([Immutable] FlushRequest request);
}

/// <inheritdoc cref="IEntityService"/>
[Reentrant]
internal sealed class EntityService(GrainId id, Silo silo, ILoggerFactory loggers, EntityCells cells, IServiceProvider services) : GrainService(id, silo, loggers), IEntityService
{
    private readonly int _writesMax = services.GetRequiredService<OrleansRuntimeOptions>().WritesMax;
    private readonly HotPublisher? _publisher = services.GetService<HotPublisher>();

    public Task<ApplyReply?[]> ApplyAsync([Immutable] ApplyManyRequest request) => Task.Run(() =>
    {
        var replies = new ApplyReply?[request.Addresses.Length];
        for (var index = 0; index < replies.Length; index++)
            replies[index] = cells.Find(request.Addresses[index])?.Apply(request.Calls[index], request.Requests[index]);
        return replies;
    });

    public async Task<byte[]> FlushAsync([Immutable] FlushRequest request)
    {
        // What is durable is not sent again where this silo dies, and nobody else could publish it.
        if (_publisher is not null)
            await Task.Run(() => _publisher.PublishAsync(CancellationToken.None));
        var statuses = new byte[request.Addresses.Length];
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, Math.Min(_writesMax, statuses.Length)).Select(_ => Task.Run(FlushSomeAsync)));
        return statuses;

        async Task FlushSomeAsync()
        {
            while (Interlocked.Increment(ref next) is var index && index < statuses.Length)
            {
                statuses[index] = (byte)(cells.Find(request.Addresses[index]) is { } cell
                    ? await cell.FlushAsync(request.Term, request.Interval, request.Epochs[index])
                    : FlushStatus.Behind);
            }
        }
    }
}

/// <summary>Reaches the <see cref="IEntityService"/> of a silo.</summary>
internal sealed class EntityClient(IServiceProvider services, ISiloStatusOracle silos) : GrainServiceClient<IEntityService>(services)
{
    public IEntityService On(SiloAddress silo) => GetGrainService(silo);

    /// <summary>Whether a silo neither leaves nor is gone, as far as is known. One that leaves hands its entities over to others, and its answers may get lost.</summary>
    public bool Stays(SiloAddress silo) => silos.GetApproximateSiloStatus(silo) == SiloStatus.Active;
}
