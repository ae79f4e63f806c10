using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime.Local;

/// <summary>Brings blocks and tombstones of a checkpoint under the definitions of now. Entities are known by their names.</summary>
internal sealed class Migration
{
    private readonly ProjectPlan _plan;
    private readonly (EntityPlan? Plan, BlockLayout Layout)[] _from;
    private readonly IReadOnlyList<EntityLayout> _layouts;
    private readonly long[] _removed;

    /// <exception cref="InvalidDataException">A layout cannot be read.</exception>
    public Migration(ProjectPlan plan, IReadOnlyList<EntityLayout> layouts)
    {
        _plan = plan;
        _layouts = layouts;
        _removed = new long[layouts.Count];
        try
        {
            _from = [.. layouts.Select(layout => (plan.Entities.FirstOrDefault(entity => entity.Name == layout.Entity), BlockLayout.Parse(layout.Layout)))];
        }
        catch (FormatException exception)
        {
            throw new InvalidDataException($"The data are damaged: {exception.Message} Restore a copy or start with empty data.", exception);
        }
    }

    /// <summary>Entities migrated so far.</summary>
    public long Count { get; private set; }

    /// <summary>Entity types that are not defined any more, with the number of entities met.</summary>
    public IEnumerable<(string Entity, long Count)> Removed =>
        Enumerable.Range(0, _from.Length).Where(index => _from[index].Plan is null).Select(index => (_layouts[index].Entity, _removed[index]));

    /// <summary>Features whose state the checkpoint has not.</summary>
    public IEnumerable<string> EmptyFeatures =>
        from entity in _plan.Entities
        let layout = _from.FirstOrDefault(pair => pair.Plan == entity).Layout
        from feature in Enumerable.Range(0, entity.Features.Count)
        where layout is null || !entity.IsKept(layout, feature)
        select $"{entity.Features[feature].View.Name}:{entity.Features[feature].Name}";

    /// <summary>What a checkpoint says of an entity's layout.</summary>
    public static EntityLayout LayoutOf(EntityPlan entity) => new(entity.Name, entity.Layout.ToText());

    /// <summary>Migrates a block.</summary>
    /// <returns>Whether its entity is still defined.</returns>
    /// <exception cref="InvalidDataException">The block is damaged, or its keys have other types.</exception>
    public bool TryMigrate(int entity, ReadOnlySpan<byte> block, out int index, out ReadOnlySpan<byte> migrated)
    {
        index = -1;
        migrated = default;
        if ((uint)entity >= (uint)_from.Length)
            throw new InvalidDataException($"A block is of entity {entity}, and there were {_from.Length}. The checkpoint is damaged; restore a copy or start with empty data.");
        var (plan, layout) = _from[entity];
        if (plan is null)
        {
            _removed[entity]++;
            return false;
        }

        Count++;
        index = plan.Index;
        try
        {
            migrated = layout.Fingerprint == plan.LayoutFingerprint ? block : plan.Migrate(layout, block);
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException(
                $"The data were written under other definitions, and cannot be migrated. {exception.Message} Start with the old definitions, or with an empty data directory.", exception);
        }

        return true;
    }

    /// <summary>Renumbers a tombstone; null where its entity is not defined any more.</summary>
    public Tombstone? Migrate(Tombstone tombstone) =>
        (uint)tombstone.Entity < (uint)_from.Length && _from[tombstone.Entity].Plan is { } plan ? tombstone with { Entity = plan.Index } : null;
}
