using FeatureStore.Core.Blocks.Cells;

namespace FeatureStore.Core.Blocks.Containers;

/// <summary>
/// Periods one after the other: rows of cells by the period's key, as many as can be read while events may come late. Without periods: all time is one,
/// for lifetime cells that grow. Answers exactly as of any time within the lateness, but that the period that is open then has all its events, and is as of the newest of them at least: its cells of which
/// the value depends on the time come with a <see cref="NewestCell"/>.
/// </summary>
internal sealed partial class Tumbling : Container
{
    private readonly Periods? _periods;
    private readonly int _periodsBack;
    private readonly long _disorderMs;
    private readonly CellRow _cells;
    private readonly int _newestCell;
    private readonly RowTable _table;

    /// <param name="place">Where it is.</param>
    /// <param name="shape">See <see cref="Container"/>.</param>
    /// <param name="periods">Null: all time is one.</param>
    /// <param name="periodsBack">How many periods before the open one are read: a feature's window says how far back it looks.</param>
    /// <param name="disorderMs">How far behind the source's newest event another may come.</param>
    /// <param name="cells">Of a period.</param>
    public Tumbling(ContainerPlace place, ContainerShape shape, Periods? periods, int periodsBack, long disorderMs, CellRow cells)
        : base(place, shape)
    {
        (_periods, _periodsBack, _disorderMs, _cells) = (periods, periodsBack, disorderMs, cells);
        _newestCell = cells.Cells.ToArray().ToList().FindIndex(cell => cell.Cell is NewestCell);
        _table = new RowTable(Offset, cells, sizeof(long), periods is null ? 1 : RowsMax(periods.LengthMs, periodsBack, disorderMs), 1);
        Stores = [_table];
    }

    public override int FixedSize => StoreHead.Size;

    public override IReadOnlyList<Store> Stores { get; }

    /// <summary>Most periods kept; one in a time zone may be some hours short.</summary>
    public static int RowsMax(long lengthMs, int periodsBack, long disorderMs) =>
        (int)Math.Min(Definitions.DefinitionLimits.WindowEventsMax, disorderMs / lengthMs + periodsBack + 3 + 4 * 3_600_000 / lengthMs);

    public override bool Reserve(Span<byte> block, int fixedOffset, long timeMs, bool isTaken)
    {
        if (!isTaken)
            return true;
        var oldest = OldestKey(block, fixedOffset);
        var expired = _table.Seek(block, fixedOffset, oldest);
        _table.RemoveRange(block, fixedOffset, 0, expired);
        if (expired > 0 && !_table.Shrink(block, fixedOffset))
            return false;
        var key = KeyOf(timeMs);
        if (key < oldest || _table.Find(block, fixedOffset, key) >= 0)
            return true;
        if (_table.Count(block, fixedOffset) == _table.Limit)
            _table.RemoveAt(block, fixedOffset, 0);
        return _table.Reserve(block, fixedOffset);
    }

    public override bool TryAdd(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs)
    {
        var key = KeyOf(timeMs);
        if (key < OldestKey(block, fixedOffset))
            return true;
        var row = _table.Seek(block, fixedOffset, key);
        var isThere = row < _table.Count(block, fixedOffset) && _table.Key(block, fixedOffset, row) == key;
        if (_cells.TryAdd(isThere ? _table.Row(block, fixedOffset, row) : _table.Insert(block, fixedOffset, row, key), timeMs, inputs))
            return true;
        _table.WantLargerRows(block, fixedOffset);
        return false;
    }

    public override bool TryRemove(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs)
    {
        var key = KeyOf(timeMs);
        return key < OldestKey(block, fixedOffset) ||
            (_table.Find(block, fixedOffset, key) is >= 0 and var row && _cells.TryRemove(_table.Row(block, fixedOffset, row), timeMs, inputs));
    }

    public override bool Holds(ReadOnlySpan<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs) =>
        KeyOf(timeMs) is var key && (key < OldestKey(block, fixedOffset) || _table.Find(block, fixedOffset, key) >= 0);

    public override ReadOnlySpan<byte> Row(in BlockReading reading, FeatureState feature)
    {
        var row = _table.Find(reading.Block, reading.FixedOffset, Back(KeyOf(reading.AsOfMs), feature.Window));
        if (row >= 0)
            return _table.Row(reading.Block, reading.FixedOffset, row);
        var nothing = reading.Scratch.Transient(_cells.Size);
        _cells.Clear(nothing);
        return nothing;
    }

    public override long AsOfMs(in BlockReading reading, ReadOnlySpan<byte> row)
    {
        if (_periods is null)
            return Math.Max(reading.AsOfMs, NewestMs(reading.Block, reading.FixedOffset));
        return _newestCell < 0 ? reading.AsOfMs : Math.Max(reading.AsOfMs, NewestCell.Value(_cells.Part(row, _newestCell)));
    }

    public override void Prefetch(ReadOnlySpan<byte> block, int fixedOffset) => _table.Prefetch(block, fixedOffset);

    private long KeyOf(long timeMs) => _periods?.KeyOf(timeMs) ?? 0;

    private long Back(long key, int periods)
    {
        for (; periods > 0 && _periods is not null; periods--)
            key = _periods.Before(key);
        return key;
    }

    private long OldestKey(ReadOnlySpan<byte> block, int fixedOffset) => Back(KeyOf(NewestMs(block, fixedOffset) - _disorderMs), _periodsBack);
}
