using System.Globalization;
using FeatureStore.Core.Joins;
using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime.Local;

/// <summary>Brings blocks and tombstones of a checkpoint under the definitions of now. Entities and joins are known by their names; what joins keep is read on where nothing of it has changed.</summary>
internal sealed class Migration
{
    /// <summary>Before the name of a join; no entity's name has a blank.</summary>
    private const string JoinPrefix = "join ";

    private readonly ProjectPlan _plan;
    private readonly From[] _from;
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
            _from = [.. layouts.Select(FromOf)];
        }
        catch (FormatException exception)
        {
            throw new InvalidDataException($"The data are damaged: {exception.Message} Restore a copy or start with empty data.", exception);
        }
        catch (NotSupportedException exception)
        {
            throw new InvalidDataException(
                $"The data were written by another version under other definitions, and cannot be migrated: {exception.Message} " +
                "Start with the old definitions and that version, or with an empty data directory to rebuild the state from the topics.", exception);
        }
    }

    /// <summary>Entities migrated so far.</summary>
    public long Count { get; private set; }

    /// <summary>Entity types that are not defined any more, with the number of entities met.</summary>
    public IEnumerable<(string Entity, long Count)> Removed =>
        Enumerable.Range(0, _from.Length).Where(index => _from[index].Index < 0).Select(index => (_layouts[index].Entity, _removed[index]));

    /// <summary>Features that have of the events before what is asked for.</summary>
    public IEnumerable<string> Features(CarriedState state) =>
        from entity in _plan.Entities
        let blocks = _from.FirstOrDefault(pair => pair.Plan == entity).Blocks
        from feature in Enumerable.Range(0, entity.Features.Count)
        where (blocks?.StateOf(feature) ?? CarriedState.None) == state
        select $"{entity.Features[feature].View.Name}:{entity.Features[feature].Name}";

    /// <summary>What a checkpoint says of all layouts, in the order of its block types.</summary>
    public static IReadOnlyList<EntityLayout> LayoutsOf(ProjectPlan plan) =>
        [.. plan.Entities.Select(entity => new EntityLayout(entity.Name, entity.Layout.ToText())), .. plan.Joins.Select(join => new EntityLayout(JoinPrefix + join.Name, TextOf(join)))];

    /// <summary>Migrates a block.</summary>
    /// <returns>Whether its entity is still defined.</returns>
    /// <exception cref="InvalidDataException">The block is damaged, or its keys have other types.</exception>
    public bool TryMigrate(int entity, ReadOnlySpan<byte> block, out int index, out ReadOnlySpan<byte> migrated)
    {
        index = -1;
        migrated = default;
        if ((uint)entity >= (uint)_from.Length)
            throw new InvalidDataException($"A block is of entity {entity}, and there were {_from.Length}. The checkpoint is damaged; restore a copy or start with empty data.");
        var from = _from[entity];
        index = from.Index;
        if (index < 0)
        {
            _removed[entity]++;
            return false;
        }

        Count++;
        try
        {
            migrated = from.Blocks is null || from.IsSame ? block : from.Blocks.Migrate(block);
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

    private static string TextOf(JoinPlan join) => join.LayoutFingerprint.ToString("x16", CultureInfo.InvariantCulture);

    private From FromOf(EntityLayout layout)
    {
        if (layout.Entity.StartsWith(JoinPrefix, StringComparison.Ordinal))
        {
            var same = _plan.Joins.FirstOrDefault(join => JoinPrefix + join.Name == layout.Entity && TextOf(join) == layout.Layout);
            return new From(same is null ? -1 : _plan.Entities.Count + same.Index, null, null, false);
        }

        var blocks = BlockLayout.Parse(layout.Layout);
        return _plan.Entities.FirstOrDefault(entity => entity.Name == layout.Entity) is { } plan
            ? new From(plan.Index, plan, new BlockMigration(blocks, plan), blocks.Fingerprint == plan.LayoutFingerprint)
            : new From(-1, null, null, false);
    }

    /// <summary>A type of blocks in the checkpoint.</summary>
    /// <param name="Index">Its index now; −1: it is not read on.</param>
    /// <param name="Plan">Its entity now; null where it is none, or a join's.</param>
    /// <param name="Blocks">How its blocks are migrated; null where they are not.</param>
    /// <param name="IsSame">Whether they are laid out as they were.</param>
    private readonly record struct From(int Index, EntityPlan? Plan, BlockMigration? Blocks, bool IsSame);
}
