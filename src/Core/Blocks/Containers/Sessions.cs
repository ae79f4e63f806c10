using System.Diagnostics;
using FeatureStore.Core.Blocks.Cells;

namespace FeatureStore.Core.Blocks.Containers;

/// <summary>
/// Session windows. Events that could still be preceded, or taken back, are kept as they are, in order of time; older ones are settled: folded, in order, into
/// rows of cells, one a session, of which the newest are kept. A reading goes over the settled rows and the unsettled events after them, so that the
/// order of arrival never shows.
/// <para>Fixed section: the head of the settled rows, the head of the unsettled events, the number of events left out or settled early (int64).</para>
/// </summary>
internal sealed partial class Sessions : Container
{
    /// <summary>The cell that each row begins with.</summary>
    private const int SpanIndex = 0;

    private readonly SessionRule _rule;
    private readonly int[] _windows;
    private readonly CellRow _cells;
    private readonly RowTable _settled;
    private readonly EventStore _events;
    private readonly long _disorderMs;

    /// <param name="place">Where it is.</param>
    /// <param name="shape">See <see cref="Container"/>.</param>
    /// <param name="rule">What a session is.</param>
    /// <param name="windows">How many closed sessions; 0: the open one.</param>
    /// <param name="columns">Inputs kept with an event.</param>
    /// <param name="cells">Of a session; the first is a <see cref="SpanCell"/>. Their inputs are those of <see cref="EventStore.ImageSlot"/>.</param>
    /// <param name="limit">Most unsettled events.</param>
    /// <param name="disorderMs">How far behind the source's newest event another may come.</param>
    public Sessions(
        ContainerPlace place, ContainerShape shape, SessionRule rule, IReadOnlyList<int> windows, IReadOnlyList<InputSlot> columns, CellRow cells, int limit, long disorderMs)
        : base(place, shape)
    {
        (_rule, _windows, _cells, _disorderMs) = (rule, [.. windows], cells, disorderMs);
        _settled = new RowTable(Offset, cells, sizeof(long), RowsMax(_windows.Max()), 1);
        _events = new EventStore(Offset + StoreHead.Size, columns, limit);
        Stores = [_settled, _events];
        Debug.Assert(cells.Cells[SpanIndex].Cell is SpanCell, "A session knows its times.");
    }

    public override int FixedSize => 2 * StoreHead.Size + sizeof(long);

    public override IReadOnlyList<Store> Stores { get; }

    /// <summary>Most sessions kept: those that windows of closed ones read, and one more, which may be open.</summary>
    public static int RowsMax(int closedMax) => closedMax + 1;

    public override bool Reserve(Span<byte> block, int fixedOffset, long timeMs, bool isTaken)
    {
        if (!isTaken)
            return true;
        var frontierMs = FrontierMs(block, fixedOffset, _disorderMs);
        while (_events.Times(block, fixedOffset) is [var oldest, ..] && oldest < frontierMs)
        {
            if (!TrySettleOldest(block, fixedOffset))
                return false;
        }

        return _events.Reserve(block, fixedOffset);
    }

    public override bool TryAdd(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs)
    {
        if (!CanRemove(block, fixedOffset, timeMs))
        {
            CountOverflow(block, fixedOffset);
            return true;
        }

        if (_events.Count(block, fixedOffset) == _events.Limit)
        {
            // An event older than all would be settled at once, and be the oldest that is.
            if (!TrySettleOldest(block, fixedOffset))
                return false;
            CountOverflow(block, fixedOffset);
            if (!CanRemove(block, fixedOffset, timeMs))
                return true;
        }

        _events.Insert(block, fixedOffset, timeMs, inputs);
        return true;
    }

    public override bool TryRemove(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs)
    {
        var row = _events.Find(block, fixedOffset, timeMs, inputs);
        if (row >= 0)
            _events.RemoveAt(block, fixedOffset, row);
        return row >= 0;
    }

