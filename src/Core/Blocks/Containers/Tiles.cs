using System.Diagnostics;
using FeatureStore.Core.Blocks.Cells;

namespace FeatureStore.Core.Blocks.Containers;

/// <summary>
/// Sliding windows over tiles: rows of cells by the tile's start, in units of the finest tile. Every tile size is a multiple of the one before. A tile that no window
/// of its size reaches any more is merged into the next coarser one that a window of that size reaches, or dropped: so a row's size follows from its start and the newest event,
/// and no row ever straddles the old end of a window that reads finer ones. Empty tiles have no row.
/// <para>Fixed section: the store's head, then the finest tile (int64) that the rows were last merged for.</para>
/// </summary>
internal sealed partial class Tiles : Container
{
    private const int CapacityFirst = 4;

    private readonly TiledWindow[] _windows;
    private readonly CellRow _cells;
    private readonly RowTable _table;
    private readonly long _unitMs;

    /// <summary>Tile sizes, finest first, each with how far back its windows reach.</summary>
    private readonly (long SizeMs, long ReachMs)[] _levels;

    private readonly int _foldIndex;
    private readonly int _foldOffset;

    /// <param name="place">Where it is.</param>
    /// <param name="shape">See <see cref="Container"/>.</param>
    /// <param name="windows">Distinct; by delay, then by length, so that a window goes on from what is folded for the one before.</param>
    /// <param name="cells">Of a tile; a row that grows has windows of one tile size alone.</param>
    /// <param name="foldIndex">Of the first window's row in the thread's memory; the others follow.</param>
    /// <param name="foldOffset">Its offset there.</param>
    public Tiles(ContainerPlace place, ContainerShape shape, IReadOnlyList<TiledWindow> windows, CellRow cells, int foldIndex, int foldOffset)
        : base(place, shape)
    {
        _windows = [.. windows];
        _cells = cells;
        _levels = [.. windows.GroupBy(window => window.TileMs).Select(level => (level.Key, level.Max(window => window.LengthMs + window.DelayMs))).OrderBy(level => level.Key)];
        _unitMs = _levels[0].SizeMs;
        _table = new RowTable(Offset, cells, KeyBytes, RowsMax(windows), CapacityFirst);
        Stores = [_table];
        (_foldIndex, _foldOffset) = (foldIndex, foldOffset);
        Debug.Assert(_levels.Length == 1 || cells.SizeMax == cells.Size, "Rows of one size are merged.");
    }

    public override int FixedSize => StoreHead.Size + sizeof(long);

    public override IReadOnlyList<Store> Stores { get; }

    /// <summary>All years to 9999 in units of two minutes and more are int32.</summary>
    private int KeyBytes => _unitMs >= 120_000 ? sizeof(int) : sizeof(long);

    /// <summary>Most rows that windows over one chain of tiles keep.</summary>
    public static int RowsMax(IEnumerable<TiledWindow> windows) =>
        (int)Math.Min(Definitions.DefinitionLimits.WindowEventsMax, windows.GroupBy(window => window.TileMs).Sum(level => level.Max(window => (window.LengthMs + window.DelayMs) / level.Key) + 3));

    public override void Initialize(Span<byte> block, int fixedOffset)
    {
        base.Initialize(block, fixedOffset);
        MergedFor(block, fixedOffset) = long.MinValue;
    }

    public override bool Reserve(Span<byte> block, int fixedOffset, long timeMs, bool isTaken)
    {
        if (!isTaken)
            return true;
        var newest = TileOf(NewestMs(block, fixedOffset));
        if (newest != MergedFor(block, fixedOffset))
        {
            MergedFor(block, fixedOffset) = newest;
            MergeRows(block, fixedOffset, newest);
            if (!_table.Shrink(block, fixedOffset))
                return false;
        }

        if (!TryPlace(TileOf(timeMs), newest, out var key) || _table.Find(block, fixedOffset, key) >= 0)
            return true;
        if (_table.Count(block, fixedOffset) == _table.Limit)
            _table.RemoveAt(block, fixedOffset, 0);
        return _table.Reserve(block, fixedOffset);
    }

