using FeatureStore.Core.Blocks;
using FeatureStore.Core.Blocks.Containers;

namespace FeatureStore.Core.Plans;

/// <summary>Copies what two layouts share from a block of one into a block of the other.</summary>
internal static class BlockMigration
{
    /// <summary>Copies a block's slots.</summary>
    /// <returns>Null where the block has not the layout that it should have.</returns>
    public static byte[]? Migrate(BlockLayout from, ReadOnlySpan<byte> block, BlockLayout to, ReadOnlySpan<byte> empty)
    {
        if (BlockHeader.Check(block, from.Fingerprint, from.FixedSize) is not null)
            return null;
        var shared = to.Slots.Select(slot => (To: slot, From: from.Find(slot.Fingerprint)))
            .Where(pair => pair.From is { } old && old.Size == pair.To.Size && old.Heads.SequenceEqual(pair.To.Heads)).ToList();
        var (oldFixed, length) = (BlockHeader.FixedOffset(block), (long)empty.Length);
        foreach (var (_, old) in shared)
        {
            foreach (var head in old!.Heads)
            {
                ref readonly var data = ref Memory.At<StoreHead>(block, oldFixed + old.Offset + head);
                if (data.DataBytes < 0 || data.DataBytes % 8 != 0 || data.DataOffset < oldFixed + from.FixedSize || data.DataOffset > block.Length - data.DataBytes)
                    return null;
                length += data.DataBytes;
            }
        }

        if (length > Array.MaxLength)
            return null;
        var migrated = new byte[length];
        empty.CopyTo(migrated);
        var (newFixed, dataOffset) = (BlockHeader.FixedOffset(migrated), empty.Length);
        foreach (var slot in to.Slots)
        {
            var old = shared.Find(pair => pair.To == slot).From;
            if (old is not null)
                block.Slice(oldFixed + old.Offset, old.Size).CopyTo(migrated.AsSpan(newFixed + slot.Offset));
            foreach (var head in slot.Heads)
            {
                ref var data = ref Memory.At<StoreHead>(migrated, newFixed + slot.Offset + head);
                if (old is not null)
                    block.Slice(data.DataOffset, data.DataBytes).CopyTo(migrated.AsSpan(dataOffset));
                data.DataOffset = dataOffset;
                dataOffset += data.DataBytes;
            }
        }

        BlockHeader.SetLength(migrated);
        BlockHeader.SetSequence(migrated, BlockHeader.Sequence(block));
        return migrated;
    }
}