    /// <summary>Whether an event of a time is not settled.</summary>
    public override bool CanRemove(ReadOnlySpan<byte> block, int fixedOffset, long timeMs)
    {
        var settled = _settled.Count(block, fixedOffset);
        return timeMs >= FrontierMs(block, fixedOffset, _disorderMs) && (settled == 0 || timeMs >= SpanOf(_settled.Row(block, fixedOffset, settled - 1)).LastMs);
    }

    public override bool Holds(ReadOnlySpan<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs) =>
        _events.Find(block, fixedOffset, timeMs, inputs) >= 0;

    public override ReadOnlySpan<byte> Row(in BlockReading reading, FeatureState feature)
    {
        var stays = feature.Fold.Index >= 0;
        var sum = stays ? reading.Scratch.Bytes(feature.Fold.Offset, _cells.Size) : reading.Scratch.Transient(_cells.SizeMax);
        if (stays && reading.Scratch.IsFolded(feature.Fold.Index))
            return sum;
        var closed = _windows[feature.Window];
        // The newest sessions, as many as can be read, oldest at next % length: those before are not covered.
        Span<Session> newest = stackalloc Session[RowsMax(closed)];
        var count = FindSessions(reading, newest);
        var last = newest[(count + newest.Length - 1) % newest.Length];
        var isOpen = count > 0 && AsOfMs(reading) < last.LastMs + _rule.GapMs;
        var end = closed == 0 ? count : isOpen ? count - 1 : count;
        var first = closed == 0 ? (isOpen ? count - 1 : count) : Math.Max(0, end - closed);
        _cells.Clear(sum);
        for (var session = first; session < end; session++)
            Fold(reading, newest[session % newest.Length], sum);
        return sum;
    }

    public override long AsOfMs(in BlockReading reading, ReadOnlySpan<byte> row) => AsOfMs(reading);

    public override long Overflowed(ReadOnlySpan<byte> block, int fixedOffset) => Overflow(block, fixedOffset);

    public override void Prefetch(ReadOnlySpan<byte> block, int fixedOffset)
    {
        _settled.Prefetch(block, fixedOffset);
        _events.PrefetchRow(block, fixedOffset, _events.Count(block, fixedOffset));
    }

    private long AsOfMs(in BlockReading reading) => Math.Max(reading.AsOfMs, NewestMs(reading.Block, reading.FixedOffset));

    public override string? Check(ReadOnlySpan<byte> block, int fixedOffset)
    {
        var lastMs = long.MinValue;
        for (var row = 0; row < _settled.Count(block, fixedOffset); row++)
        {
            var span = SpanOf(_settled.Row(block, fixedOffset, row));
            if (span.Count <= 0 || span.FirstMs != _settled.Key(block, fixedOffset, row) || span.FirstMs < lastMs || span.LastMs < span.FirstMs)
                return "has a session that is none";
            lastMs = span.LastMs;
        }

        foreach (var timeMs in _events.Times(block, fixedOffset))
        {
            if (timeMs < lastMs)
                return "has events of sessions that are out of order";
            lastMs = timeMs;
        }

        return null;
    }

    private SpanCell.Span SpanOf(ReadOnlySpan<byte> row) => SpanCell.Value(_cells.Part(row, SpanIndex));

    private ref long Overflow(ReadOnlySpan<byte> block, int fixedOffset) => ref Memory.At<long>(block, fixedOffset + Offset + 2 * StoreHead.Size);

    private void CountOverflow(ReadOnlySpan<byte> block, int fixedOffset)
    {
        Overflow(block, fixedOffset)++;
        CoreInstruments.EventsOverflowed.Add(1);
    }

