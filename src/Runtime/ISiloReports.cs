namespace FeatureStore.Runtime;

/// <summary>What the silos run.</summary>
public interface ISiloReports
{
    /// <summary>A row for each silo, in order of their addresses. Asks all at once, and waits for none of them longer than a second.</summary>
    Task<IReadOnlyList<SiloRow>> ReadAsync(CancellationToken cancellationToken);
}

/// <summary>What a runtime has in this process's memory.</summary>
public interface IEntityCounts
{
    /// <summary>A count for each entity type.</summary>
    IReadOnlyList<EntityCount> Counts { get; }

    /// <summary>Whether idle entities are given up to have room.</summary>
    bool IsShedding { get; }

    /// <summary>Fingerprint of what silos must share to call each other; null without a cluster.</summary>
    ulong? Fingerprint { get; }
}
