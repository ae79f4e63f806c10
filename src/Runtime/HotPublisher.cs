using FeatureStore.Core.Plans;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Runtime;

/// <summary>
/// Keeps a hot store up with the entities of a process: every round publishes those that changed, each once however often it changed, and at most
/// so many a round. What cannot be published waits for a later round.
/// </summary>
public sealed partial class HotPublisher : IAsyncDisposable
{
    /// <summary>Rounds that publish what waits: more than that had not waited at the beginning.</summary>
    private const int RoundsAtOnceMax = 50;

    private readonly ProjectPlan _plan;
    private readonly IEntityRuntime _runtime;
    private readonly IChangedEntities _changed;
    private readonly IHotStore _store;
    private readonly Func<CancellationToken, ValueTask<Guid?>> _incarnationOf;
    private long? _incarnation;
    private readonly HotPublisherOptions _options;
    private readonly ILogger<HotPublisher> _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;

    /// <summary>Held by a round; guards what it uses.</summary>
    private readonly SemaphoreSlim _round = new(1);
    private readonly BlockSet _keys = new();
    private readonly BlockSet _blocks = new();
    private readonly List<long> _sequences = [];
    private bool _failing;

    /// <param name="plan">The compiled definitions.</param>
    /// <param name="runtime">Knows the stream times.</param>
    /// <param name="changed">Which entities changed.</param>
    /// <param name="store">Gets them.</param>
    /// <param name="incarnation">Names this history of state; its version-7 time stamp orders it among others. Null: not known yet, and nothing is published.</param>
    /// <param name="options">Rates.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Log.</param>
    public HotPublisher(
        ProjectPlan plan, IEntityRuntime runtime, IChangedEntities changed, IHotStore store, Func<CancellationToken, ValueTask<Guid?>> incarnation, HotPublisherOptions options,
        TimeProvider time, ILogger<HotPublisher> logger)
    {
        _plan = plan;
        _runtime = runtime;
        _changed = changed;
        _store = store;
        _incarnationOf = incarnation;
        _options = options;
        _logger = logger;
        _running = Task.Run(() => RunAsync(time));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _stop.Dispose();
        _round.Dispose();
    }

    /// <summary>Publishes what waits now. Where the store does not take it, a later round does.</summary>
    public async Task PublishAsync(CancellationToken cancellationToken)
    {
        for (var round = 0; round < RoundsAtOnceMax && await RoundAsync(cancellationToken).ConfigureAwait(false); round++)
        {
        }
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
        try
        {
            do
                await RoundAsync(_stop.Token).ConfigureAwait(false);
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    /// <returns>Whether more may wait that the store would take.</returns>
    private async Task<bool> RoundAsync(CancellationToken cancellationToken)
    {
        await _round.WaitAsync(cancellationToken).ConfigureAwait(false);
        var current = _plan.Entities[0];
        var isMore = false;
        _keys.Clear();
        try
        {
            _incarnation ??= await _incarnationOf(cancellationToken).ConfigureAwait(false) is { } known ? TimestampMs(known) : null;
            if (_incarnation is not { } incarnation)
                return false;
            foreach (var source in _plan.Sources)
            {
                if (_runtime.StreamTimeMs(source.Index) is var timeMs and > long.MinValue)
                    await _store.PublishStreamTimeAsync(source.Definition.Name, timeMs, cancellationToken).ConfigureAwait(false);
            }

            foreach (var entity in _plan.Entities)
            {
                current = entity;
                _keys.Clear();
                _blocks.Clear();
                _sequences.Clear();
                _changed.Take(entity.Index, _options.BlocksPerRound, _keys, _sequences, _blocks);
                // Shards have a share of the round each, and are not full all at once.
                isMore |= _keys.Count >= _options.BlocksPerRound / 2;
                if (_keys.Count > 0)
                    await _store.PublishAsync(new HotBlocks(entity.Index, incarnation, _keys, _sequences, _blocks), cancellationToken).ConfigureAwait(false);
            }

            if (_failing)
                LogRecovered();
            _failing = false;
            return isMore;
        }
        catch (Exception exception)
        {
            _changed.PutBack(current.Index, _keys, _sequences, _blocks);
            // A store's own time-out may be a cancellation too.
            if (cancellationToken.IsCancellationRequested)
                throw;
            if (!_failing)
                LogFailing(exception);
            _failing = true;
            return false;
        }
        finally
        {
            _round.Release();
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The hot store cannot be reached; readers of other processes fall back until it is")]
    private partial void LogFailing(Exception exception);

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
