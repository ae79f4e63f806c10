using FeatureStore.Core.Plans;
using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Ownership;
using FeatureStore.Grains.Payloads;
using FeatureStore.Grains.Placement;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using Microsoft.Extensions.Logging;
using Orleans.Runtime.Placement;

namespace FeatureStore.Grains;

/// <summary>
/// All entities of a project in a cluster, a grain each. Any silo reads; one silo owns the stream and applies (<see cref="GrainCheckpoints.AcquireAsync"/>).
/// <para>
/// The owner cuts the stream into intervals. At a cut, <see cref="GrainCheckpoints"/> has every entity called in the interval written as of the cut, once
/// what the cut contains is published; until then the owner keeps what it sent. An activation that is lost, moved or doubted meanwhile comes back
/// with its durable block, and gets the rest again, in order, before anything new: no event is lost or has its effect twice, and every vector is as if nothing had happened.
/// </para>
/// </summary>
public sealed partial class OrleansRuntime : IEntityRuntime, IDisposable
{
    /// <summary>Intervals after which the link of an entity is forgotten that was not called,</summary>
    private const int LinkIntervals = 16;

    /// <summary>and links from which one interval is enough.</summary>
    private const int LinksMax = 1_000_000;
    private static readonly TimeSpan _pauseMax = TimeSpan.FromSeconds(1);

    private readonly ClusterPlan _plan;
    private readonly IGrainFactory _grains;
    private readonly EntityClient _entities;
    private readonly EntityCells _cells;
    private readonly OwnerView _owner;
    private readonly OrleansRuntimeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<OrleansRuntime> _logger;

    /// <summary>As <see cref="OwnerCall.Slice"/>.</summary>
    private readonly int _slice;

    /// <summary>Held by a batch, and by whatever else touches the links.</summary>
    private readonly SemaphoreSlim _gate = new(1);

    /// <summary>Links, an entity type each: those called lately, or with undurable events.</summary>
    private readonly LinkTable[] _links;

    /// <summary>What was called in the intervals that are durable, the newest last.</summary>
    private readonly Queue<Cut> _durable = new();
    private readonly EnrichedRows _enriched = new();
    private readonly JoinMerge _merge = new();
    private readonly SourcePositions _positions;
    private List<EntityLink> _called = [];
    private long _batch;
    private long _interval;
    private long _term;
    private long _calls;
    private long _unsavedBytes;
    private volatile bool _isHot;

    internal OrleansRuntime(
        ClusterPlan plan, IGrainFactory grains, EntityClient entities, EntityCells cells, OwnerView owner, EraseClient erase, OrleansRuntimeOptions options, TimeProvider time, ILogger<OrleansRuntime> logger, int slice = 0)
    {
        options.Check();
        _slice = slice;
        _plan = plan;
        _grains = grains;
        _entities = entities;
        _cells = cells;
        _owner = owner;
        _erase = erase;
        _options = options;
        _time = time;
        _logger = logger;
        _positions = new SourcePositions(plan.Project.Sources.Count);
        Joins = new Shard(plan.Project, 0, 1);
        JoinErasures = new JoinErasures(plan, _positions, Joins);
        _links = [.. plan.Project.Entities.Select(_ => new LinkTable())];
    }

    /// <summary>Entities whose newest events are not durable, or that were called lately.</summary>
    public int Links => _links.Sum(links => links.Count);

    /// <summary>Bytes of events that are kept until they are durable.</summary>
    public long UnsavedBytes => Interlocked.Read(ref _unsavedBytes);

    /// <summary>Number of the newest cut.</summary>
    internal long NewestCut => _interval - 1;

    /// <summary>What the joins keep.</summary>
    internal Shard Joins { get; }

    /// <summary>What keeps erased entities out of them.</summary>
    internal JoinErasures JoinErasures { get; }

    /// <summary>Has the owner's record written with an erasure in it.</summary>
    internal Func<CancellationToken, Task>? NoteErasure { get; set; }

    /// <summary>Whether some entity has more undurable events than should wait.</summary>
    internal bool IsHot => _isHot;

    /// <summary>The checkpoint under way, which a stream that is too far ahead waits for.</summary>
    internal Task Saving { get; set; } = Task.CompletedTask;

    /// <inheritdoc/>
    public long StreamTimeMs(int source) => _owner.StreamTimeMs(source);

