using System.Diagnostics;
using System.Runtime.InteropServices;
using FeatureStore.Core.Blocks.Cells;

namespace FeatureStore.Core.Blocks.Containers;

/// <summary>Single events in order of time, then of arrival: capacity times (int64), then for each column capacity inputs.</summary>
internal sealed class EventStore : Store
{
    private const int CapacityFirst = 4;

    private readonly InputSlot[] _columns;

    /// <summary>Bytes of a row before each column.</summary>
    private readonly int[] _columnOffsets;

    /// <summary>The column of each 8 bytes of an image.</summary>
    private readonly int[] _columnOfImage;

    /// <param name="headOffset">Of the head within the fixed section.</param>
    /// <param name="columns">Inputs kept with each event.</param>
    /// <param name="limit">Most events kept.</param>
    public EventStore(int headOffset, IReadOnlyList<InputSlot> columns, int limit)
        : base(headOffset)
    {
        _columns = [.. columns];
        _columnOffsets = new int[_columns.Length];
        RowBytesFirst = sizeof(long);
        for (var column = 0; column < _columns.Length; column++)
        {
            _columnOffsets[column] = RowBytesFirst;
            RowBytesFirst += _columns[column].Width;
        }

        _columnOfImage = [.. _columns.SelectMany((slot, column) => Enumerable.Repeat(column, slot.Width / 8))];
        Limit = limit;
    }

    public int Limit { get; }

    /// <summary>Bytes of an event's inputs side by side.</summary>
    public int ImageBytes => RowBytesFirst - sizeof(long);

    /// <summary>Most rows that there is room for: when it is full, rows move to the front once in as many events as the room beyond the limit takes.</summary>
    protected override int CapacityMax => CapacityMaxOf(Limit);

    protected override int RowBytesFirst { get; }

    public static int CapacityMaxOf(int limit) => limit + limit / 4 + 1;

    /// <summary>A column's place in an image of an event's inputs.</summary>
    public InputSlot ImageSlot(int column) => new(_columnOffsets[column] - sizeof(long), _columns[column].Width);

    public ReadOnlySpan<long> Times(ReadOnlySpan<byte> block, int fixedOffset) => Times(block, Head(block, fixedOffset));

    /// <summary>A column's inputs of some rows, oldest first.</summary>
    public ReadOnlySpan<byte> Column(ReadOnlySpan<byte> block, int fixedOffset, int column, int first, int count)
    {
        ref readonly var head = ref Head(block, fixedOffset);
        var width = _columns[column].Width;
        return block.Slice(head.DataOffset + _columnOffsets[column] * head.Capacity + (head.Start + first) * width, count * width);
    }

    /// <summary>Bytes of a column's inputs.</summary>
    public int WidthOf(int column) => _columns[column].Width;

    /// <summary>Copies an event's inputs side by side.</summary>
    public void CopyImage(ReadOnlySpan<byte> block, int fixedOffset, int row, Span<byte> image)
    {
        for (var column = 0; column < _columns.Length; column++)
            Column(block, fixedOffset, column, row, 1).CopyTo(image[(_columnOffsets[column] - sizeof(long))..]);
    }

    /// <summary>Makes a feature's row of some events.</summary>
    public ReadOnlySpan<byte> Fold(in BlockReading reading, FeatureState feature, int first, int count)
    {
        var row = reading.Scratch.Transient(feature.Cells.SizeMax);
        feature.Cells.Clear(row);
        FoldInto(reading, feature.Cells, first, count, row);
        return row;
    }

    /// <summary>Takes some events into cells whose inputs are those of an image.</summary>
    public void FoldInto(in BlockReading reading, CellRow cells, int first, int count, Span<byte> row)
    {
        var times = Times(reading.Block, reading.FixedOffset).Slice(first, count);
        for (var index = 0; index < cells.Cells.Length; index++)
        {
            ref readonly var cell = ref cells.Cells[index];
            cell.Cell.AddAll(cells.Part(row, index), times, Inputs(reading, cell.Value, first, count), Inputs(reading, cell.Key, first, count));
        }
    }

    private ReadOnlySpan<byte> Inputs(in BlockReading reading, InputSlot slot, int first, int count) =>
        slot.IsNone ? default : Column(reading.Block, reading.FixedOffset, _columnOfImage[slot.Offset / 8], first, count);

    /// <summary>Sees to it that one more event finds room.</summary>
    /// <returns>False where the store wants another size first.</returns>
    public bool Reserve(Span<byte> block, int fixedOffset)
    {
        ref var head = ref Head(block, fixedOffset);
        head.CapacityWanted = CapacityFor(head);
        return head.CapacityWanted == head.Capacity;
    }

