using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Ownership;
using Orleans.Placement;
using Orleans.Runtime.Placement;

namespace FeatureStore.Grains.Placement;

/// <summary>
/// Places an entity on the silo that owns its stream, as long as that one has room (<see cref="OrleansRuntimeOptions.OwnerEntitiesMax"/>, and its memory is not short); else on the silo that the entity's hash names among those that
/// serve, the same from wherever it is asked. Right wherever an entity is: only the way is longer.
/// </summary>
[Serializable]
internal sealed class EntityPlacement : PlacementStrategy
{
    public static EntityPlacement Instance { get; } = new();
}

[AttributeUsage(AttributeTargets.Class)]
internal sealed class EntityPlacementAttribute() : PlacementAttribute(EntityPlacement.Instance);

/// <inheritdoc cref="EntityPlacement"/>
internal sealed class EntityPlacementDirector(OwnerView owner, EntityCells cells, OrleansRuntimeOptions options) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        var silos = context.GetCompatibleSilos(target);
        if (IPlacementDirector.GetPlacementHint(target.RequestContextData, silos) is { } hint)
            return Task.FromResult(hint);
        if (silos.Length == 0)
            throw new SiloUnavailableException("No silo hosts entities at the moment. Start one with the role \"all\", \"ingest\" or \"serve\".");
        if (options.Placement == EntityPlacementPreference.Owner && owner.Silo is { } preferred && silos.Contains(preferred)
            && (!preferred.Equals(cells.Silo) || cells.Count < options.OwnerEntitiesMax && !cells.IsShedding))
        {
            return Task.FromResult(preferred);
        }

        if (options.Placement == EntityPlacementPreference.Caller && silos.Contains(context.LocalSilo))
            return Task.FromResult(context.LocalSilo);
        // Rendezvous: a silo that comes or goes moves its own share only.
        var hash = target.GrainIdentity.GetUniformHashCode();
        return Task.FromResult(silos.MaxBy(silo => Mix((ulong)(uint)silo.GetConsistentHashCode() << 32 | hash))!);
    }

    /// <summary>SplitMix64's finalizer.</summary>
    private static ulong Mix(ulong value)
    {
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9;
        value = (value ^ value >> 27) * 0x94D049BB133111EB;
        return value ^ value >> 31;
    }
}

/// <summary>Where entities go.</summary>
public enum EntityPlacementPreference
{
    /// <summary>To the silo that owns the stream, within <see cref="OrleansRuntimeOptions.OwnerEntitiesMax"/>.</summary>
    Owner,

    /// <summary>To the silo that asks first.</summary>
    Caller,

    /// <summary>Evenly over all.</summary>
    Even,
}
