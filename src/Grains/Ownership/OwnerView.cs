using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Grains.Ownership;

/// <summary>What this silo knows of the stream's owner, and the stream times that go with it.</summary>
internal sealed class OwnerView
{
    private readonly ulong[] _sources;
    private readonly long[] _streamTimesMs;
    private volatile SiloAddress? _silo;
    private long _term;

    public OwnerView(ClusterPlan plan)
    {
        _sources = plan.SourceIds;
        _streamTimesMs = new long[plan.Project.Sources.Count];
        _streamTimesMs.AsSpan().Fill(long.MinValue);
    }

    /// <summary>The owner; null before any is known.</summary>
    public SiloAddress? Silo => _silo;

    /// <summary>Whether this silo is the owner, as far as it knows.</summary>
    public bool IsOwner { get; private set; }

    public long StreamTimeMs(int source) => Volatile.Read(ref _streamTimesMs[source]);

    /// <summary>Makes this silo the owner.</summary>
    public void Own(long term, SiloAddress silo, ReadOnlySpan<long> streamTimesMs)
    {
        streamTimesMs.CopyTo(_streamTimesMs);
        _term = term;
        _silo = silo;
        IsOwner = true;
    }

    /// <summary>Whether this silo has slices of the stream.</summary>
    public bool IsShared { get; private set; }

    /// <summary>Makes this silo one of those that own slices of the stream. A later term begins where it goes on from.</summary>
    public void Share(long term, ReadOnlySpan<long> streamTimesMs)
    {
        lock (_streamTimesMs)
        {
            if (term > _term)
                streamTimesMs.CopyTo(_streamTimesMs);
            _term = Math.Max(term, _term);
            IsShared = true;
        }
    }

    public void Advance(int source, long timeMs)
    {
        ref var newest = ref _streamTimesMs[source];
        for (var known = Volatile.Read(ref newest); timeMs > known;)
        {
            var before = Interlocked.CompareExchange(ref newest, timeMs, known);
            if (before == known)
                return;
            known = before;
        }
    }

    public OwnerState State() => new() { Term = _term, Silo = _silo, StreamTimesMs = [.. _streamTimesMs], Sources = _sources };

    /// <summary>Takes in what other owners of slices told.</summary>
    public void Join(OwnerState state)
    {
        lock (_streamTimesMs)
        {
            for (var told = 0; state.Term == _term && told < state.StreamTimesMs.Length; told++)
            {
                if (Array.IndexOf(_sources, state.Sources[told]) is >= 0 and var source)
                    Advance(source, state.StreamTimesMs[told]);
            }
        }
    }

    /// <summary>Takes in what another owner told.</summary>
    /// <returns>Whether the owner is another than was known.</returns>
    public bool Learn(OwnerState state)
    {
        var isNew = state.Silo is not null && !state.Silo.Equals(_silo);
        _silo = state.Silo;
        for (var told = 0; told < state.StreamTimesMs.Length; told++)
        {
            if (Array.IndexOf(_sources, state.Sources[told]) is >= 0 and var source)
                Volatile.Write(ref _streamTimesMs[source], state.StreamTimesMs[told]);
        }

        return isNew;
    }
}

/// <summary>Tells or asks the <see cref="IOwnerGrain"/>, several times a second.</summary>
internal sealed partial class OwnerExchange(OwnerView view, ClusterPlan plan, IServiceProvider services, TimeProvider time, ILogger<OwnerExchange> logger) : BackgroundService
{
    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(200);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var grain = services.GetRequiredService<IGrainFactory>().GetGrain<IOwnerGrain>(plan.Project.Definition.Project);
        using var timer = new PeriodicTimer(_interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
        {
            try
            {
                if (view.IsOwner || view.IsShared)
                    await grain.TellAsync(view.State()).ConfigureAwait(false);
                if (view.IsOwner || await grain.GetAsync().ConfigureAwait(false) is not { } state)
                    continue;
                if (view.IsShared)
                    view.Join(state);
                else if (view.Learn(state))
                    LogOwner(state.Silo!, state.Term);
            }
            catch (Exception)
            {
                // The silo is starting or stopping, or the grain's has died: the next round finds it elsewhere. What is known meanwhile is a little old.
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Silo {Silo} owns the stream: term {Term}")]
    private partial void LogOwner(SiloAddress silo, long term);
}