    /// <summary>Puts an event in its place, for which there is room.</summary>
    /// <returns>Its row.</returns>
    public int Insert(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs)
    {
        ref var head = ref Head(block, fixedOffset);
        if (head.Start + head.Count == head.Capacity)
            MoveToFront(block, ref head);
        Debug.Assert(head.Start + head.Count < head.Capacity, "Room is made before an event is inserted.");

        var position = head.Count;
        var times = Times(block, head);
        while (position > 0 && times[position - 1] > timeMs)
            position--;
        var (at, end) = (head.Start + position, head.Start + head.Count);
        head.Count++;
        if (at < end)
            Shift(block, head, at, end);
        Memory.At<long>(block, head.DataOffset + at * sizeof(long)) = timeMs;
        for (var column = 0; column < _columns.Length; column++)
        {
            var slot = _columns[column];
            var offset = head.DataOffset + _columnOffsets[column] * head.Capacity + at * slot.Width;
            if (slot.Width == sizeof(long))
                Memory.At<long>(block, offset) = Memory.At<long>(inputs, slot.Offset);
            else
                slot.Of(inputs).CopyTo(block[offset..]);
        }

        return position;
    }

    /// <summary>The newest row of an event with the same time and inputs, else of one that has them as far as it is known; −1 where there is none.</summary>
    public int Find(ReadOnlySpan<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs)
    {
        var times = Times(block, fixedOffset);
        var likely = -1;
        for (var row = Seek(times, times.Length, timeMs) - 1; row >= 0 && times[row] == timeMs; row--)
        {
            var (isEqual, isLikely) = (true, true);
            for (var column = 0; column < _columns.Length && isLikely; column++)
            {
                var input = Column(block, fixedOffset, column, row, 1);
                var isSame = input.SequenceEqual(_columns[column].Of(inputs));
                isEqual &= isSame;
                isLikely &= isSame || EventInput.IsUnknown(input);
            }

            if (isEqual)
                return row;
            likely = likely < 0 && isLikely ? row : likely;
        }

        return likely;
    }

    /// <summary>The column that an input of an image is of.</summary>
    public int ColumnOf(InputSlot image) => _columnOfImage[image.Offset / 8];

    /// <summary>Asks for room for a number of events.</summary>
    public void Want(Span<byte> block, int fixedOffset, int count) => Head(block, fixedOffset).CapacityWanted = count;

    /// <summary>Takes in the events of a store of other columns from one on; this one is empty and has room for them. Where the other has not a column (−1), its inputs are unknown.</summary>
    public void Import(Span<byte> block, int fixedOffset, EventStore older, ReadOnlySpan<byte> from, int fromFixed, int first, ReadOnlySpan<int> columns)
    {
        ref var head = ref Head(block, fixedOffset);
        head.Count = older.Count(from, fromFixed) - first;
        older.Times(from, fromFixed)[first..].CopyTo(MemoryMarshal.Cast<byte, long>(block.Slice(head.DataOffset, head.Count * sizeof(long))));
        for (var column = 0; column < _columns.Length; column++)
        {
            var width = _columns[column].Width;
            var inputs = block.Slice(head.DataOffset + _columnOffsets[column] * head.Capacity, head.Count * width);
            if (columns[column] < 0)
                EventInput.WriteUnknown(inputs, width);
            else
                older.Column(from, fromFixed, columns[column], first, head.Count).CopyTo(inputs);
        }
    }

    public void RemoveAt(Span<byte> block, int fixedOffset, int row)
    {
        ref var head = ref Head(block, fixedOffset);
        var (at, end) = (head.Start + row, head.Start + head.Count);
        Unshift(block, head, 0, sizeof(long), at, end);
        for (var column = 0; column < _columns.Length; column++)
            Unshift(block, head, _columnOffsets[column], _columns[column].Width, at, end);
        head.Count--;
    }

    public void DropOldest(Span<byte> block, int fixedOffset, int count)
    {
        ref var head = ref Head(block, fixedOffset);
        head.Start += count;
        head.Count -= count;
    }

    public void PrefetchRow(ReadOnlySpan<byte> block, int fixedOffset, int row)
    {
        ref readonly var head = ref Head(block, fixedOffset);
        if (head.Capacity == 0)
            return;
        var at = Math.Min(head.Start + row, head.Capacity - 1);
        Memory.Prefetch(block, head.DataOffset + at * sizeof(long));
        for (var column = 0; column < _columns.Length; column++)
            Memory.Prefetch(block, head.DataOffset + _columnOffsets[column] * head.Capacity + at * _columns[column].Width);
    }

