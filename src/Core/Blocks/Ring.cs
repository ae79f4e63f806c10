using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks;

/// <summary>
/// The events of one entity that its sliding windows can reach, oldest first, and for each window a cursor with exact running sums.
/// Features over the same source and the same condition share one ring; features over the same window share its cursor.
/// <para>
/// Fixed section: <see cref="Head"/>, then the number of inexact values of each column (int64), then for each window its <see cref="Cursor"/> and
/// for each column a <see cref="ColumnSum"/>. Data: capacity times (int64), then for each column capacity inputs (double, NaN is null).
/// </para>
/// Invariant, with T the head's as-of time: lo is the first event with time &gt; T − delay − sliding, hi the first with time &gt; T − delay, and
/// each sum is that of the events [lo, hi).
/// </summary>
internal sealed class Ring
{
    private const int CapacityFirst = 4;

    private readonly SlidingWindow[] _windows;
    private readonly int _columns;
    private readonly int _offset;
    private readonly int _limit;
    private readonly long _retentionMs;

    /// <param name="windows">Distinct windows.</param>
    /// <param name="columns">Number of inputs kept with each event.</param>
    /// <param name="offset">Of the ring's part within the fixed section.</param>
    /// <param name="limit">Most events kept.</param>
    /// <param name="disorderMs">How far behind the entity's newest event another may come.</param>
    public Ring(IReadOnlyList<SlidingWindow> windows, int columns, int offset, int limit, long disorderMs)
    {
        _windows = [.. windows];
        _columns = columns;
        _offset = offset;
        _limit = limit;
        _retentionMs = _windows.Max(window => window.SlidingMs + window.DelayMs) + disorderMs;
    }

    public int FixedSize => FixedSizeOf(_windows.Length, _columns);

    private int RowSize => RowSizeOf(_columns);

    /// <summary>Most bytes of data that a ring of some limit takes.</summary>
    public static long BytesMax(int limit, int columns) => (long)CapacityMax(limit) * RowSizeOf(columns);

    public static int FixedSizeOf(int windows, int columns) =>
        Unsafe.SizeOf<Head>() + 8 * columns + windows * (Unsafe.SizeOf<Cursor>() + columns * Unsafe.SizeOf<ColumnSum>());

    /// <summary>Prepares a zeroed fixed section; the ring has no data yet.</summary>
    public void Initialize(Span<byte> block, int fixedOffset)
    {
        ref var head = ref HeadOf(block, fixedOffset);
        head.AsOfMs = long.MinValue;
        head.DataOffset = block.Length;
    }

    /// <summary>Moves all windows to a time, unless they are past it, and forgets what no window can reach any more.</summary>
    public void Advance(Span<byte> block, int fixedOffset, long timeMs)
    {
        ref var head = ref HeadOf(block, fixedOffset);
        if (timeMs <= head.AsOfMs)
            return;
        head.AsOfMs = timeMs;
        var times = Times(block, head);
        for (var window = 0; window < _windows.Length; window++)
        {
            ref var cursor = ref CursorOf(block, fixedOffset, window);
            var newest = timeMs - _windows[window].DelayMs;
            var oldest = newest - _windows[window].SlidingMs;
            while (cursor.High < times.Length && times[cursor.High] <= newest)
                Include(block, fixedOffset, head, window, cursor.High++);
            while (cursor.Low < cursor.High && times[cursor.Low] <= oldest)
                Exclude(block, fixedOffset, head, window, cursor.Low++);
        }

        var expired = 0;
        while (expired < times.Length && times[expired] <= timeMs - _retentionMs)
            expired++;
        DropOldest(block, fixedOffset, ref head, expired);
    }

    /// <summary>Asks the processor for the lines that an event about now will touch: the newest row, and the rows at the windows' borders.</summary>
    public void Prefetch(ReadOnlySpan<byte> block, int fixedOffset)
    {
        ref readonly var head = ref HeadOf(block, fixedOffset);
        if (head.Capacity == 0)
            return;
        PrefetchRow(block, head, head.Count);
        for (var window = 0; window < _windows.Length; window++)
        {
            ref readonly var cursor = ref CursorOf(block, fixedOffset, window);
            PrefetchRow(block, head, cursor.Low);
            if (_windows[window].DelayMs > 0)
                PrefetchRow(block, head, cursor.High);
        }
    }

    /// <summary>How many rows the ring should have room for before it takes one more event; its present capacity where that is enough.</summary>
    public int CapacityWanted(ReadOnlySpan<byte> block, int fixedOffset)
    {
        ref readonly var head = ref HeadOf(block, fixedOffset);
        // What a burst left is copied with the block at every save and publication, so a ring mostly empty is made smaller.
        if (head.Capacity > 4 * CapacityFirst && head.Count * 4 < head.Capacity)
            return Math.Max(CapacityFirst, head.Count * 2);
        // Room at the front is used by moving the rows, once it is worth the move.
        if (head.Start + head.Count < head.Capacity || (head.Start > 0 && head.Start * 4 >= head.Capacity))
            return head.Capacity;
        return Math.Min(head.Capacity + Math.Max(CapacityFirst, head.Capacity / 4) & ~3, CapacityMax(_limit));
    }

