using System.Runtime.InteropServices;
using FeatureStore.Runtime;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Grains.Entities;

/// <summary>
/// Takes entities out of this silo's memory: those that nobody has used for long, and, where memory runs short, those that were not used for the longest time, until there is room. They come back
/// from the grain storage with the next event or read.
/// <para>
/// Orleans' own collection of idle activations is not asked: it counts calls, and not events that are applied in place; and its shedding under pressure goes by the managed heap, while blocks are
/// native memory. What is not durable stays: it goes at the earliest after the next checkpoint.
/// </para>
/// </summary>
internal sealed partial class EntityShedding(EntityCells cells, OrleansRuntimeOptions options, TimeProvider time, ILogger<EntityShedding> logger) : BackgroundService
{
    /// <summary>What an entity takes besides its block: activation, directory, cell. Measured.</summary>
    internal const int EntityBytes = 2048;

    /// <summary>Ages from which all count as equally old, seconds.</summary>
    private const int AgesMax = 4096;

    /// <summary>Activations that end at once.</summary>
    private const int DeactivationsMax = 256;

    /// <summary>Longest that is waited for activations to end: some may have calls under way.</summary>
    private static readonly TimeSpan _deactivationMax = TimeSpan.FromSeconds(5);

    /// <summary>Of a collection of garbage, and of what comes after it: it is not to take more than a tenth of the time.</summary>
    private const int Pauses = 10;

