namespace FeatureStore.Runtime.Local;

public sealed partial class LocalRuntime : IEntityCounts
{
    /// <inheritdoc/>
    IReadOnlyList<EntityCount> IEntityCounts.Counts => [.. Sizes().Select(size => new EntityCount(size.Entity, size.Count, size.Bytes))];

    /// <inheritdoc/>
    bool IEntityCounts.IsShedding => false;

    /// <inheritdoc/>
    ulong? IEntityCounts.Fingerprint => null;
}