    public override bool TryAdd(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs)
    {
        if (!TryPlace(TileOf(timeMs), MergedFor(block, fixedOffset), out var key))
            return true;
        var row = _table.Seek(block, fixedOffset, key);
        var isThere = row < _table.Count(block, fixedOffset) && _table.Key(block, fixedOffset, row) == key;
        if (_cells.TryAdd(isThere ? _table.Row(block, fixedOffset, row) : _table.Insert(block, fixedOffset, row, key), timeMs, inputs))
            return true;
        _table.WantLargerRows(block, fixedOffset);
        return false;
    }

    public override bool TryRemove(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs) =>
        !TryPlace(TileOf(timeMs), MergedFor(block, fixedOffset), out var key) ||
        (_table.Find(block, fixedOffset, key) is >= 0 and var row && _cells.TryRemove(_table.Row(block, fixedOffset, row), timeMs, inputs));

    public override bool Holds(ReadOnlySpan<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs) =>
        !TryPlace(TileOf(timeMs), MergedFor(block, fixedOffset), out var key) || _table.Find(block, fixedOffset, key) >= 0;

    public override ReadOnlySpan<byte> Row(in BlockReading reading, FeatureState feature)
    {
        if (_cells.SizeMax > _cells.Size)
            return FoldLarge(reading, _windows[feature.Window]);
        // One pass over the rows serves all windows.
        if (!reading.Scratch.IsFolded(_foldIndex))
            FoldAll(reading);
        return reading.Scratch.Bytes(_foldOffset + feature.Window * _cells.Size, _cells.Size);
    }

    public override long AsOfMs(in BlockReading reading, ReadOnlySpan<byte> row) => AsOfMs(reading);

    public override string? Check(ReadOnlySpan<byte> block, int fixedOffset)
    {
        var mergedFor = MergedFor(block, fixedOffset);
        if (mergedFor == long.MinValue)
            return _table.Count(block, fixedOffset) == 0 ? null : "has tiles of no time";
        if (mergedFor != TileOf(NewestMs(block, fixedOffset)))
            return "has tiles of another time";
        Span<long> bounds = stackalloc long[_levels.Length];
        Bounds(mergedFor, bounds);
        for (var row = 0; row < _table.Count(block, fixedOffset); row++)
        {
            // Merging goes by it that every row is where it belongs.
            var key = _table.Key(block, fixedOffset, row);
            if (!TryPlace(key, bounds, out var place) || place != key)
                return "has a tile that begins where none does";
        }

        return null;
    }

    public override void Prefetch(ReadOnlySpan<byte> block, int fixedOffset) => _table.Prefetch(block, fixedOffset);

    private static long Floor(long number, long size) => number >= 0 ? number / size : ~(~number / size);

    private ref long MergedFor(ReadOnlySpan<byte> block, int fixedOffset) => ref Memory.At<long>(block, fixedOffset + Offset + StoreHead.Size);

    private long AsOfMs(in BlockReading reading) => Math.Max(reading.AsOfMs, NewestMs(reading.Block, reading.FixedOffset));

    private long TileOf(long timeMs) => Floor(timeMs, _unitMs);

    /// <summary>The oldest tile of each level that a window reaches when the newest event is in another one.</summary>
    private void Bounds(long newest, Span<long> bounds)
    {
        for (var level = 0; level < bounds.Length; level++)
            bounds[level] = Floor(newest * _unitMs - _levels[level].ReachMs + 1, _levels[level].SizeMs) * (_levels[level].SizeMs / _unitMs);
    }

