using System.Collections.Concurrent;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Streams;

namespace FeatureStore.Grains.Changes;

/// <summary>
/// Changes of the entities of all silos. While it listens, it says so to every silo again and again; each answers how many batches it has published, and so what has been lost
/// on the way is noticed, and told, wherever it was lost. So are changes that nobody has counted: those of a silo that has died, and of one that has just come.
/// </summary>
internal sealed partial class StreamChangeFeed(
    ClusterPlan plan, IServiceProvider services, ChangeClient client, ISiloStatusOracle silos, ChangeStreamOptions options, TimeProvider time, ILogger<StreamChangeFeed> logger)
    : IChangeFeed, IHostedService, IAsyncDisposable
{
    private readonly ConcurrentDictionary<int, Topic> _topics = new();

    /// <summary>Held while listening begins, ends, or is renewed.</summary>
    private readonly SemaphoreSlim _gate = new(1);
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask<IAsyncDisposable> ListenAsync(int entity, IChangeListener listener, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_stop.IsCancellationRequested, this);
            if (_topics.ContainsKey(entity))
                throw new InvalidOperationException($"Somebody listens to changes of entity {entity} already.");
            var topic = new Topic(plan.Project.Entities[entity], listener);
            // Before the silos begin to publish.
            await SubscribeAsync(topic).WaitAsync(cancellationToken).ConfigureAwait(false);
            await RenewAsync([topic]).ConfigureAwait(false);
            topic.HasBegun = true;
            _topics[entity] = topic;
            if (_running.IsCompleted)
                _running = Task.Run(RunAsync, CancellationToken.None);
            return new Listening(this, entity);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Ends all subscriptions, while the silo can still say so.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        foreach (var entity in _topics.Keys)
            await EndAsync(entity).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested)
            return;
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task EndAsync(int entity)
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_topics.TryRemove(entity, out var topic))
                await UnsubscribeAsync(topic).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(options.Renewal, time);
        var checkedAt = time.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
            {
                await _gate.WaitAsync(_stop.Token).ConfigureAwait(false);
                try
                {
                    if (_topics.IsEmpty)
                    {
                        _running = Task.CompletedTask;
                        return;
                    }

                    await RenewAsync([.. _topics.Values]).ConfigureAwait(false);
                    if (time.GetElapsedTime(checkedAt) < options.LostAfter)
                        continue;
                    checkedAt = time.GetTimestamp();
                    await Task.WhenAll(_topics.Values.Select(CheckSubscriptionsAsync)).ConfigureAwait(false);
                }
                finally
                {
                    _gate.Release();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The silo stops.
        }
    }

    /// <summary>Tells all silos that somebody listens, and finds what is lost.</summary>
    private async Task RenewAsync(List<Topic> topics)
    {
        SiloAddress[] active = [.. silos.GetApproximateSiloStatuses(onlyActive: true).Keys];
        string[] names = [.. topics.Select(topic => topic.Entity.Name)];
        var answers = await Task.WhenAll(active.Select(silo => AskAsync(silo, names))).ConfigureAwait(false);
        for (var index = 0; index < topics.Count; index++)
        {
            var topic = topics[index];
            var isMissed = topic.Batches.Forget(active);
            foreach (var (silo, counts) in active.Zip(answers))
                isMissed |= counts is not null && topic.Batches.Compare(silo, counts.Epoch, counts.Published[index], time, options.LostAfter);
            if (!isMissed || !topic.HasBegun)
                continue;
            GrainsInstruments.ChangesMissed.Add(1);
            topic.Listener.Missed(topic.Entity.Index);
        }
    }

    /// <summary>
    /// Subscribes once more where the streams do not know of a subscription any more, as after the death of the silo that kept it. The older ones stay: who has learned of them
    /// delivers to them and asks no more.
    /// </summary>
    private async Task CheckSubscriptionsAsync(Topic topic)
    {
        try
        {
            await SubscribeAsync(topic).WaitAsync(options.CallTimeout, time, _stop.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !_stop.IsCancellationRequested)
        {
            // The next round tries again.
            LogNotSubscribed(exception, topic.Entity.Name);
        }
    }

    private async Task<ChangeCounts?> AskAsync(SiloAddress silo, string[] names)
    {
        try
        {
            return await client.On(silo).ListenAsync(names).WaitAsync(options.CallTimeout, time).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            // It may be dying, or runs an older version; asked again with the next renewal.
            LogNotAsked(exception, silo);
            return null;
        }
    }

    /// <summary>Subscribes to the streams that do not know of it.</summary>
    private async Task SubscribeAsync(Topic topic)
    {
        var provider = services.GetRequiredKeyedService<IStreamProvider>(ClusterNames.Streams);
        await Task.WhenAll(Enumerable.Range(0, options.Buckets).Select(async bucket =>
        {
            var stream = provider.GetStream<ChangeBatch>(ChangeStreams.IdOf(topic.Entity, bucket));
            if (topic.Subscriptions.TryGetValue(bucket, out var newest)
                && (await stream.GetAllSubscriptionHandles().ConfigureAwait(false)).Any(known => known.HandleId == newest.HandleId))
            {
                return;
            }

            topic.Subscriptions[bucket] = await stream.SubscribeAsync((batch, _) =>
            {
                Receive(topic, batch);
                return Task.CompletedTask;
            }).ConfigureAwait(false);
        })).ConfigureAwait(false);
    }

    private async Task UnsubscribeAsync(Topic topic)
    {
        topic.IsOver = true;
        await Task.WhenAll(Enumerable.Range(0, options.Buckets).Select(async bucket =>
        {
            try
            {
                var stream = services.GetRequiredKeyedService<IStreamProvider>(ClusterNames.Streams).GetStream<ChangeBatch>(ChangeStreams.IdOf(topic.Entity, bucket));
                foreach (var subscription in await stream.GetAllSubscriptionHandles().WaitAsync(options.CallTimeout, time).ConfigureAwait(false))
                    await subscription.UnsubscribeAsync().WaitAsync(options.CallTimeout, time).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                // It is gone with the silo that knew it, or this one has left.
                LogNotUnsubscribed(exception, topic.Entity.Name);
            }
        })).ConfigureAwait(false);
    }

    private static void Receive(Topic topic, ChangeBatch batch)
    {
        if (topic.IsOver)
            return;
        var keys = new BlockSet();
        batch.Unpack(keys);
        topic.Listener.Changed(topic.Entity.Index, keys);
        if (topic.Batches.Receive(batch.Silo, batch.Epoch, batch.Number))
            return;
        GrainsInstruments.ChangesMissed.Add(1);
        topic.Listener.Missed(topic.Entity.Index);
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Silo {Silo} was not told that somebody listens to changes")]
    private partial void LogNotAsked(Exception exception, SiloAddress silo);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The streams of changes of entity {Entity} could not be asked whether they know who listens; it is tried again")]
    private partial void LogNotSubscribed(Exception exception, string entity);

    [LoggerMessage(Level = LogLevel.Debug, Message = "A subscription to changes of entity {Entity} could not be ended")]
    private partial void LogNotUnsubscribed(Exception exception, string entity);

    private sealed class Listening(StreamChangeFeed feed, int entity) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await feed.EndAsync(entity).ConfigureAwait(false);
    }

    /// <summary>An entity type that is listened to.</summary>
    private sealed class Topic(EntityPlan entity, IChangeListener listener)
    {
        public EntityPlan Entity => entity;

        public IChangeListener Listener => listener;

        public ReceivedBatches Batches { get; } = new();

        /// <summary>The newest of each stream.</summary>
        public ConcurrentDictionary<int, StreamSubscriptionHandle<ChangeBatch>> Subscriptions { get; } = new();

        public bool IsOver { get; set; }

        /// <summary>Whether listening has begun: from then on a silo that is new may have had changes before it knew.</summary>
        public bool HasBegun { get; set; }
    }
}