    /// <inheritdoc/>
    /// <exception cref="OwnerFencedException">Another silo owns the stream.</exception>
    /// <exception cref="TimeoutException">An entity was out of reach for too long.</exception>
    public async ValueTask ApplyAsync(ApplyBatch batch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (_term == 0)
            throw new InvalidOperationException("This silo does not own the stream. Acquire it before the first batch.");
        if (batch.Events.Count == 0)
            return;
        batch.Check(_plan.Project);
        if (UnsavedBytes >= _options.UnsavedBytesMax)
            await Saving.WaitAsync(cancellationToken).ConfigureAwait(false);
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var passes = _plan.PassesOf(batch.Source);
            _enriched.Reset(batch.Events.Count, passes.Enriched.Length);
            await ApplyAsync(batch, passes.First, cancellationToken).ConfigureAwait(false);
            if (passes.Enriched.Length > 0)
            {
                _enriched.CopyTo(batch.Events, passes.Enriched);
                await ApplyAsync(batch, passes.Second, cancellationToken).ConfigureAwait(false);
            }

            if (_plan.Project.Sources[batch.Source].Join is null)
                _positions.Advance(batch);
            _owner.Advance(batch.Source, batch.NewestMs());
            Join(batch);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <inheritdoc/>
    /// <exception cref="TimeoutException">An entity was out of reach for too long.</exception>
    /// <exception cref="OtherDefinitionsException">The silo of an entity runs other definitions.</exception>
    public async ValueTask ReadAsync(int entity, BlockSet keys, BlockSet blocks, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentNullException.ThrowIfNull(blocks);
        var plan = _plan.Project.Entities[entity];
        var first = 0;
        while (first < keys.Count && _cells.TryRead(EntityAddress.Of(plan, keys[first]), blocks))
            first++;
        if (first < keys.Count)
            await ReadAsync(plan, keys, first, blocks, cancellationToken).ConfigureAwait(false);
    }

    public void Dispose()
    {
        Joins.Dispose();
        _gate.Dispose();
    }

    /// <summary>Makes this silo the owner. Before the first batch.</summary>
    /// <param name="term">The owner's term.</param>
    /// <param name="interval">Number of the first interval, and of the checkpoint that it ends with.</param>
    /// <param name="streamTimesMs">Of each source.</param>
    /// <param name="partitions">How far each was applied.</param>
    /// <param name="generations">By topic and partition, how often the partition was made anew.</param>
    internal void Own(long term, long interval, ReadOnlySpan<long> streamTimesMs, IReadOnlyList<PartitionCheckpoint> partitions, IReadOnlyDictionary<string, int[]> generations)
    {
        _interval = interval;
        foreach (var source in _plan.Project.TopicSources)
        {
            foreach (var partition in partitions.Where(partition => partition.Topic == source.Definition.Kafka!.Topic))
                _positions.Advance(source.Index, partition.Partition, partition.NextOffset);
            if (generations.TryGetValue(source.Definition.Kafka!.Topic, out var ofTopic))
                (_generations ??= NoGenerations())[source.Index] = ofTopic;
        }

        if (_slice > 0)
            _owner.Share(term, streamTimesMs);
        else
            _owner.Own(term, _cells.Silo, streamTimesMs);
        _term = term;
    }

    /// <summary>By topic and partition, how often a partition was made anew.</summary>
    internal Dictionary<string, int[]> Generations() =>
        _plan.Project.TopicSources.Where(source => _generations?[source.Index].Length > 0).ToDictionary(source => source.Definition.Kafka!.Topic, source => _generations![source.Index]);

    /// <summary>Cuts the stream: what comes from here on belongs to the next interval. Between two batches.</summary>
    /// <param name="partitions">How far they were read, which may end with records that were no events.</param>
    internal Cut BeginInterval(IReadOnlyList<PartitionCheckpoint> partitions)
    {
        _gate.Wait();
        try
        {
            foreach (var source in _plan.Project.TopicSources)
            {
                foreach (var partition in partitions.Where(partition => partition.Topic == source.Definition.Kafka!.Topic))
                    _positions.Advance(source.Index, partition.Partition, partition.NextOffset);
            }

            JoinErasures.Settle();
            Joins.BeginSnapshot();
            var cut = new Cut(_interval++, _called);
            _called = [];
            _isHot = false;
            return cut;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Has the entities of a cut written, those that still have to be.</summary>
    /// <returns>Whether all of them are durable. If not, the caller tries again, after a pause.</returns>
    internal async Task<bool> FlushAsync(Cut cut, CancellationToken cancellationToken)
    {
        List<(SiloAddress Silo, EntityLink[] Links, long[] Epochs)> calls = [];
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            cut.Pending.RemoveAll(link => !link.HasUnsaved(cut.Interval));
            await ForEachAsync(cut.Pending.FindAll(link => link.IsInDoubt), link => ReachAsync(link, null, cancellationToken)).ConfigureAwait(false);
            foreach (var silo in cut.Pending.GroupBy(link => link.Silo!))
                calls.AddRange(silo.Chunk(Cut.EntitiesPerCall).Select(links => (silo.Key, links, Array.ConvertAll(links, link => link.Epoch))));
        }
        finally
        {
            _gate.Release();
        }

        var failed = 0;
        await ForEachAsync(calls, async call =>
        {
            var statuses = await FlushAsync(call.Silo, call.Links, call.Epochs, cut.Interval).ConfigureAwait(false);
            await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                for (var index = 0; index < statuses.Length; index++)
                {
                    var link = call.Links[index];
                    if (statuses[index] == FlushStatus.Durable)
                        Release(link, cut.Interval);
                    else
                        failed++;
                    if (statuses[index] == FlushStatus.Behind && link.Epoch == call.Epochs[index])
                        link.IsInDoubt = true;
                }
            }
            finally
            {
                _gate.Release();
            }
        }).ConfigureAwait(false);
        return failed == 0;
    }

    /// <summary>Forgets the entities that nothing is known of but what is durable, once they were not called for some intervals.</summary>
    internal async Task ForgetAsync(Cut cut)
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        _durable.Enqueue(cut);
        while (_durable.Count > LinkIntervals || _durable.Count > 1 && Links > LinksMax)
        {
            var oldest = _durable.Dequeue();
            foreach (var link in oldest.Called)
            {
                if (link.UnsavedCount == 0 && link.Interval <= oldest.Interval)
                    _links[link.Entity].Remove(link);
            }
        }

        TrimSpare();
        _gate.Release();
        GrainsInstruments.UnsavedBytes.Record(UnsavedBytes);
    }

