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

    [Id(1)]
    public required SiloAddress Silo { get; init; }

    /// <summary>Greatest event time applied of each source, Unix ms.</summary>
    [Id(2)]
    public required long[] StreamTimesMs { get; init; }

    /// <summary>Which sources they are (<see cref="ClusterPlan.SourceIds"/>): silos with other definitions may count them otherwise.</summary>
    [Id(3)]
    public required ulong[] Sources { get; init; }
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
            _state = state;
        return ValueTask.CompletedTask;
    }

    public ValueTask<OwnerState?> GetAsync() => ValueTask.FromResult(_state);
}
