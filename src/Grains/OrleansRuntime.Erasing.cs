using FeatureStore.Core.Plans;
using FeatureStore.Grains.Ownership;
using FeatureStore.Grains.Payloads;
using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Grains;

/// <summary>
/// How entities are erased, and stay so. The owner of the stream does it, between two batches, as it knows what was applied. What remains of the entity is its record, without a block
/// and with the offsets before which its events do not count.
/// </summary>
public sealed partial class OrleansRuntime
{
    private readonly EraseClient _erase;

    /// <summary>By source and partition; null: no partition was ever made anew.</summary>
    private int[][]? _generations;

    /// <inheritdoc/>
    public async ValueTask EraseAsync(int entity, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        EraseException.ThrowIfNone(_plan.Project, entity, key);
        if (_term > 0)
        {
            await EraseHereAsync(_plan.Project.Entities[entity], key, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (_plan.Slices > 1)
        {
            await EraseAtNextCutAsync(_plan.Project.Entities[entity], key, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (_owner.Silo is not { } silo)
            throw new EraseException("No silo ingests the project at the moment, and only that one erases. Repeat the request when it does.");
        string? problem;
        try
        {
            problem = await _erase.On(silo).EraseAsync(_plan.Project.Entities[entity].Name, key.ToArray()).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (!IsLasting(exception, cancellationToken))
        {
            throw new EraseException($"The silo that ingests does not answer: {exception.Message} Whether the entity is erased is not known; repeat the request.", exception);
        }

        if (problem is not null)
            throw new EraseException(problem);
    }

    /// <inheritdoc/>
    public void BeginSource(int source, IReadOnlyList<long> firstOffsets, IReadOnlyList<long> publishedOffsets)
    {
        ArgumentNullException.ThrowIfNull(publishedOffsets);
        _gate.Wait();
        _positions.Begin(source, publishedOffsets);
        _gate.Release();
    }

    /// <inheritdoc/>
    public void RecreatePartition(int source, int partition)
    {
        _gate.Wait();
        _positions.Recreate(source, partition);
        JoinErasures.Recreate(_plan.Project.Sources[source].Definition.Kafka!.Topic, partition);
        // Requests that were sent before go on with what they were sent with.
        var generations = _generations is null ? NoGenerations() : [.. _generations];
        var ofSource = generations[source];
        Array.Resize(ref ofSource, Math.Max(ofSource.Length, partition + 1));
        ofSource[partition]++;
        generations[source] = ofSource;
        _generations = generations;
        _gate.Release();
    }

    private int[][] NoGenerations() => [.. _plan.Project.Sources.Select(_ => Array.Empty<int>())];

    private async Task EraseHereAsync(EntityPlan entity, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            try
            {
                await EraseAsync(entity, key, GuardsOf(entity).ToArray(), cancellationToken).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is IOException or TimeoutException)
            {
                throw new EraseException($"The entity is erased here, but not durably: {exception.Message} The next checkpoint tries again; repeat the request to know that it is durable.", exception);
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task EraseAsync(EntityPlan entity, ReadOnlyMemory<byte> key, byte[] guards, CancellationToken cancellationToken)
    {
        var link = LinkOf(entity, KeyHash.Of(key.Span), key.Span);
        Call(link);
        var isNoted = !JoinErasures.Add(entity, key);
        var request = new Sent(SentEvents.Of(new ApplyRequest
        {
            Plan = _plan.Fingerprint,
            Interval = _interval,
            Rows = [],
            Key = EntityAddress.HoldsKey(link.Key) ? null : link.Key,
            Guards = guards,
        }), 0, 0);
        // Behind what came before, until it is durable: wherever the entity is erased, its sequence goes on from the same number.
        Keep(link, request);
        _isHot = true;
        await ReachAsync(link, request, cancellationToken).ConfigureAwait(false);
        await FlushErasedAsync(link, cancellationToken).ConfigureAwait(false);
        if (!isNoted && NoteErasure is not null)
            await NoteErasure(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Has an erased entity's record written at once. It holds no event, and so need not wait until anything is published.</summary>
    private async Task FlushErasedAsync(EntityLink link, CancellationToken cancellationToken)
    {
        var start = _time.GetTimestamp();
        for (var attempt = 1; ; attempt++)
        {
            var status = (await FlushAsync(link.Silo!, [link], [link.Epoch], _interval - 1).ConfigureAwait(false))[0];
            if (status == FlushStatus.Durable)
            {
                Release(link, long.MaxValue);
                return;
            }

            if (_time.GetElapsedTime(start) > _options.EraseMax)
                throw new IOException("the grain storage did not take it.");
            await Task.Delay(Pause(attempt), _time, cancellationToken).ConfigureAwait(false);
            link.IsInDoubt |= status == FlushStatus.Behind;
            await ReachAsync(link, null, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>What was applied, or had been before this start, does not count again. A joined event is kept out by the position of the record that made it.</summary>
    private AppliedOffsets GuardsOf(EntityPlan entity)
    {
        var guards = new AppliedOffsets();
        foreach (var source in Passes.FeedersOf(_plan.Project, entity))
        {
            var next = _positions.NextOffsets(source.Index);
            for (var partition = 0; partition < next.Length; partition++)
                guards.Advance(_plan.SourceIds[source.Index], partition, _generations is { } generations && partition < generations[source.Index].Length ? generations[source.Index][partition] : 0, next[partition]);
        }

        return guards;
    }
}
