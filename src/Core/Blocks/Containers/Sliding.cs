using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks.Containers;

/// <summary>
/// Exact sliding windows: the events that they can reach, and for each window a cursor with exact running sums of the first columns. What is no sum is
/// folded from the window's events when it is read.
/// <para>
/// Fixed section: the store's head, <see cref="Head"/>, the number of inexact values of each summed column (int64), then for each window its <see cref="Cursor"/>
/// and for each summed column a <see cref="ColumnSum"/>.
/// </para>
/// Invariant, with T the head's as-of time: lo is the first event with time &gt; T − delay − length, hi the first with time &gt; T − delay, and
/// each sum is that of the events [lo, hi).
/// </summary>
internal sealed partial class Sliding : Container
{
    private readonly SlidingWindow[] _windows;
    private readonly EventStore _events;
    private readonly int _summed;
    private readonly int _headOffset;
    private readonly int _cursorsOffset;
    private readonly int _cursorStride;
    private readonly long _retentionMs;

    /// <param name="place">Where it is.</param>
    /// <param name="shape">See <see cref="Container"/>.</param>
    /// <param name="windows">Distinct windows.</param>
    /// <param name="columns">Inputs kept with each event; first those that are summed, which are numbers and integers.</param>
    /// <param name="summed">How many are summed.</param>
    /// <param name="limit">Most events kept.</param>
    /// <param name="disorderMs">How far behind the source's newest event another may come.</param>
    public Sliding(ContainerPlace place, ContainerShape shape, IReadOnlyList<SlidingWindow> windows, IReadOnlyList<InputSlot> columns, int summed, int limit, long disorderMs)
        : base(place, shape)
    {
        _windows = [.. windows];
        _summed = summed;
        _events = new EventStore(Offset, columns, limit);
        Stores = [_events];
        _headOffset = Offset + StoreHead.Size;
        _retentionMs = _windows.Max(window => window.LengthMs + window.DelayMs) + disorderMs;
        _cursorsOffset = _headOffset + Unsafe.SizeOf<Head>() + 8 * summed;
        _cursorStride = Unsafe.SizeOf<Cursor>() + summed * Unsafe.SizeOf<ColumnSum>();
        FixedSize = StoreHead.Size + Unsafe.SizeOf<Head>() + 8 * summed + _windows.Length * (Unsafe.SizeOf<Cursor>() + summed * Unsafe.SizeOf<ColumnSum>());
    }

    public override int FixedSize { get; }

    public override IReadOnlyList<Store> Stores { get; }

    /// <summary>Most bytes of data that events with some columns of numbers take.</summary>
    public static long BytesMax(int limit, int columns) => (long)EventStore.CapacityMaxOf(limit) * (8 + 8 * columns);

    public override void Initialize(Span<byte> block, int fixedOffset)
    {
        base.Initialize(block, fixedOffset);
        HeadOf(block, fixedOffset).AsOfMs = long.MinValue;
    }

    public override bool Reserve(Span<byte> block, int fixedOffset, long timeMs, bool isTaken)
    {
        Advance(block, fixedOffset, timeMs);
        return !isTaken || _events.Reserve(block, fixedOffset);
    }

    public override bool TryAdd(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs)
    {
        ref var head = ref HeadOf(block, fixedOffset);
        if (timeMs <= head.AsOfMs - _retentionMs)
            return true;
        if (_events.Count(block, fixedOffset) == _events.Limit)
        {
            head.Overflowed++;
            CoreInstruments.EventsOverflowed.Add(1);
            if (timeMs < _events.Times(block, fixedOffset)[0])
                return true;
            DropFromWindows(block, fixedOffset);
            DropOldest(block, fixedOffset, 1);
        }

        var position = _events.Insert(block, fixedOffset, timeMs, inputs);
        for (var window = 0; window < _windows.Length; window++)
        {
            var age = head.AsOfMs - timeMs - _windows[window].DelayMs;
            if (age < 0)
                continue;
            ref var cursor = ref CursorOf(block, fixedOffset, window);
            cursor.High++;
            cursor.Low += age >= _windows[window].LengthMs ? 1 : 0;
        }

        for (var column = 0; column < _summed; column++)
        {
            var input = _events.Column(block, fixedOffset, column, position, 1);
            if (!TryUnits(input, out var number))
            {
                InexactCount(block, fixedOffset, column) += EventInput.IsNull(input) ? 0 : 1;
                continue;
            }

            for (var window = 0; window < _windows.Length; window++)
            {
                var age = head.AsOfMs - timeMs - _windows[window].DelayMs;
                if (age < 0 || age >= _windows[window].LengthMs)
                    continue;
                ref var sum = ref SumOf(block, fixedOffset, window, column);
                sum.Count++;
                sum.Value += number;
            }
        }

        return true;
    }