    /// <summary>Adds an event. <see cref="Advance"/> to its time comes first, and room for it is there.</summary>
    public void Insert(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<double> inputs)
    {
        ref var head = ref HeadOf(block, fixedOffset);
        if (timeMs <= head.AsOfMs - _retentionMs)
            return;
        if (head.Count == _limit)
        {
            head.Overflowed++;
            CoreInstruments.EventsOverflowed.Add(1);
            if (timeMs < Times(block, head)[0])
                return;
            DropFromWindows(block, fixedOffset, head);
            DropOldest(block, fixedOffset, ref head, 1);
        }

        if (head.Start + head.Count == head.Capacity)
            MoveToFront(block, ref head);
        Debug.Assert(head.Start + head.Count < head.Capacity, "Room is made before an event is inserted.");

        var position = head.Count;
        var times = Times(block, head);
        while (position > 0 && times[position - 1] > timeMs)
            position--;
        var end = head.Start + head.Count;
        var at = head.Start + position;
        head.Count++;
        Shift(AllTimes(block, head), at, end)[at] = timeMs;
        for (var column = 0; column < _columns; column++)
        {
            Shift(AllInputs(block, head, column), at, end)[at] = inputs[column];
            if (IsInexact(inputs[column]))
                InexactCount(block, fixedOffset, column)++;
        }

        for (var window = 0; window < _windows.Length; window++)
        {
            ref var cursor = ref CursorOf(block, fixedOffset, window);
            var newest = head.AsOfMs - _windows[window].DelayMs;
            if (timeMs > newest)
                continue;
            cursor.High++;
            if (timeMs <= newest - _windows[window].SlidingMs)
                cursor.Low++;
            else
                Include(block, fixedOffset, head, window, position);
        }
    }

    /// <summary>The rows that a window covers as of a time.</summary>
    public Extent ExtentAt(ReadOnlySpan<byte> block, int fixedOffset, int window, long asOfMs)
    {
        ref readonly var head = ref HeadOf(block, fixedOffset);
        ref readonly var cursor = ref CursorOf(block, fixedOffset, window);
        if (asOfMs == head.AsOfMs)
            return new Extent(cursor.Low, cursor.High, cursor.Low, cursor.High);
        var times = Times(block, head);
        var newest = asOfMs - _windows[window].DelayMs;
        var low = Seek(times, cursor.Low, newest - _windows[window].SlidingMs);
        // Times of a damaged block may not ascend.
        return new Extent(low, Math.Max(low, Seek(times, cursor.High, newest)), cursor.Low, cursor.High);
    }

    /// <summary>Number and sum of a column's inputs in an extent.</summary>
    public (long Count, double Sum) Sum(ReadOnlySpan<byte> block, int fixedOffset, int window, int column, in Extent extent)
    {
        ref readonly var head = ref HeadOf(block, fixedOffset);
        ref readonly var sum = ref SumOf(block, fixedOffset, window, column);
        if (InexactCount(block, fixedOffset, column) > 0)
            return SumInexact(Inputs(block, head, column)[extent.Low..extent.High]);
        if (extent.IsCached)
            return (sum.Count, FixedPoint.ToDouble(sum.Value));
        var inputs = Inputs(block, head, column);
        var (count, value) = (sum.Count, sum.Value);
        if (extent.Low >= extent.CachedHigh || extent.High <= extent.CachedLow)
        {
            (count, value) = (0, 0);
            Accumulate(inputs[extent.Low..extent.High], 1, ref count, ref value);
        }
        else
        {
            Accumulate(Between(inputs, extent.CachedHigh, extent.High), 1, ref count, ref value);
            Accumulate(Between(inputs, extent.High, extent.CachedHigh), -1, ref count, ref value);
            Accumulate(Between(inputs, extent.Low, extent.CachedLow), 1, ref count, ref value);
            Accumulate(Between(inputs, extent.CachedLow, extent.Low), -1, ref count, ref value);
        }

        return (count, FixedPoint.ToDouble(value));
    }

    /// <summary>A column's inputs in an extent, oldest first; null is NaN.</summary>
    public ReadOnlySpan<double> Inputs(ReadOnlySpan<byte> block, int fixedOffset, int column, in Extent extent) =>
        Inputs(block, HeadOf(block, fixedOffset), column)[extent.Low..extent.High];

