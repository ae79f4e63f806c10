using System.Runtime.CompilerServices;
using FeatureStore.Api.Http;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Api.Features;

/// <summary>
/// Reads entities' newest blocks: from the hot store where there is one, and from the runtime what that lacks. A hot store that fails or is slow costs one
/// time-out; for a pause after it, reads go to the runtime at once.
/// </summary>
internal sealed partial class EntityReader(
    ProjectPlan plan, IEntityRuntime runtime, TimeProvider time, FeatureStoreApiOptions options, ILogger<EntityReader> logger, IHotStore? hotStore = null)
{
    private const int LogPauseSeconds = 10;

    private static readonly KeyValuePair<string, object?> _hot = new("origin", "hot_store");
    private static readonly KeyValuePair<string, object?> _runtime = new("origin", "runtime");

    private readonly long[] _hotStreamTimesMs = [.. plan.Sources.Select(_ => long.MinValue)];
    private readonly long[] _hotStreamTimesUntil = new long[plan.Sources.Count];
    private long _pausedUntil = long.MinValue;
    private long _quietUntil = long.MinValue;

    /// <summary>The wall clock, Unix ms.</summary>
    public long NowMs => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Reads a block for each key.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask ReadAsync(EntityPlan entity, EntityBlocks blocks, CancellationToken cancellationToken)
    {
        if (hotStore is null || Paused || !await TryReadHotStoreAsync(hotStore, entity, blocks, cancellationToken))
        {
            await ReadRuntimeAsync(entity, blocks, cancellationToken);
            return;
        }

        ApiInstruments.EntitiesRead.Add(blocks.Keys.Count - blocks.Missing.Count, _hot);
        if (blocks.Missing.Count == 0)
            return;
        blocks.FromRuntime.Clear();
        await ReadRuntimeAsync(entity.Index, blocks.Missing, blocks.FromRuntime, cancellationToken);
        ApiInstruments.EntitiesRead.Add(blocks.Missing.Count, _runtime);
    }

    /// <summary>Reads a block for each key past the hot store, which may be a little behind.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask ReadRuntimeAsync(EntityPlan entity, EntityBlocks blocks, CancellationToken cancellationToken)
    {
        blocks.UseRuntime();
        blocks.FromRuntime.Clear();
        await ReadRuntimeAsync(entity.Index, blocks.Keys, blocks.FromRuntime, cancellationToken);
        ApiInstruments.EntitiesRead.Add(blocks.Keys.Count, _runtime);
    }

    /// <summary>Stream time of a source, Unix ms: the runtime's, or where that has seen nothing, the hot store's of at most a second ago. <see cref="long.MinValue"/>: none yet.</summary>
    public ValueTask<long> StreamTimeMsAsync(SourcePlan source, CancellationToken cancellationToken)
    {
        var streamTimeMs = runtime.StreamTimeMs(source.Index);
        return streamTimeMs > long.MinValue || hotStore is null ? new(streamTimeMs) : HotStreamTimeMsAsync(hotStore, source, cancellationToken);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ReadRuntimeAsync(int entity, BlockSet keys, BlockSet found, CancellationToken cancellationToken)
    {
        try
        {
            await runtime.ReadAsync(entity, keys, found, cancellationToken);
        }
        catch (TimeoutException exception)
        {
            // Every request may come here while a silo is out: the log has one of them from time to time.
            var (now, quietUntil) = (time.GetTimestamp(), Volatile.Read(ref _quietUntil));
            if (now >= quietUntil && Interlocked.CompareExchange(ref _quietUntil, now + LogPauseSeconds * time.TimestampFrequency, quietUntil) == quietUntil)
                LogOutOfReach(logger, exception, exception.Message);
            throw new ApiException(503, "out-of-reach", exception.Message) { RetryAfterSeconds = 1 };
        }
    }

    private bool Paused => time.GetTimestamp() < Volatile.Read(ref _pausedUntil);

    private async ValueTask<bool> TryReadHotStoreAsync(IHotStore store, EntityPlan entity, EntityBlocks blocks, CancellationToken cancellationToken)
    {
        blocks.FromHotStore.Clear();
        try
        {
            await WithTimeout(token => store.GetAsync(entity.Index, blocks.Keys, blocks.FromHotStore, token), cancellationToken);
            if (blocks.FromHotStore.Count != blocks.Keys.Count)
                throw new InvalidDataException($"{blocks.FromHotStore.Count} blocks for {blocks.Keys.Count} keys.");
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            Fail(exception);
            return false;
        }

        blocks.UseHotStore();
        for (var index = 0; index < blocks.Keys.Count; index++)
        {
            var block = blocks.FromHotStore[index];
            if (block.IsEmpty)
            {
                blocks.Miss(index);
            }
            else if (entity.Check(block) is not null || !EntityPlan.Key(block).SequenceEqual(blocks.Keys[index]))
            {
                // Of other definitions, or damaged: no reason to leave the whole store alone.
                ApiInstruments.HotStoreFailures.Add(1);
                blocks.Miss(index);
            }
        }

        return true;
    }

    private async ValueTask<long> HotStreamTimeMsAsync(IHotStore store, SourcePlan source, CancellationToken cancellationToken)
    {
        if (Paused || time.GetTimestamp() < Volatile.Read(ref _hotStreamTimesUntil[source.Index]))
            return Volatile.Read(ref _hotStreamTimesMs[source.Index]);
        try
        {
            var streamTimeMs = long.MinValue;
            await WithTimeout(async token => streamTimeMs = await store.GetStreamTimeAsync(source.Definition.Name, token), cancellationToken);
            Volatile.Write(ref _hotStreamTimesMs[source.Index], streamTimeMs);
            Volatile.Write(ref _hotStreamTimesUntil[source.Index], time.GetTimestamp() + time.TimestampFrequency);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            Fail(exception);
        }

        return Volatile.Read(ref _hotStreamTimesMs[source.Index]);
    }

    /// <summary>Ends the wait by a token, so that the store no longer writes into what the caller reuses.</summary>
    private async ValueTask WithTimeout(Func<CancellationToken, ValueTask> read, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(options.HotStoreTimeout, time);
        using var registration = cancellationToken.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), timeout);
        await read(timeout.Token);
    }

    private void Fail(Exception exception)
    {
        ApiInstruments.HotStoreFailures.Add(1);
        Volatile.Write(ref _pausedUntil, time.GetTimestamp() + (long)(options.HotStorePause.TotalSeconds * time.TimestampFrequency));
        LogHotStoreFailed(logger, options.HotStorePause, exception.Message);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Hot store failed; reads go to the runtime for {Pause}: {Reason}")]
    private static partial void LogHotStoreFailed(ILogger logger, TimeSpan pause, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A read failed, and perhaps others in the 10 s since: {Reason}")]
    private static partial void LogOutOfReach(ILogger logger, Exception exception, string reason);
}