    /// <summary>The start of the row that a tile belongs to.</summary>
    /// <returns>False where no window reaches it.</returns>
    private bool TryPlace(long tile, ReadOnlySpan<long> bounds, out long key)
    {
        for (var level = 0; level < bounds.Length; level++)
        {
            var units = _levels[level].SizeMs / _unitMs;
            key = level == 0 ? tile : Floor(tile, units) * units;
            if (key >= bounds[level])
                return true;
        }

        key = 0;
        return false;
    }

    private bool TryPlace(long tile, long newest, out long key)
    {
        Span<long> bounds = stackalloc long[_levels.Length];
        Bounds(newest, bounds);
        return TryPlace(tile, bounds, out key);
    }

    /// <summary>Gives every row the place that it has by now.</summary>
    private void MergeRows(Span<byte> block, int fixedOffset, long newest)
    {
        Span<long> bounds = stackalloc long[_levels.Length];
        Bounds(newest, bounds);
        var expired = 0;
        while (expired < _table.Count(block, fixedOffset) && !TryPlace(_table.Key(block, fixedOffset, expired), bounds, out _))
            expired++;
        _table.RemoveRange(block, fixedOffset, 0, expired);
        for (var row = 0; row < _table.Count(block, fixedOffset) && _table.Key(block, fixedOffset, row) < bounds[0]; row++)
        {
            TryPlace(_table.Key(block, fixedOffset, row), bounds, out var key);
            if (row > 0 && _table.Key(block, fixedOffset, row - 1) == key)
            {
                _cells.MergeRows(_table.Row(block, fixedOffset, row), _table.Row((ReadOnlySpan<byte>)block, fixedOffset, row - 1), _cells.Size);
                _table.RemoveAt(block, fixedOffset, --row);
            }

            _table.SetKey(block, fixedOffset, row, key);
        }
    }

    private void FoldAll(in BlockReading reading)
    {
        Span<byte> sum = _cells.Size <= 1024 ? stackalloc byte[_cells.Size] : new byte[_cells.Size];
        var (first, end) = (0, 0);
        for (var window = 0; window < _windows.Length; window++)
        {
            var (low, high) = RowsOf(reading, _windows[window]);
            // A window that ends where the one before ends, and begins no later, goes on from there.
            if (window == 0 || high != end || low > first)
            {
                _cells.Clear(sum);
                (first, end) = (high, high);
            }

            _cells.MergeRows(sum, _table.Rows(reading.Block, reading.FixedOffset, low, first - low), _cells.Size);
            first = low;
            sum.CopyTo(reading.Scratch.Bytes(_foldOffset + window * _cells.Size, _cells.Size));
        }
    }

    private ReadOnlySpan<byte> FoldLarge(in BlockReading reading, TiledWindow window)
    {
        var sum = reading.Scratch.Transient(_cells.SizeMax);
        _cells.Clear(sum);
        var (low, high) = RowsOf(reading, window);
        _cells.MergeRows(sum, _table.Rows(reading.Block, reading.FixedOffset, low, high - low), _table.RowBytes(reading.Block, reading.FixedOffset));
        return sum;
    }

    /// <summary>Rows [Low, High) of a window.</summary>
    private (int Low, int High) RowsOf(in BlockReading reading, TiledWindow window)
    {
        var newestMs = AsOfMs(reading) - window.DelayMs;
        var units = window.TileMs / _unitMs;
        // What may not be seen yet never counts, so the newest tile is the last one that ended.
        var high = window.DelayMs == 0
            ? _table.Count(reading.Block, reading.FixedOffset)
            : _table.Seek(reading.Block, reading.FixedOffset, Floor(newestMs + 1, window.TileMs) * units);
        var low = _table.Seek(reading.Block, reading.FixedOffset, Floor(newestMs - window.LengthMs + 1, window.TileMs) * units);
        return (Math.Min(low, high), high);
    }
}

/// <summary>(t − DelayMs − LengthMs, t − DelayMs] in tiles as of t: from the tile that holds the oldest millisecond on, with a delay to the last that has ended.</summary>
internal readonly record struct TiledWindow(long LengthMs, long DelayMs, long TileMs);