    /// <summary>First row whose time is after a bound, sought from where it may be.</summary>
    public static int Seek(ReadOnlySpan<long> times, int from, long boundMs)
    {
        var at = from;
        var steps = 8;
        while (at < times.Length && times[at] <= boundMs && steps-- > 0)
            at++;
        while (at > 0 && times[at - 1] > boundMs && steps-- > 0)
            at--;
        if (steps > 0)
            return at;
        var (low, high) = (0, times.Length);
        while (low < high)
        {
            var middle = low + high >>> 1;
            if (times[middle] <= boundMs)
                low = middle + 1;
            else
                high = middle;
        }

        return low;
    }

    protected override bool HasRowBytes(int rowBytes) => rowBytes == RowBytesFirst;

    protected override long BytesOf(int capacity, int rowBytes) => (long)capacity * rowBytes;

    protected override void CopyRows(ReadOnlySpan<byte> from, in StoreHead old, Span<byte> to, in StoreHead head)
    {
        CopyColumn(from, old, to, head, 0, sizeof(long));
        for (var column = 0; column < _columns.Length; column++)
            CopyColumn(from, old, to, head, _columnOffsets[column], _columns[column].Width);

        static void CopyColumn(ReadOnlySpan<byte> from, in StoreHead old, Span<byte> to, in StoreHead head, int offset, int width) =>
            from.Slice(old.DataOffset + offset * old.Capacity + old.Start * width, old.Count * width).CopyTo(to[(head.DataOffset + offset * head.Capacity)..]);
    }

    protected override string? CheckRows(ReadOnlySpan<byte> block, in StoreHead head)
    {
        if (head.Count > Limit)
            return "has more events than its limit";
        for (var column = 0; column < _columns.Length; column++)
        {
            var width = _columns[column].Width;
            if (width == EventInput.NumberBytes)
                continue;
            var texts = block.Slice(head.DataOffset + _columnOffsets[column] * head.Capacity + head.Start * width, head.Count * width);
            for (; texts.Length > 0; texts = texts[width..])
            {
                if (!EventInput.IsSound(texts[..width]))
                    return "has a text that is none";
            }
        }

        return null;
    }

    private int CapacityFor(in StoreHead head)
    {
        // What a burst left is copied with the block at every save and publication, so a store mostly empty is made smaller.
        if (head.Capacity > 4 * CapacityFirst && head.Count * 4 < head.Capacity)
            return Math.Max(CapacityFirst, head.Count * 2);
        // Room at the front is used by moving the rows, once it is worth the move.
        if (head.Start + head.Count < head.Capacity || (head.Start > 0 && head.Start * 4 >= head.Capacity))
            return head.Capacity;
        return Math.Min(head.Capacity + Math.Max(CapacityFirst, head.Capacity / 4) & ~3, CapacityMax);
    }

    /// <summary>Moves the rows from one on by one.</summary>
    private void Shift(Span<byte> block, in StoreHead head, int at, int end)
    {
        ShiftColumn(block, head, 0, sizeof(long), at, end);
        for (var column = 0; column < _columns.Length; column++)
            ShiftColumn(block, head, _columnOffsets[column], _columns[column].Width, at, end);

        static void ShiftColumn(Span<byte> block, in StoreHead head, int columnOffset, int width, int at, int end)
        {
            var column = block.Slice(head.DataOffset + columnOffset * head.Capacity, width * head.Capacity);
            column[(at * width)..(end * width)].CopyTo(column[((at + 1) * width)..]);
        }
    }

    private static void Unshift(Span<byte> block, in StoreHead head, int columnOffset, int width, int at, int end)
    {
        var column = block.Slice(head.DataOffset + columnOffset * head.Capacity, width * head.Capacity);
        column[((at + 1) * width)..(end * width)].CopyTo(column[(at * width)..]);
    }

    private void MoveToFront(Span<byte> block, ref StoreHead head)
    {
        var old = head;
        head.Start = 0;
        CopyRows(block, old, block, head);
    }

    private static ReadOnlySpan<long> Times(ReadOnlySpan<byte> block, in StoreHead head) =>
        MemoryMarshal.Cast<byte, long>(block.Slice(head.DataOffset + head.Start * sizeof(long), head.Count * sizeof(long)));
}