    /// <summary>Whether trying again is no use. Orleans also cancels calls by itself: those that could not be sent before their time was over.</summary>
    private static bool IsLasting(Exception exception, CancellationToken cancellationToken) => exception is OperationCanceledException
        ? cancellationToken.IsCancellationRequested
        : exception is OwnerFencedException or OtherDefinitionsException or InvalidDataException or ArgumentException or NotSupportedException or InvalidOperationException;

    /// <summary>Runs work on each item, so many at once as calls are allowed.</summary>
    private async Task ForEachAsync<T>(List<T> items, Func<T, Task> work)
    {
        var next = -1;
        var lanes = new Task[Math.Min(_options.CallsMax, items.Count)];
        for (var lane = 0; lane < lanes.Length; lane++)
            lanes[lane] = RunAsync();
        await Task.WhenAll(lanes).ConfigureAwait(false);

        async Task RunAsync()
        {
            while (Interlocked.Increment(ref next) is var index && index < items.Count)
                await work(items[index]).ConfigureAwait(false);
        }
    }

    /// <summary>Gives the batch to the joins that its source is a side of.</summary>
    private void Join(ApplyBatch batch)
    {
        var joins = _plan.Project.Sources[batch.Source].Joins;
        for (var index = 0; index < joins.Count; index++)
        {
            Joins.Join(batch, joins[index].Index, JoinErasures.RuleOf(joins[index]));
            _merge.Merge([Joins], joins[index].Index, batch.Joined[index]);
        }

        JoinErasures.Settle();
    }

    private EntityLink LinkOf(EntityPlan entity, ulong hash, ReadOnlySpan<byte> key)
    {
        var link = _links[entity.Index].Find(hash, key);
        if (link is null)
        {
            var address = EntityAddress.Of(entity, key);
            link = new EntityLink(_grains.GetGrain<IEntityGrain>(address), entity.Index, address, key);
            _links[entity.Index].Add(hash, link);
        }

        return link;
    }

    /// <summary>Takes note that an entity is called in this interval.</summary>
    private void Call(EntityLink link)
    {
        if (link.Interval < _interval)
            _called.Add(link);
        link.Interval = _interval;
    }