    public override bool TryRemove(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs)
    {
        var row = _events.Find(block, fixedOffset, timeMs, inputs);
        if (row < 0)
            return false;
        for (var column = 0; column < _summed; column++)
        {
            if (IsInexact(_events.Column(block, fixedOffset, column, row, 1)))
                InexactCount(block, fixedOffset, column)--;
        }

        for (var window = 0; window < _windows.Length; window++)
        {
            ref var cursor = ref CursorOf(block, fixedOffset, window);
            if (row >= cursor.Low && row < cursor.High)
                Count(block, fixedOffset, window, row, -1);
            cursor.Low -= row < cursor.Low ? 1 : 0;
            cursor.High -= row < cursor.High ? 1 : 0;
        }

        _events.RemoveAt(block, fixedOffset, row);
        return true;
    }

    public override bool Holds(ReadOnlySpan<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs)
    {
        ref readonly var head = ref HeadOf(block, fixedOffset);
        var times = _events.Times(block, fixedOffset);
        return timeMs <= head.AsOfMs - _retentionMs || (head.Overflowed > 0 && (times.IsEmpty || timeMs <= times[0])) || _events.Find(block, fixedOffset, timeMs, inputs) >= 0;
    }

    public override void Prefetch(ReadOnlySpan<byte> block, int fixedOffset)
    {
        _events.PrefetchRow(block, fixedOffset, _events.Count(block, fixedOffset));
        for (var window = 0; window < _windows.Length; window++)
        {
            ref readonly var cursor = ref CursorOf(block, fixedOffset, window);
            _events.PrefetchRow(block, fixedOffset, cursor.Low);
            if (_windows[window].DelayMs > 0)
                _events.PrefetchRow(block, fixedOffset, cursor.High);
        }
    }

    /// <summary>The events that a window covers as of the reading's time.</summary>
    public Extent ExtentAt(in BlockReading reading, int window)
    {
        ref readonly var cursor = ref CursorOf(reading.Block, reading.FixedOffset, window);
        if (reading.AsOfMs == HeadOf(reading.Block, reading.FixedOffset).AsOfMs)
            return new Extent(cursor.Low, cursor.High, cursor.Low, cursor.High);
        var times = _events.Times(reading.Block, reading.FixedOffset);
        var newest = reading.AsOfMs - _windows[window].DelayMs;
        var low = EventStore.Seek(times, cursor.Low, newest - _windows[window].LengthMs);
        // Times of a damaged block may not ascend.
        return new Extent(low, Math.Max(low, EventStore.Seek(times, cursor.High, newest)), cursor.Low, cursor.High);
    }

    /// <summary>Number and sum of a summed column's inputs in an extent.</summary>
    public (long Count, double Sum) Sum(in BlockReading reading, int window, int column, in Extent extent)
    {
        if (InexactCount(reading.Block, reading.FixedOffset, column) > 0)
            return SumInexact(MemoryMarshal.Cast<byte, double>(Inputs(reading, column, extent.Low, extent.High)));
        var (count, units) = SumOfUnits(reading, window, column, extent);
        return (count, _events.WidthOf(column) == EventInput.IntegerBytes ? (double)units : FixedPoint.ToDouble(units));
    }

