using FeatureStore.Core.Blocks.Cells;

namespace FeatureStore.Core.Blocks.Containers;

/// <summary>Rows of cells by an ascending number: capacity numbers (int32 or int64), then capacity rows, 8-aligned. Every row has the same size at any moment.</summary>
/// <param name="headOffset">Of the head within the fixed section.</param>
/// <param name="cells">Of each row.</param>
/// <param name="keyBytes">Of a number: 4 or 8.</param>
/// <param name="limit">Most rows.</param>
/// <param name="capacityFirst">Rows to make room for at first, and least by which it grows.</param>
internal sealed class RowTable(int headOffset, CellRow cells, int keyBytes, int limit, int capacityFirst) : Store(headOffset)
{
    public int Limit => limit;

    protected override int CapacityMax => limit;

    protected override int RowBytesFirst => cells.Size;

    public long Key(ReadOnlySpan<byte> block, int fixedOffset, int row) => KeyAt(block, Head(block, fixedOffset).DataOffset, row);

    public ReadOnlySpan<byte> Row(ReadOnlySpan<byte> block, int fixedOffset, int row) => Rows(block, fixedOffset, row, 1);

    public Span<byte> Row(Span<byte> block, int fixedOffset, int row)
    {
        ref readonly var head = ref Head(block, fixedOffset);
        return block.Slice(RowsOffset(head) + row * head.RowBytes, head.RowBytes);
    }

    /// <summary>Some rows, one after the other.</summary>
    public ReadOnlySpan<byte> Rows(ReadOnlySpan<byte> block, int fixedOffset, int first, int count)
    {
        ref readonly var head = ref Head(block, fixedOffset);
        return block.Slice(RowsOffset(head) + first * head.RowBytes, count * head.RowBytes);
    }

    public int RowBytes(ReadOnlySpan<byte> block, int fixedOffset) => Head(block, fixedOffset).RowBytes;

    /// <summary>The first row whose number is not below another; sought from the newest, which is nearly always asked for.</summary>
    public int Seek(ReadOnlySpan<byte> block, int fixedOffset, long key)
    {
        ref readonly var head = ref Head(block, fixedOffset);
        var (low, high) = (0, head.Count);
        for (var steps = 0; high > 0 && steps < 3; steps++, high--)
        {
            if (KeyAt(block, head.DataOffset, high - 1) < key)
                return high;
        }

        while (low < high)
        {
            var middle = low + high >>> 1;
            if (KeyAt(block, head.DataOffset, middle) < key)
                low = middle + 1;
            else
                high = middle;
        }

        return low;
    }

    /// <summary>The row of a number; −1 where there is none.</summary>
    public int Find(ReadOnlySpan<byte> block, int fixedOffset, long key)
    {
        var row = Seek(block, fixedOffset, key);
        return row < Count(block, fixedOffset) && Key(block, fixedOffset, row) == key ? row : -1;
    }

    /// <summary>Sees to it that one more row finds room.</summary>
    /// <returns>False where the table wants another size first.</returns>
    public bool Reserve(Span<byte> block, int fixedOffset)
    {
        ref var head = ref Head(block, fixedOffset);
        head.CapacityWanted = head.Count < head.Capacity ? head.Capacity : Math.Min(limit, head.Capacity + Math.Max(capacityFirst, head.Capacity / 8 & ~3));
        return head.CapacityWanted == head.Capacity;
    }

    /// <summary>Makes the table smaller where it is mostly empty.</summary>
    /// <returns>False where it wants another size first.</returns>
    public bool Shrink(Span<byte> block, int fixedOffset)
    {
        ref var head = ref Head(block, fixedOffset);
        if (head.Capacity > 4 * capacityFirst && head.Count * 4 < head.Capacity)
            head.CapacityWanted = head.Count * 2 + capacityFirst;
        return head.CapacityWanted == head.Capacity;
    }

    /// <summary>Asks for room for a number of rows, of a size that the cells can have.</summary>
    public void Want(Span<byte> block, int fixedOffset, int count, int rowBytes)
    {
        ref var head = ref Head(block, fixedOffset);
        head.CapacityWanted = Math.Min(count, limit);
        head.RowBytesWanted = Math.Max(rowBytes, head.RowBytesWanted);
    }

    /// <summary>The row of a number, put in its place where there is none yet; beyond the limit the oldest goes.</summary>
    public Span<byte> RowFor(Span<byte> block, int fixedOffset, long key)
    {
        var row = Seek(block, fixedOffset, key);
        if (row < Count(block, fixedOffset) && Key(block, fixedOffset, row) == key)
            return Row(block, fixedOffset, row);
        if (Count(block, fixedOffset) < limit)
            return Insert(block, fixedOffset, row, key);
        if (row == 0)
            return [];
        RemoveAt(block, fixedOffset, 0);
        return Insert(block, fixedOffset, row - 1, key);
    }