    /// <summary>Has an entity apply a request, wherever it is; first, where that is in doubt, what it may lack. Without a request, only that.</summary>
    private async Task<ApplyReply?> ReachAsync(EntityLink link, Sent? request, CancellationToken cancellationToken)
    {
        var start = _time.GetTimestamp();
        for (var attempt = 0; ; attempt++)
        {
            Exception? failure = null;
            var isCalled = false;
            try
            {
                if (link.IsInDoubt)
                    await CatchUpAsync(link, request).ConfigureAwait(false);
                if (request is null && !link.IsInDoubt)
                    return null;
                if (!link.IsInDoubt)
                {
                    isCalled = true;
                    if (await CallAsync(link, request!.Value).ConfigureAwait(false) is { } reply)
                        return reply;
                }
            }
            catch (Exception exception) when (!IsLasting(exception, cancellationToken))
            {
                failure = exception;
                if (isCalled)
                    NoAnswer(link, request!.Value);
                link.IsInDoubt = true;
            }

            if (_time.GetElapsedTime(start) > _options.UnreachableMax)
                throw new TimeoutException($"Entity \"{link.Address}\" was out of reach for {_options.UnreachableMax.TotalSeconds:0} s: {failure?.Message ?? "its activation keeps changing."} See whether the silos and the grain storage are up.", failure);
            if (attempt > 0 || failure is not null)
                await Task.Delay(_slice == 0 ? Pause(attempt) : Pause(attempt) * (0.5 + Random.Shared.NextDouble()), _time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Sends one request.</summary>
    /// <returns>The answer; null where the entity is behind, and so in doubt, or moves.</returns>
    private async Task<ApplyReply?> CallAsync(EntityLink link, Sent sent)
    {
        GrainsInstruments.Calls.Add(1);
        // An entity that nobody has called yet in this term, or whose silo leaves, best lives here.
        if ((link.Silo is null || !_entities.Stays(link.Silo)) && _options is { Placement: EntityPlacementPreference.Owner, EntitiesFollow: true } && _cells.Count < _options.OwnerEntitiesMax && !_cells.IsShedding)
            RequestContext.Set(IPlacementDirector.PlacementHintKey, _cells.Silo);
        var isRepeated = link.IsAnswerLost && link.IsNewest(sent);
        var reply = Take(link, await link.Grain.ApplyAsync(NextCall(link) with { IsRepeated = isRepeated }, RequestOf(link, sent)).ConfigureAwait(false));
        link.IsAnswerLost &= reply is null || !isRepeated;
        return reply;
    }

    private ApplyRequest RequestOf(EntityLink link, Sent sent) => sent.Events.Request(_plan.Fingerprint, EntityAddress.HoldsKey(link.Key) ? null : link.Key, sent.First, sent.Count);

    /// <summary>Takes note that a request may have had its effect, or may not.</summary>
    private static void NoAnswer(EntityLink link, Sent sent)
    {
        link.IsAnswerLost |= sent.Events.Erasure is null && link.IsNewest(sent);
        link.IsInDoubt = true;
    }

    /// <summary>
    /// Has an activation go back to what is durable, and apply all that came after it but the request that is next. Where other slices call it too, it goes back only for
    /// an answer that was lost and can be had no other way: the others' events would be lost with ours, and theirs with those of the next who does.
    /// </summary>
    private async Task CatchUpAsync(EntityLink link, Sent? next)
    {
        GrainsInstruments.Recoveries.Add(1);
        LogCatchUp(link.Address, link.UnsavedCount);
        if ((_slice == 0 || link.GoesBack) && Take(link, await link.Grain.RollBackAsync(NextCall(link)).ConfigureAwait(false)) is null)
            return;
        if (_slice == 0 || link.GoesBack)
            link.IsAnswerLost = link.GoesBack = false;
        for (var index = 0; index < link.UnsavedCount; index++)
        {
            if (link.Unsaved[index] is var sent && sent != next && await CallAsync(link, sent).ConfigureAwait(false) is null)
                return;
        }

        link.IsInDoubt = false;
    }

    private OwnerCall NextCall(EntityLink link) => new() { Term = _term, Number = Interlocked.Increment(ref _calls), Epoch = link.Epoch, Slice = _slice };

    private ApplyReply? Take(EntityLink link, ApplyReply reply)
    {
        var isApplied = Take(link, reply.Status, reply.Epoch);
        if (reply.Silo is not null)
            (link.Silo, link.Cell) = (reply.Silo, null);
        return isApplied ? reply : null;
    }

    private bool Take(EntityLink link, ApplyStatus status, long epoch)
    {
        switch (status)
        {
            case ApplyStatus.Fenced:
                throw new OwnerFencedException();
            case ApplyStatus.OtherDefinitions:
                throw new InvalidDataException($"The silo of entity \"{link.Address}\" runs other definitions than this one, or another number of slices. Roll the same out to all silos.");
            case ApplyStatus.Behind:
                link.IsInDoubt = true;
                if (_slice > 0 && epoch > 0)
                    link.Epoch = epoch;
                return false;
            case ApplyStatus.Moves:
                return false;
            case ApplyStatus.Repeated:
                link.IsInDoubt = link.GoesBack = true;
                return false;
            default:
                link.Epoch = epoch;
                return true;
        }
    }

    private async Task<FlushStatus[]> FlushAsync(SiloAddress silo, EntityLink[] links, long[] epochs, long interval)
    {
        try
        {
            var request = new FlushRequest { Term = _term, Interval = interval, Addresses = Array.ConvertAll(links, link => link.Address), Epochs = epochs };
            var statuses = Array.ConvertAll(await _entities.On(silo).FlushAsync(request).ConfigureAwait(false), status => (FlushStatus)status);
            return statuses.Contains(FlushStatus.Fenced) ? throw new OwnerFencedException() : statuses;
        }
        catch (Exception exception) when (!IsLasting(exception, default))
        {
            // The silo may have died, and the entities with it: they come back elsewhere with what they have durable.
            LogFlushFailed(exception, silo);
            return [.. Enumerable.Repeat(FlushStatus.Behind, links.Length)];
        }
    }

    /// <summary>Reads the keys from one on. Those that are here take no message, whose way may lead over a silo that does not answer: the one that keeps the entity's entry of the directory.</summary>
    private async Task ReadAsync(EntityPlan plan, BlockSet keys, int first, BlockSet blocks, CancellationToken cancellationToken)
    {
        var start = _time.GetTimestamp();
        var found = new byte[keys.Count - first][];
        await ForEachAsync([.. Enumerable.Range(0, found.Length)], async index =>
        {
            var address = EntityAddress.Of(plan, keys[first + index]);
            found[index] = _cells.Find(address)?.TryRead() ?? await ReadAsync(plan, address, start, cancellationToken).ConfigureAwait(false);
        }).ConfigureAwait(false);
        foreach (var block in found)
            blocks.Add(block);
    }

    /// <summary>Reads an entity wherever it is. An attempt ends after <see cref="ResponseTimes.Read"/>; the next finds the entity elsewhere, once its silo is known to be out. A block of other definitions is refused: nobody may take its bytes for another layout's.</summary>
    /// <param name="plan">Of the entity.</param>
    /// <param name="address">Of the entity.</param>
    /// <param name="start">When the read began that this is a part of.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    private async Task<byte[]> ReadAsync(EntityPlan plan, string address, long start, CancellationToken cancellationToken)
    {
        Exception? failure = null;
        for (var attempt = 1; _time.GetElapsedTime(start) < _options.ReadMax; attempt++)
        {
            try
            {
                if ((await _grains.GetGrain<IEntityGrain>(address).ReadAsync().AsTask().WaitAsync(cancellationToken).ConfigureAwait(false)).Value is { } block)
                {
                    return block.Length == 0 || EntityPlan.LayoutOf(block) == plan.LayoutFingerprint
                        ? block
                        : throw new OtherDefinitionsException($"The silo of entity \"{address}\" runs other definitions than this one. Roll the same definitions out to all silos, or ask one that has them.");
                }
            }
            catch (Exception exception) when (!IsLasting(exception, cancellationToken))
            {
                failure = exception;
            }

            await Task.Delay(Pause(attempt), _time, cancellationToken).ConfigureAwait(false);
        }

        throw new TimeoutException($"Entity \"{address}\" was out of reach for {_options.ReadMax.TotalSeconds:0.#} s. Try again; if it stays so, see whether the silos and the grain storage are up.", failure);
    }

    private static TimeSpan Pause(int attempt) => TimeSpan.FromMilliseconds(Math.Min(_pauseMax.TotalMilliseconds, 5 << Math.Min(attempt, 10)));

    [LoggerMessage(Level = LogLevel.Debug, Message = "Entity {Address} goes back to what is durable and gets {Requests} batches again")]
    private partial void LogCatchUp(string address, int requests);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Silo {Silo} did not answer a call to many entities; each is looked for")]
    private partial void LogNoAnswer(Exception exception, SiloAddress silo);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Silo {Silo} did not answer a flush; its entities are looked for elsewhere")]
    private partial void LogFlushFailed(Exception exception, SiloAddress silo);
}

/// <summary>The entities called in an interval, of which those with events are written as of its end.</summary>
/// <param name="Interval">The interval.</param>
/// <param name="Called">All of them.</param>
internal sealed record Cut(long Interval, List<EntityLink> Called)
{
    public const int EntitiesPerCall = 512;

    /// <summary>Those not durable yet.</summary>
    public List<EntityLink> Pending { get; } = [.. Called];
}