    /// <summary>Number and sum of a summed column's integers in an extent.</summary>
    public Int128 SumOfIntegers(in BlockReading reading, int window, int column, in Extent extent) => SumOfUnits(reading, window, column, extent).Sum;

    /// <summary>Number and sum of inputs of which none is inexact.</summary>
    private (long Count, Int128 Sum) SumOfUnits(in BlockReading reading, int window, int column, in Extent extent)
    {
        ref readonly var sum = ref SumOf(reading.Block, reading.FixedOffset, window, column);
        var (count, value) = (sum.Count, sum.Value);
        if (extent.IsCached)
            return (count, value);
        if (extent.Low >= extent.CachedHigh || extent.High <= extent.CachedLow)
        {
            (count, value) = (0, 0);
            Accumulate(Inputs(reading, column, extent.Low, extent.High), _events.WidthOf(column), 1, ref count, ref value);
        }
        else
        {
            Accumulate(Inputs(reading, column, extent.CachedHigh, extent.High), _events.WidthOf(column), 1, ref count, ref value);
            Accumulate(Inputs(reading, column, extent.High, extent.CachedHigh), _events.WidthOf(column), -1, ref count, ref value);
            Accumulate(Inputs(reading, column, extent.Low, extent.CachedLow), _events.WidthOf(column), 1, ref count, ref value);
            Accumulate(Inputs(reading, column, extent.CachedLow, extent.Low), _events.WidthOf(column), -1, ref count, ref value);
        }

        return (count, value);
    }

    public override ReadOnlySpan<byte> Row(in BlockReading reading, FeatureState feature)
    {
        var extent = ExtentAt(reading, feature.Window);
        return _events.Fold(reading, feature, extent.Low, extent.Count);
    }

    public override long AsOfMs(in BlockReading reading, ReadOnlySpan<byte> row) => reading.AsOfMs;

    public override long Overflowed(ReadOnlySpan<byte> block, int fixedOffset) => HeadOf(block, fixedOffset).Overflowed;

    public override string? Check(ReadOnlySpan<byte> block, int fixedOffset)
    {
        for (var window = 0; window < _windows.Length; window++)
        {
            ref readonly var cursor = ref CursorOf(block, fixedOffset, window);
            if (cursor.Low < 0 || cursor.Low > cursor.High || cursor.High > _events.Count(block, fixedOffset))
                return "has a window outside its events";
        }

        return null;
    }

    private ReadOnlySpan<byte> Inputs(in BlockReading reading, int column, int from, int to) =>
        from < to ? _events.Column(reading.Block, reading.FixedOffset, column, from, to - from) : [];

    /// <summary>An input in the units of its kind: integers in ones, numbers in 2⁻⁶⁴.</summary>
    /// <returns>False where it is null, or a number that is inexact.</returns>
    private static bool TryUnits(ReadOnlySpan<byte> input, out Int128 units)
    {
        if (input.Length == EventInput.NumberBytes)
            return FixedPoint.TryFrom(MemoryMarshal.Read<double>(input), out units);
        units = EventInput.Integer(input);
        return !EventInput.IsNull(units);
    }

    private static bool IsInexact(ReadOnlySpan<byte> input) => !EventInput.IsNull(input) && !TryUnits(input, out _);

    private static (long Count, double Sum) SumInexact(ReadOnlySpan<double> inputs)
    {
        var (count, sum) = (0, default(InputSum));
        foreach (var value in inputs)
        {
            if (double.IsNaN(value))
                continue;
            count++;
            sum.Add(value);
        }

        return (count, sum.Total);
    }

    private static void Accumulate(ReadOnlySpan<byte> inputs, int width, int sign, ref long count, ref Int128 sum)
    {
        for (; !inputs.IsEmpty; inputs = inputs[width..])
        {
            if (!TryUnits(inputs[..width], out var number))
                continue;
            count += sign;
            sum += sign > 0 ? number : -number;
        }
    }

