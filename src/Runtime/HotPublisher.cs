using FeatureStore.Core.Plans;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Runtime;

/// <summary>
/// Keeps a hot store up with the entities of a process: every round publishes those that changed, each once however often it changed, and at most
/// so many a round. What cannot be published waits for a later round.
/// </summary>
public sealed partial class HotPublisher : IAsyncDisposable
{
    private readonly ProjectPlan _plan;
    private readonly IEntityRuntime _runtime;
    private readonly IChangedEntities _changed;
    private readonly IHotStore _store;
    private readonly long _incarnation;
    private readonly HotPublisherOptions _options;
    private readonly ILogger<HotPublisher> _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private bool _failing;

    /// <param name="plan">The compiled definitions.</param>
    /// <param name="runtime">Knows the stream times.</param>
    /// <param name="changed">Which entities changed.</param>
    /// <param name="store">Gets them.</param>
    /// <param name="incarnation">Names this history of state; its version-7 time stamp orders it among others.</param>
    /// <param name="options">Rates.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Log.</param>
    public HotPublisher(
        ProjectPlan plan, IEntityRuntime runtime, IChangedEntities changed, IHotStore store, Guid incarnation, HotPublisherOptions options, TimeProvider time,
        ILogger<HotPublisher> logger)
    {
        _plan = plan;
        _runtime = runtime;
        _changed = changed;
        _store = store;
        _incarnation = TimestampMs(incarnation);
        _options = options;
        _logger = logger;
        changed.OnErased(HideAsync);
        _running = Task.Run(() => RunAsync(time));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _stop.Dispose();
    }

    /// <summary>The Unix milliseconds that a version-7 GUID begins with (RFC 9562).</summary>
    private static long TimestampMs(Guid guid)
    {
        Span<byte> bytes = stackalloc byte[16];
        guid.TryWriteBytes(bytes, bigEndian: true, out _);
        return (long)(System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(bytes) >> 16);
    }

    private async Task RunAsync(TimeProvider time)
    {
        using var timer = new PeriodicTimer(_options.Interval, time);
        var (keys, blocks, sequences) = (new BlockSet(), new BlockSet(), new List<long>());
        try
        {
            do
            {
                await PublishAsync(keys, blocks, sequences).ConfigureAwait(false);
            }
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    /// <summary>Removes an erased entity at once, so that its caller reads it no more. Where that fails, a later round does it.</summary>
    private async Task HideAsync(Tombstone tombstone, CancellationToken cancellationToken)
    {
        var (keys, blocks) = (new BlockSet(), new BlockSet());
        keys.Add(tombstone.Key);
        blocks.Add([]);
        try
        {
            await _store.PublishAsync(new HotBlocks(tombstone.Entity, _incarnation, keys, [tombstone.Sequence], blocks), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogNotHidden(exception);
        }
    }

    private async Task PublishAsync(BlockSet keys, BlockSet blocks, List<long> sequences)
    {
        var current = _plan.Entities[0];
        keys.Clear();
        try
        {
            foreach (var source in _plan.Sources)
            {
                if (_runtime.StreamTimeMs(source.Index) is var timeMs and > long.MinValue)
                    await _store.PublishStreamTimeAsync(source.Definition.Name, timeMs, _stop.Token).ConfigureAwait(false);
            }

            foreach (var entity in _plan.Entities)
            {
                current = entity;
                keys.Clear();
                blocks.Clear();
                sequences.Clear();
                _changed.Take(entity.Index, _options.BlocksPerRound, keys, sequences, blocks);
                if (keys.Count > 0)
                    await _store.PublishAsync(new HotBlocks(entity.Index, _incarnation, keys, sequences, blocks), _stop.Token).ConfigureAwait(false);
            }

            if (_failing)
                LogRecovered();
            _failing = false;
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !_stop.IsCancellationRequested)
        {
            // A store's own time-out may be a cancellation too.
            _changed.PutBack(current.Index, keys, sequences, blocks);
            if (!_failing)
                LogFailing(exception);
            _failing = true;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The hot store cannot be reached; readers of other processes fall back until it is")]
    private partial void LogFailing(Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "An erased entity could not be removed from the hot store yet; it is tried again until it is")]
    private partial void LogNotHidden(Exception exception);

    [LoggerMessage(Level = LogLevel.Information, Message = "The hot store is reached again")]
    private partial void LogRecovered();
}

/// <summary>Settings of <see cref="HotPublisher"/>.</summary>
public sealed record HotPublisherOptions
{
    /// <summary>Time between two rounds: how far the hot store may be behind. Default 50 ms.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Most entities of a type published in a round. Default 2,000: 40,000 a second.</summary>
    public int BlocksPerRound { get; init; } = 2000;
}
