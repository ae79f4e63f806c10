using FeatureStore.Core.Blocks;
using FeatureStore.Core.Blocks.Containers;
using FeatureStore.Core.Events;

namespace FeatureStore.Core.Plans;

/// <summary>
/// Makes blocks of an entity's layout from blocks of another one. Whatever means the same in both is carried over: newest times, and within containers of one family every event, column and
/// cell. The rest starts empty: cells that have seen nothing, and inputs that are null.
/// </summary>
public sealed class BlockMigration
{
    private readonly BlockLayout _from;
    private readonly EntityPlan _to;
    private readonly Container[] _olders;

    /// <summary>Slots that are copied as they are: offset then, now, and bytes.</summary>
    private readonly (int From, int To, int Size)[] _copied;

    /// <summary>How containers take over; null: there is nothing for them.</summary>
    private readonly (Container Container, Transfer? Transfer)[] _transfers;

    /// <param name="from">Layout of the older blocks.</param>
    /// <param name="to">The entity's plan.</param>
    public BlockMigration(BlockLayout from, EntityPlan to)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        (_from, _to, _olders) = (from, to, from.Containers());
        var families = _olders.ToLookup(older => (older.Shape.Kind, older.Shape.Family));
        _transfers = [.. to.Containers.Select(container => (container, families[(container.Shape.Kind, container.Shape.Family)].ToList() is { Count: > 0 } olders ? container.TransferFrom(olders) : null))];
        _copied = [.. from slot in to.Layout.Slots
                      where slot.Kind is SlotKind.Plain or SlotKind.Time or SlotKind.Newest
                      let old = _from.Slots.FirstOrDefault(old => (old.Kind, old.Fingerprint, old.Size) == (slot.Kind, slot.Fingerprint, slot.Size))
                      where old is not null
                      select (old.Offset, slot.Offset, slot.Size)];
    }

    /// <summary>What a feature has of the events that older blocks know.</summary>
    /// <param name="feature">Index into the plan's features.</param>
    public CarriedState StateOf(int feature)
    {
        var state = _to.StateOf(feature);
        return Array.Find(_transfers, pair => pair.Container == state.Container).Transfer?.StateOf(state) ?? CarriedState.None;
    }

    /// <summary>Migrates a block.</summary>
    /// <param name="block">Of the older layout.</param>
    /// <returns>The new block; its key and sequence are those of the old one.</returns>
    /// <exception cref="InvalidDataException">The block has another layout, is damaged, or belongs to an entity with other keys.</exception>
    public byte[] Migrate(ReadOnlySpan<byte> block)
    {
        if (!_to.HasKeysOf(_from))
            throw new InvalidDataException($"A block of entity \"{_to.Name}\" has keys of other types, or another format. Rebuild its state from the sources.");
        if (Check(block) is { } damage)
            throw Damaged(damage);
        var fixedOffset = BlockHeader.FixedOffset(block);
        var empty = new byte[_to.EmptyLength(BlockHeader.Key(block).Length)];
        _to.Initialize(empty, BlockHeader.Key(block));
        BlockHeader.SetSequence(empty, BlockHeader.Sequence(block));
        foreach (var (from, to, size) in _copied)
            block.Slice(fixedOffset + from, size).CopyTo(empty.AsSpan(fixedOffset + to));
        foreach (var (_, transfer) in _transfers)
            transfer?.Reserve(block, fixedOffset, empty, fixedOffset);
        var length = _to.LengthWanted(empty);
        if (length > Array.MaxLength)
            throw Damaged("would be too large under the definitions of now");
        var migrated = new byte[length];
        _to.Resize(empty, migrated);
        foreach (var (container, transfer) in _transfers)
        {
            if (transfer?.Copy(block, fixedOffset, migrated, fixedOffset) is { } problem)
                throw Damaged(problem);
            if (transfer is null && container.CountsUnknown)
                container.UnknownMs(migrated, fixedOffset) = NewestMs(block, fixedOffset);
        }

        return _to.Check(migrated) is { } wrong ? throw Damaged(wrong) : migrated;
    }

    /// <summary>Says what is wrong with a block of the older layout, its cells aside.</summary>
    private string? Check(ReadOnlySpan<byte> block)
    {
        if (BlockHeader.Check(block, _from.Fingerprint, _from.FixedSize) is not null)
            return "has not the layout that it is stored under";
        var fixedOffset = BlockHeader.FixedOffset(block);
        foreach (var slot in _from.Slots)
        {
            if (slot.Kind is SlotKind.Time or SlotKind.Newest && Memory.At<long>(block, fixedOffset + slot.Offset) is > Rfc3339.MaxMs or < Rfc3339.MinMs and not long.MinValue)
                return "has an impossible time";
        }

        return EntityPlan.Check(_olders, block, fixedOffset + _from.FixedSize);
    }

    /// <summary>Time of the newest event of any source.</summary>
    private long NewestMs(ReadOnlySpan<byte> block, int fixedOffset)
    {
        var newestMs = long.MinValue;
        foreach (var slot in _from.Slots)
            newestMs = slot.Kind is SlotKind.Time or SlotKind.Newest ? Math.Max(newestMs, Memory.At<long>(block, fixedOffset + slot.Offset)) : newestMs;
        return newestMs;
    }

    private InvalidDataException Damaged(string problem) => new($"A block of entity \"{_to.Name}\" {problem}. Rebuild its state from the sources.");
}
