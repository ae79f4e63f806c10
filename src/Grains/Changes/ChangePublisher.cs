using FeatureStore.Core.Plans;
using FeatureStore.Grains.Entities;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Streams;

namespace FeatureStore.Grains.Changes;

/// <summary>
/// Publishes which entities of this silo change, while somebody in the cluster listens. Batches of an entity type are numbered, so that listeners know what they lack.
/// What a stream does not take waits, each entity once.
/// </summary>
internal sealed partial class ChangePublisher(
    EntityCells cells, IServiceProvider services, ChangeStreamOptions options, TimeProvider time, ILogger<ChangePublisher> logger) : BackgroundService
{
    private readonly Lock _gate = new();
    private readonly Topic[] _topics = [.. cells.Plan.Project.Entities.Select(_ => new Topic())];
    private readonly long _epoch = Random.Shared.NextInt64(1, long.MaxValue);
    private readonly SemaphoreSlim _listened = new(0);
    private bool _isFailing;

    /// <summary>Publishes changes of some entity types from now on, until the lease ends.</summary>
    public ChangeCounts Listen(string[] entities)
    {
        var published = new long[entities.Length];
        var isNew = false;
        lock (_gate)
        {
            for (var index = 0; index < entities.Length; index++)
            {
                if (cells.Plan.Entity(entities[index]) is not { } entity)
                    continue;
                var topic = _topics[entity.Index];
                topic.ListenedAt = time.GetTimestamp();
                published[index] = topic.Published;
                if (topic.IsListenedTo)
                    continue;
                topic.IsListenedTo = isNew = true;
                cells.ToTell.Track(entity.Index, true);
            }
        }

        if (isNew)
            _listened.Release();
        return new ChangeCounts { Epoch = _epoch, Published = published };
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var (keys, sequences) = (new BlockSet(), new List<long>());
        try
        {
            while (true)
            {
                await _listened.WaitAsync(stoppingToken).ConfigureAwait(false);
                using var timer = new PeriodicTimer(options.Interval, time);
                while (AnyListens() && await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
                {
                    foreach (var entity in cells.Plan.Project.Entities)
                        await PublishAsync(entity, keys, sequences).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The silo stops.
        }
    }

    private bool AnyListens()
    {
        var any = false;
        lock (_gate)
        {
            for (var entity = 0; entity < _topics.Length; entity++)
            {
                var topic = _topics[entity];
                if (topic.IsListenedTo && time.GetElapsedTime(topic.ListenedAt) > options.Lease)
                {
                    topic.IsListenedTo = false;
                    cells.ToTell.Track(entity, false);
                }

                any |= topic.IsListenedTo;
            }
        }

        return any;
    }

    private async Task PublishAsync(EntityPlan entity, BlockSet keys, List<long> sequences)
    {
        var topic = _topics[entity.Index];
        if (!topic.IsListenedTo)
            return;
        keys.Clear();
        sequences.Clear();
        cells.ToTell.Take(entity.Index, options.EntitiesPerRound, keys, sequences);
        if (keys.Count == 0)
            return;
        try
        {
            topic.Stream ??= services.GetRequiredKeyedService<IStreamProvider>(ClusterNames.Streams).GetStream<ChangeBatch>(
                ChangeStreams.IdOf(entity, (int)((uint)cells.Silo.GetConsistentHashCode() % (uint)options.Buckets)));
            for (var first = 0; first < keys.Count; first += options.EntitiesPerBatch)
            {
                var count = Math.Min(options.EntitiesPerBatch, keys.Count - first);
                await topic.Stream.OnNextAsync(
                    new ChangeBatch { Silo = cells.Silo, Epoch = _epoch, Number = topic.Published + 1, Keys = ChangeBatch.Pack(keys, first, count) }).ConfigureAwait(false);
                Interlocked.Increment(ref topic.Published);
                GrainsInstruments.ChangesPublished.Add(count);
            }

            _isFailing = false;
        }
        catch (Exception exception)
        {
            // Some may go out twice: whoever is told reads the newest value anyway.
            cells.ToTell.PutBack(entity.Index, keys, sequences);
            if (!_isFailing)
                LogFailing(exception);
            _isFailing = true;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The streams of changes do not take what has changed; it waits")]
    private partial void LogFailing(Exception exception);

    /// <summary>An entity type.</summary>
    private sealed class Topic
    {
        /// <summary>Batches published.</summary>
        public long Published;

        public bool IsListenedTo { get; set; }

        public long ListenedAt { get; set; }

        public IAsyncStream<ChangeBatch>? Stream { get; set; }
    }
}