    /// <summary>Moves all windows to a time, unless they are past it, and forgets what no window can reach any more.</summary>
    private void Advance(Span<byte> block, int fixedOffset, long timeMs)
    {
        ref var head = ref HeadOf(block, fixedOffset);
        if (timeMs <= head.AsOfMs)
            return;
        head.AsOfMs = timeMs;
        var times = _events.Times(block, fixedOffset);
        for (var window = 0; window < _windows.Length; window++)
        {
            ref var cursor = ref CursorOf(block, fixedOffset, window);
            var newest = timeMs - _windows[window].DelayMs;
            var oldest = newest - _windows[window].LengthMs;
            while (cursor.High < times.Length && times[cursor.High] <= newest)
                Count(block, fixedOffset, window, cursor.High++, 1);
            while (cursor.Low < cursor.High && times[cursor.Low] <= oldest)
                Count(block, fixedOffset, window, cursor.Low++, -1);
        }

        var expired = 0;
        while (expired < times.Length && times[expired] <= timeMs - _retentionMs)
            expired++;
        DropOldest(block, fixedOffset, expired);
    }

    private void Count(Span<byte> block, int fixedOffset, int window, int row, int sign)
    {
        for (var column = 0; column < _summed; column++)
        {
            if (!TryUnits(_events.Column(block, fixedOffset, column, row, 1), out var number))
                continue;
            ref var sum = ref SumOf(block, fixedOffset, window, column);
            sum.Count += sign;
            sum.Value += sign > 0 ? number : -number;
        }
    }

    /// <summary>Takes the oldest row out of every window that holds it.</summary>
    private void DropFromWindows(Span<byte> block, int fixedOffset)
    {
        for (var window = 0; window < _windows.Length; window++)
        {
            ref var cursor = ref CursorOf(block, fixedOffset, window);
            if (cursor.Low == 0 && cursor.High > 0)
                Count(block, fixedOffset, window, cursor.Low++, -1);
        }
    }

    /// <summary>Forgets rows that lie before every window's low cursor.</summary>
    private void DropOldest(Span<byte> block, int fixedOffset, int count)
    {
        if (count == 0)
            return;
        for (var column = 0; column < _summed; column++)
        {
            ref var inexact = ref InexactCount(block, fixedOffset, column);
            if (inexact == 0)
                continue;
            for (var row = 0; row < count; row++)
                inexact -= IsInexact(_events.Column(block, fixedOffset, column, row, 1)) ? 1 : 0;
        }

        for (var window = 0; window < _windows.Length; window++)
        {
            ref var cursor = ref CursorOf(block, fixedOffset, window);
            cursor.Low = Math.Max(0, cursor.Low - count);
            cursor.High = Math.Max(0, cursor.High - count);
        }

        _events.DropOldest(block, fixedOffset, count);
    }

    private ref Head HeadOf(ReadOnlySpan<byte> block, int fixedOffset) => ref Memory.At<Head>(block, fixedOffset + _headOffset);

    private ref long InexactCount(ReadOnlySpan<byte> block, int fixedOffset, int column) =>
        ref Memory.At<long>(block, fixedOffset + _headOffset + Unsafe.SizeOf<Head>() + 8 * column);

    private int CursorOffset(int window) => _cursorsOffset + window * _cursorStride;

    private ref Cursor CursorOf(ReadOnlySpan<byte> block, int fixedOffset, int window) => ref Memory.At<Cursor>(block, fixedOffset + CursorOffset(window));

    private ref ColumnSum SumOf(ReadOnlySpan<byte> block, int fixedOffset, int window, int column) =>
        ref Memory.At<ColumnSum>(block, fixedOffset + CursorOffset(window) + Unsafe.SizeOf<Cursor>() + column * Unsafe.SizeOf<ColumnSum>());

    /// <summary>Rows [Low, High), and those whose sums the cursor holds.</summary>
    public readonly record struct Extent(int Low, int High, int CachedLow, int CachedHigh)
    {
        public bool IsCached => Low == CachedLow && High == CachedHigh;

        public int Count => High - Low;
    }

    private struct Head
    {
        public long AsOfMs;
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

/// <summary>(t − DelayMs − LengthMs, t − DelayMs] as of t.</summary>
internal readonly record struct SlidingWindow(long LengthMs, long DelayMs);