    /// <summary>Bytes of data at a capacity.</summary>
    public int DataSize(int capacity) => capacity * RowSize;

    public int Capacity(ReadOnlySpan<byte> block, int fixedOffset) => HeadOf(block, fixedOffset).Capacity;

    /// <summary>Events dropped because the ring was full.</summary>
    public long Overflowed(ReadOnlySpan<byte> block, int fixedOffset) => HeadOf(block, fixedOffset).Overflowed;

    /// <summary>Moves the data to a place in a new block whose fixed section is already a copy of the old one.</summary>
    /// <returns>Where the data end.</returns>
    public int CopyData(ReadOnlySpan<byte> from, Span<byte> to, int fixedOffset, int dataOffset, int capacity)
    {
        ref readonly var old = ref HeadOf(from, fixedOffset);
        ref var head = ref HeadOf(to, fixedOffset);
        head.DataOffset = dataOffset;
        head.Capacity = capacity;
        head.Start = 0;
        Times(from, old).CopyTo(AllTimes(to, head));
        for (var column = 0; column < _columns; column++)
            Inputs(from, old, column).CopyTo(AllInputs(to, head, column));
        return dataOffset + DataSize(capacity);
    }

    /// <summary>Says what is wrong with a ring that came from outside; null where every access it allows stays inside the block.</summary>
    public string? Check(ReadOnlySpan<byte> block, int fixedOffset, ref int dataOffset)
    {
        ref readonly var head = ref HeadOf(block, fixedOffset);
        if (head.Capacity < 0 || head.Capacity > CapacityMax(_limit) || head.Count > _limit || head.DataOffset != dataOffset || head.Start < 0 || head.Count < 0 ||
            head.Start > head.Capacity - head.Count || (long)dataOffset + (long)head.Capacity * RowSize > block.Length)
            return "has a ring outside its bounds";
        for (var window = 0; window < _windows.Length; window++)
        {
            ref readonly var cursor = ref CursorOf(block, fixedOffset, window);
            if (cursor.Low < 0 || cursor.Low > cursor.High || cursor.High > head.Count)
                return "has a window outside its ring";
        }

        dataOffset += DataSize(head.Capacity);
        return null;
    }

    private static int RowSizeOf(int columns) => 8 + 8 * columns;

    /// <summary>Most rows that a ring has room for: when it is full, its rows move to the front once in as many events as the room beyond its limit takes.</summary>
    private static int CapacityMax(int limit) => limit + limit / 4 + 1;

    private static ReadOnlySpan<double> Between(ReadOnlySpan<double> inputs, int from, int to) => from < to ? inputs[from..to] : [];

    /// <summary>First index whose time is after a bound, sought from where the cursor stands: bounds move little between reads.</summary>
    private static int Seek(ReadOnlySpan<long> times, int from, long boundMs)
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

    private static bool IsInexact(double value) => !double.IsNaN(value) && !FixedPoint.TryFrom(value, out _);

    private static (long Count, double Sum) SumInexact(ReadOnlySpan<double> inputs)
    {
        var sum = default(InputSum);
        foreach (var value in inputs)
        {
            if (!double.IsNaN(value))
                sum.Add(value);
        }

        return (sum.Count, sum.Total);
    }

    private static void Accumulate(ReadOnlySpan<double> inputs, int sign, ref long count, ref Int128 sum)
    {
        foreach (var value in inputs)
        {
            if (double.IsNaN(value) || !FixedPoint.TryFrom(value, out var number))
                continue;
            count += sign;
            sum += sign > 0 ? number : -number;
        }
    }

    private static Span<T> Shift<T>(Span<T> all, int at, int end)
    {
        if (at < end)
            all[at..end].CopyTo(all[(at + 1)..]);
        return all;
    }

    private void PrefetchRow(ReadOnlySpan<byte> block, in Head head, int row)
    {
        var at = head.DataOffset + Math.Min(head.Start + row, head.Capacity - 1) * 8;
        for (var part = 0; part <= _columns; part++)
            Memory.Prefetch(block, at + part * head.Capacity * 8);
    }

    private void Include(Span<byte> block, int fixedOffset, in Head head, int window, int row) => Count(block, fixedOffset, head, window, row, 1);

    private void Exclude(Span<byte> block, int fixedOffset, in Head head, int window, int row) => Count(block, fixedOffset, head, window, row, -1);

    private void Count(Span<byte> block, int fixedOffset, in Head head, int window, int row, int sign)
    {
        for (var column = 0; column < _columns; column++)
        {
            ref var sum = ref SumOf(block, fixedOffset, window, column);
            Accumulate(Inputs(block, head, column).Slice(row, 1), sign, ref sum.Count, ref sum.Value);
        }
    }

