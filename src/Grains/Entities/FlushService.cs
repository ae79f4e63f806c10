using FeatureStore.Grains.Payloads;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime.Services;
using Orleans.Services;

namespace FeatureStore.Grains.Entities;

/// <summary>On each silo, writes entities that are active there: one call for many.</summary>
[Alias("featurestore.flush")]
internal interface IFlushService : IGrainService
{
    /// <summary>Makes entities durable as of a cut.</summary>
    /// <returns>A <see cref="FlushStatus"/> for each.</returns>
    [Alias("flush")]
    [ResponseTimeout(ResponseTimes.Flush)]
    Task<byte[]> FlushAsync([Immutable] FlushRequest request);
}

/// <inheritdoc cref="IFlushService"/>
[Reentrant]
internal sealed class FlushService(GrainId id, Silo silo, ILoggerFactory loggers, EntityCells cells, IServiceProvider services) : GrainService(id, silo, loggers), IFlushService
{
    private readonly int _writesMax = services.GetRequiredService<OrleansRuntimeOptions>().WritesMax;
    private readonly HotPublisher? _publisher = services.GetService<HotPublisher>();

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

/// <summary>Reaches the <see cref="IFlushService"/> of a silo.</summary>
internal sealed class FlushClient(IServiceProvider services) : GrainServiceClient<IFlushService>(services)
{
    public IFlushService On(SiloAddress silo) => GetGrainService(silo);
}
