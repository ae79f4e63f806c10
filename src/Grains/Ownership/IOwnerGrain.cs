using Orleans.Concurrency;

namespace FeatureStore.Grains.Ownership;

/// <summary>Where all silos learn who owns the stream, and how far it is. Its key is the project. Keeps nothing: the owner tells again and again.</summary>
[Alias("featurestore.owner")]
internal interface IOwnerGrain : IGrainWithStringKey
{
    [Alias("tell")]
    [ResponseTimeout(ResponseTimes.Read)]
    ValueTask TellAsync([Immutable] OwnerState state);

    /// <summary>What the latest owner told; null where none has.</summary>
    [AlwaysInterleave]
    [ReadOnly]
    [Alias("get")]
    [ResponseTimeout(ResponseTimes.Read)]
    ValueTask<OwnerState?> GetAsync();
}

/// <summary>The owner of a stream.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.owner-state")]
internal sealed class OwnerState
{
    /// <summary>The later one wins.</summary>
    [Id(0)]
    public long Term { get; init; }

    /// <summary>Null: several silos own slices of the stream.</summary>
    [Id(1)]
    public required SiloAddress? Silo { get; init; }

    /// <summary>Greatest event time applied of each source, Unix ms.</summary>
    [Id(2)]
    public required long[] StreamTimesMs { get; init; }

    /// <summary>Which sources they are (<see cref="ClusterPlan.SourceIds"/>): silos with other definitions may count them otherwise.</summary>
    [Id(3)]
    public required ulong[] Sources { get; init; }

    /// <summary>The same with the later of each source's times.</summary>
    public OwnerState With(OwnerState other)
    {
        var times = StreamTimesMs.ToArray();
        for (var source = 0; source < times.Length; source++)
        {
            if (Array.IndexOf(other.Sources, Sources[source]) is >= 0 and var theirs)
                times[source] = Math.Max(times[source], other.StreamTimesMs[theirs]);
        }

        return new OwnerState { Term = Term, Silo = Silo, StreamTimesMs = times, Sources = Sources };
    }
}

/// <inheritdoc cref="IOwnerGrain"/>
[GrainType("featurestore-owner")]
internal sealed class OwnerGrain : IGrainBase, IOwnerGrain
{
    private OwnerState? _state;

    public OwnerGrain(IGrainContext context) => GrainContext = context;

    public IGrainContext GrainContext { get; }

    public ValueTask TellAsync([Immutable] OwnerState state)
    {
        if (_state is null || state.Term >= _state.Term)
            _state = state.Silo is null && state.Term == _state?.Term ? state.With(_state) : state;
        return ValueTask.CompletedTask;
    }

    public ValueTask<OwnerState?> GetAsync() => ValueTask.FromResult(_state);
}