    /// <summary>Takes the oldest row out of every window that holds it.</summary>
    private void DropFromWindows(Span<byte> block, int fixedOffset, in Head head)
    {
        for (var window = 0; window < _windows.Length; window++)
        {
            ref var cursor = ref CursorOf(block, fixedOffset, window);
            if (cursor.Low == 0 && cursor.High > 0)
                Exclude(block, fixedOffset, head, window, cursor.Low++);
        }
    }

    /// <summary>Forgets rows that lie before every window's low cursor.</summary>
    private void DropOldest(Span<byte> block, int fixedOffset, ref Head head, int count)
    {
        if (count == 0)
            return;
        for (var column = 0; column < _columns; column++)
        {
            ref var inexact = ref InexactCount(block, fixedOffset, column);
            if (inexact == 0)
                continue;
            foreach (var value in Inputs(block, head, column)[..count])
                inexact -= IsInexact(value) ? 1 : 0;
        }

        for (var window = 0; window < _windows.Length; window++)
        {
            ref var cursor = ref CursorOf(block, fixedOffset, window);
            cursor.Low = Math.Max(0, cursor.Low - count);
            cursor.High = Math.Max(0, cursor.High - count);
        }

        head.Start += count;
        head.Count -= count;
    }

    private void MoveToFront(Span<byte> block, ref Head head)
    {
        Times(block, head).CopyTo(AllTimes(block, head));
        for (var column = 0; column < _columns; column++)
            Inputs(block, head, column).CopyTo(AllInputs(block, head, column));
        head.Start = 0;
    }

    private ref Head HeadOf(ReadOnlySpan<byte> block, int fixedOffset) => ref At<Head>(block, fixedOffset + _offset);

    private ref long InexactCount(ReadOnlySpan<byte> block, int fixedOffset, int column) =>
        ref At<long>(block, fixedOffset + _offset + Unsafe.SizeOf<Head>() + 8 * column);

    private int CursorOffset(int window) =>
        _offset + Unsafe.SizeOf<Head>() + 8 * _columns + window * (Unsafe.SizeOf<Cursor>() + _columns * Unsafe.SizeOf<ColumnSum>());

    private ref Cursor CursorOf(ReadOnlySpan<byte> block, int fixedOffset, int window) => ref At<Cursor>(block, fixedOffset + CursorOffset(window));

    private ref ColumnSum SumOf(ReadOnlySpan<byte> block, int fixedOffset, int window, int column) =>
        ref At<ColumnSum>(block, fixedOffset + CursorOffset(window) + Unsafe.SizeOf<Cursor>() + column * Unsafe.SizeOf<ColumnSum>());

    private static Span<long> AllTimes(Span<byte> block, in Head head) =>
        MemoryMarshal.Cast<byte, long>(block.Slice(head.DataOffset, head.Capacity * 8));

    private static Span<double> AllInputs(Span<byte> block, in Head head, int column) =>
        MemoryMarshal.Cast<byte, double>(block.Slice(head.DataOffset + (column + 1) * head.Capacity * 8, head.Capacity * 8));

    private static ReadOnlySpan<long> Times(ReadOnlySpan<byte> block, in Head head) =>
        MemoryMarshal.Cast<byte, long>(block.Slice(head.DataOffset, head.Capacity * 8)).Slice(head.Start, head.Count);

    private static ReadOnlySpan<double> Inputs(ReadOnlySpan<byte> block, in Head head, int column) =>
        MemoryMarshal.Cast<byte, double>(block.Slice(head.DataOffset + (column + 1) * head.Capacity * 8, head.Capacity * 8)).Slice(head.Start, head.Count);

    /// <summary>A part of the fixed section in place. Blocks are laid out so that every part is aligned to 8 bytes.</summary>
    private static ref T At<T>(ReadOnlySpan<byte> block, int offset)
        where T : struct =>
        ref Unsafe.As<byte, T>(ref MemoryMarshal.GetReference(block.Slice(offset, Unsafe.SizeOf<T>())));

    /// <summary>Rows [Low, High) of a ring, and the extent whose sums the cursor holds.</summary>
    public readonly record struct Extent(int Low, int High, int CachedLow, int CachedHigh)
    {
        public bool IsCached => Low == CachedLow && High == CachedHigh;

        public int Count => High - Low;
    }

    private struct Head
    {
        public long AsOfMs;
        public int DataOffset;
        public int Capacity;
        public int Start;
        public int Count;
        public long Overflowed;
    }

    private struct Cursor
    {
        public int Low;
        public int High;
    }

    [StructLayout(LayoutKind.Sequential, Pack = 8)]
    private struct ColumnSum
    {
        public Int128 Value;
        public long Count;
    }
}

/// <summary>(t − DelayMs − SlidingMs, t − DelayMs] as of t.</summary>
internal readonly record struct SlidingWindow(long SlidingMs, long DelayMs);