    /// <summary>Asks for larger rows.</summary>
    public void WantLargerRows(Span<byte> block, int fixedOffset)
    {
        ref var head = ref Head(block, fixedOffset);
        head.RowBytesWanted = cells.SizeNext(head.RowBytes);
    }

    /// <summary>Puts an empty row in its place, for which there is room.</summary>
    public Span<byte> Insert(Span<byte> block, int fixedOffset, int row, long key)
    {
        ref var head = ref Head(block, fixedOffset);
        var keys = block.Slice(head.DataOffset, head.Capacity * keyBytes);
        var rows = block.Slice(RowsOffset(head), head.Capacity * head.RowBytes);
        keys[(row * keyBytes)..(head.Count * keyBytes)].CopyTo(keys[((row + 1) * keyBytes)..]);
        rows[(row * head.RowBytes)..(head.Count * head.RowBytes)].CopyTo(rows[((row + 1) * head.RowBytes)..]);
        head.Count++;
        WriteKey(block, head.DataOffset, row, key);
        var inserted = rows.Slice(row * head.RowBytes, head.RowBytes);
        cells.Clear(inserted);
        return inserted;
    }

    public void RemoveAt(Span<byte> block, int fixedOffset, int row) => RemoveRange(block, fixedOffset, row, 1);

    public void RemoveRange(Span<byte> block, int fixedOffset, int row, int count)
    {
        if (count == 0)
            return;
        ref var head = ref Head(block, fixedOffset);
        var keys = block.Slice(head.DataOffset, head.Count * keyBytes);
        var rows = block.Slice(RowsOffset(head), head.Count * head.RowBytes);
        keys[((row + count) * keyBytes)..].CopyTo(keys[(row * keyBytes)..]);
        rows[((row + count) * head.RowBytes)..].CopyTo(rows[(row * head.RowBytes)..]);
        head.Count -= count;
    }

    public void SetKey(Span<byte> block, int fixedOffset, int row, long key) => WriteKey(block, Head(block, fixedOffset).DataOffset, row, key);

    public void Prefetch(ReadOnlySpan<byte> block, int fixedOffset)
    {
        ref readonly var head = ref Head(block, fixedOffset);
        if (head.Count == 0)
            return;
        Memory.Prefetch(block, head.DataOffset + (head.Count - 1) * keyBytes);
        Memory.Prefetch(block, RowsOffset(head) + (head.Count - 1) * head.RowBytes);
    }

    protected override bool HasRowBytes(int rowBytes) => cells.HasSize(rowBytes);

    protected override long BytesOf(int capacity, int rowBytes) => KeysBytes(capacity) + ((long)capacity * rowBytes + 7 & ~7L);

    protected override void CopyRows(ReadOnlySpan<byte> from, in StoreHead old, Span<byte> to, in StoreHead head)
    {
        from.Slice(old.DataOffset, old.Count * keyBytes).CopyTo(to[head.DataOffset..]);
        for (var row = 0; row < old.Count; row++)
            cells.Grow(from.Slice(RowsOffset(old) + row * old.RowBytes, old.RowBytes), to.Slice(RowsOffset(head) + row * head.RowBytes, head.RowBytes));
    }

    protected override string? CheckRows(ReadOnlySpan<byte> block, in StoreHead head)
    {
        if (head.Start != 0)
            return "has rows that do not begin with the first";
        for (var row = 0; row < head.Count; row++)
        {
            if (row > 0 && KeyAt(block, head.DataOffset, row - 1) >= KeyAt(block, head.DataOffset, row))
                return "has rows that do not ascend";
            if (cells.Check(block.Slice(RowsOffset(head) + row * head.RowBytes, head.RowBytes)) is { } problem)
                return problem;
        }

        return null;
    }

    private int KeysBytes(int capacity) => capacity * keyBytes + 7 & ~7;

    private int RowsOffset(in StoreHead head) => head.DataOffset + KeysBytes(head.Capacity);

    private long KeyAt(ReadOnlySpan<byte> block, int dataOffset, int row) => keyBytes == sizeof(int)
        ? Memory.At<int>(block, dataOffset + row * sizeof(int))
        : Memory.At<long>(block, dataOffset + row * sizeof(long));

    private void WriteKey(Span<byte> block, int dataOffset, int row, long key)
    {
        if (keyBytes == sizeof(int))
            Memory.At<int>(block, dataOffset + row * sizeof(int)) = (int)key;
        else
            Memory.At<long>(block, dataOffset + row * sizeof(long)) = key;
    }
}