    private readonly long _start = time.GetTimestamp();
    private int _sweptAt;
    private long _shed;
    private TimeSpan _restUntil;
    private bool _hasNothing;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        GrainsInstruments.Silos.TryAdd(cells, 0);
        return base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken).ConfigureAwait(false);
        GrainsInstruments.Silos.TryRemove(cells, out _);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.SheddingInterval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
            {
                var elapsed = time.GetElapsedTime(_start);
                cells.NowSeconds = (int)elapsed.TotalSeconds;
                try
                {
                    await SweepAsync(cells.NowSeconds, stoppingToken).ConfigureAwait(false);
                    if (elapsed >= _restUntil)
                        await ShedAsync(stoppingToken).ConfigureAwait(false);
                }
                catch (Exception exception) when (exception is not OperationCanceledException)
                {
                    LogFailed(exception);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The silo stops.
        }
    }

    /// <summary>Ends the activations of entities that nobody has used for long.</summary>
    private Task SweepAsync(int now, CancellationToken cancellationToken)
    {
        var idleSeconds = (int)options.IdleMax.TotalSeconds;
        if (now - _sweptAt < Math.Clamp(idleSeconds / 16, 1, 60))
            return Task.CompletedTask;
        _sweptAt = now;
        return DeactivateAsync(cells.All.Where(cell => cell.IsSettled && now - cell.UsedAt >= idleSeconds), long.MaxValue, GrainsInstruments.Idle, cancellationToken);
    }

    /// <summary>Looks at the memory once, and makes room where it is short.</summary>
    internal async Task ShedAsync(CancellationToken cancellationToken)
    {
        var memory = options.Memory();
        if (!cells.IsShedding && memory.Share < options.MemoryShareMax)
            return;
        // Garbage, and memory that is free but not given back, are no reason to give entities up.
        memory = Release();
        if (!cells.IsShedding && memory.Share >= options.MemoryShareMax)
        {
            cells.IsShedding = true;
            (_shed, _hasNothing) = (0, false);
            LogBegins(Percent(memory.Share), Percent(options.MemoryShareMax), cells.Count);
        }

        if (cells.IsShedding && memory.Share <= options.MemoryShareTarget)
            End(memory);
        if (!cells.IsShedding)
            return;
        var bytes = memory.Above(options.MemoryShareTarget);
        var count = await DeactivateAsync(LeastUsed(bytes, cells.NowSeconds), bytes, GrainsInstruments.Memory, cancellationToken).ConfigureAwait(false);
        _shed += count;
        if (count > 0)
            return;
        if (memory.Share < options.MemoryShareMax)
        {
            // More room than this there is not: better keep what fits than nothing.
            End(memory);
        }
        else if (!_hasNothing)
        {
            _hasNothing = true;
            LogNothing(Percent(memory.Share), cells.Count);
        }
    }

    private void End(MemoryReading memory)
    {
        cells.IsShedding = false;
        LogEnds(_shed, Percent(memory.Share), cells.Count);
    }

    /// <summary>The entities whose last use is the longest ago, in no order among themselves: so many that their memory is enough.</summary>
    private IEnumerable<EntityCell> LeastUsed(long bytes, int now)
    {
        var bytesOfAge = new long[AgesMax];
        foreach (var cell in cells.All)
        {
            if (cell.IsSettled)
                bytesOfAge[AgeOf(cell)] += cell.Length + EntityBytes;
        }

        // What was used this very second stays: it would be back at once.
        var age = AgesMax - 1;
        for (var older = bytesOfAge[age]; age > 1 && older < bytes;)
            older += bytesOfAge[--age];
        // The oldest first: those of the least age are too many.
        return cells.All.Where(cell => cell.IsSettled && AgeOf(cell) > age).Concat(cells.All.Where(cell => cell.IsSettled && AgeOf(cell) == age));

        int AgeOf(EntityCell cell) => Math.Clamp(now - cell.UsedAt, 0, AgesMax - 1);
    }

    /// <summary>Has activations end, until they had so many bytes.</summary>
    /// <returns>How many.</returns>
    private static async Task<int> DeactivateAsync(IEnumerable<EntityCell> chosen, long bytesMax, KeyValuePair<string, object?> reason, CancellationToken cancellationToken)
    {
        var (count, bytes) = (0, 0L);
        List<Task> ending = [];
        foreach (var cell in chosen)
        {
            if (bytes >= bytesMax)
                break;
            bytes += cell.Length + EntityBytes;
            count++;
            ending.Add(cell.DeactivateAsync(new DeactivationReason(DeactivationReasonCode.ActivationIdle, "Nobody has used it for long, or others need its memory.")));
            if (ending.Count == DeactivationsMax)
                await EndAsync().ConfigureAwait(false);
        }

        await EndAsync().ConfigureAwait(false);
        GrainsInstruments.Collected.Add(count, reason);
        return count;

        async Task EndAsync()
        {
            await Task.WhenAll(ending).WaitAsync(_deactivationMax, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            ending.Clear();
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Has the heaps give back what is free, as neither does by itself before it needs to.</summary>
    private MemoryReading Release()
    {
        var start = time.GetTimestamp();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        NativeHeap.Trim();
        _restUntil = time.GetElapsedTime(_start) + time.GetElapsedTime(start) * Pauses;
        return options.Memory();
    }

    private static int Percent(double share) => (int)Math.Round(share * 100);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Memory is {Percent} % full, from {LimitPercent} % on entities that are idle make room: {Entities} are active. Give the silo more memory, or add one")]
    private partial void LogBegins(int percent, int limitPercent, int entities);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Shed} entities have made room: memory is {Percent} % full, {Entities} are active")]
    private partial void LogEnds(long shed, int percent, int entities);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Memory is {Percent} % full, and none of {Entities} active entities can make room now: they are in use or not durable, or it is something else that takes the memory")]
    private partial void LogNothing(int percent, int entities);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Idle entities could not be taken out of memory; it is tried again")]
    private partial void LogFailed(Exception exception);

    /// <summary>glibc's heap, which keeps what is freed.</summary>
    private static partial class NativeHeap
    {
        private static bool _isOther;

        public static void Trim()
        {
            if (_isOther)
                return;
            try
            {
                _ = MallocTrim(0);
            }
            catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
            {
                // Another system, or another C library: it does as it does.
                _isOther = true;
            }
        }

        [LibraryImport("libc", EntryPoint = "malloc_trim")]
        private static partial int MallocTrim(nuint pad);
    }
}