    /// <summary>Folds the oldest unsettled event into its session.</summary>
    /// <returns>False, and nothing is lost, where the settled rows want more room first.</returns>
    private bool TrySettleOldest(Span<byte> block, int fixedOffset)
    {
        var timeMs = _events.Times(block, fixedOffset)[0];
        var count = _settled.Count(block, fixedOffset);
        if (count == 0 || !_rule.Joins(SpanOf(_settled.Row((ReadOnlySpan<byte>)block, fixedOffset, count - 1)), timeMs))
        {
            if (count == _settled.Limit)
                _settled.RemoveAt(block, fixedOffset, 0);
            if (!_settled.Reserve(block, fixedOffset))
                return false;
            count = _settled.Count(block, fixedOffset) + 1;
            // Rows are in order of their first event, and no two sessions begin at one time: a gap is more than 0.
            _settled.Insert(block, fixedOffset, count - 1, timeMs);
        }

        Span<byte> image = _events.ImageBytes <= 1024 ? stackalloc byte[_events.ImageBytes] : new byte[_events.ImageBytes];
        _events.CopyImage(block, fixedOffset, 0, image);
        if (!_cells.TryAdd(_settled.Row(block, fixedOffset, count - 1), timeMs, image))
        {
            if (SpanOf(_settled.Row((ReadOnlySpan<byte>)block, fixedOffset, count - 1)).Count == 0)
                _settled.RemoveAt(block, fixedOffset, count - 1);
            _settled.WantLargerRows(block, fixedOffset);
            return false;
        }

        _events.DropOldest(block, fixedOffset, 1);
        return true;
    }

    /// <summary>Finds the newest sessions: settled ones, and those that the unsettled events make or go on with.</summary>
    /// <returns>The number of all, of which the newest are at their number modulo the span's length.</returns>
    private int FindSessions(in BlockReading reading, Span<Session> newest)
    {
        var count = 0;
        var settled = _settled.Count(reading.Block, reading.FixedOffset);
        for (var row = Math.Max(0, settled - newest.Length); row < settled; row++)
        {
            var span = SpanOf(_settled.Row(reading.Block, reading.FixedOffset, row));
            newest[count++ % newest.Length] = new Session { SettledRow = row, FirstMs = span.FirstMs, LastMs = span.LastMs };
        }

        var times = _events.Times(reading.Block, reading.FixedOffset);
        for (var row = 0; row < times.Length; row++)
        {
            ref var last = ref newest[(count + newest.Length - 1) % newest.Length];
            if (count > 0 && _rule.Joins(last.FirstMs, last.LastMs, times[row]))
            {
                last.FirstEvent = last.Events == 0 ? row : last.FirstEvent;
                last.Events++;
                last.LastMs = times[row];
            }
            else
            {
                newest[count++ % newest.Length] = new Session { SettledRow = -1, FirstMs = times[row], LastMs = times[row], FirstEvent = row, Events = 1 };
            }
        }

        return count;
    }

    private void Fold(in BlockReading reading, in Session session, Span<byte> sum)
    {
        var span = new SpanCell.Span
        {
            Count = session.Events,
            FirstMs = session.FirstMs,
            LastMs = session.LastMs,
            DurationMs = session.LastMs - session.FirstMs,
            Sessions = 1,
        };
        span.Count += session.SettledRow < 0 ? 0 : SpanOf(_settled.Row(reading.Block, reading.FixedOffset, session.SettledRow)).Count;
        span.Merge(SpanOf(sum));
        if (session.SettledRow >= 0)
        {
            var row = _settled.Row(reading.Block, reading.FixedOffset, session.SettledRow);
            _cells.MergeRows(sum, row, row.Length);
        }

        _events.FoldInto(reading, _cells, session.FirstEvent, session.Events, sum);
        // A settled row and the unsettled events after it are one session, not two.
        SpanCell.Value(_cells.Part(sum, SpanIndex)) = span;
    }

    /// <summary>A session: a settled row, unsettled events after it, or both.</summary>
    private struct Session
    {
        public int SettledRow;
        public int FirstEvent;
        public int Events;
        public long FirstMs;
        public long LastMs;
    }
}

/// <summary>What a session is: each event less than the gap after the one before, and none later than the greatest length after the first.</summary>
internal readonly record struct SessionRule(long GapMs, long LengthMaxMs)
{
    public bool Joins(in SpanCell.Span session, long timeMs) => Joins(session.FirstMs, session.LastMs, timeMs);

    public bool Joins(long firstMs, long lastMs, long timeMs) => timeMs < lastMs + GapMs && timeMs - firstMs <= LengthMaxMs;
}
