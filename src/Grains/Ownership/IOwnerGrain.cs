using Orleans.Concurrency;

namespace FeatureStore.Grains.Ownership;

/// <summary>Where all silos learn who owns the stream, and how far it is. Its key is the project. Keeps nothing: the owner tells again and again.</summary>
[Alias("featurestore.owner")]
internal interface IOwnerGrain : IGrainWithStringKey
{
    [Alias("tell")]
    ValueTask TellAsync([Immutable] OwnerState state);

    /// <summary>What the latest owner told; null where none has.</summary>
    [AlwaysInterleave]
    [ReadOnly]
    [Alias("get")]
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

    /// <summary>The same with the later of each source's times.</summary>
    public OwnerState With(long[] streamTimesMs) => new() { Term = Term, Silo = Silo, StreamTimesMs = [.. StreamTimesMs.Zip(streamTimesMs, Math.Max)] };
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
            _state = state.Silo is null && state.Term == _state?.Term ? state.With(_state.StreamTimesMs) : state;
        return ValueTask.CompletedTask;
    }

    public ValueTask<OwnerState?> GetAsync() => ValueTask.FromResult(_state);
}
