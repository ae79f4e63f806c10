using FeatureStore.Core.Blocks.Sketches;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>
/// One row of cells for each of a bounded number of keys: int64 number of keys, then, by key ascending, each with the time of its newest event (int64), its number of
/// events (int64) and its cells. Beyond the limit the key longest unseen goes.
/// </summary>
/// <param name="limit">Most keys.</param>
/// <param name="keyWidth">Bytes of a key: 8, 16 or 64.</param>
/// <param name="cells">Of a fixed size, a multiple of 8; their inputs begin where the map's value does.</param>
internal sealed class MapCell(int limit, int keyWidth, CellRow cells) : Cell
{
    private const int EntriesOffset = sizeof(long);
    private const int KeysFirst = 4;

    private readonly int _entryBytes = keyWidth + 2 * sizeof(long) + cells.Size;
    private readonly SizeLadder _ladder = new(
        EntriesOffset + KeysFirst * (keyWidth + 2 * sizeof(long) + cells.Size), EntriesOffset + limit * (keyWidth + 2 * sizeof(long) + cells.Size));

    public override string Description =>
        $"map {limit}x{keyWidth} of {string.Join('+', cells.Cells.ToArray().Select(cell => $"{cell.Cell.Description}{(cell.Value.IsNone ? "" : "(v)")}"))}";

    public override int Size => _ladder.Min;

    public override int SizeMax => _ladder.Max;

    public override bool CanRemove => cells.Cells.ToArray().All(cell => cell.Cell.CanRemove);

    public CellRow Cells => cells;

    public override int SizeNext(int size) => _ladder.Next(size);

    public static int Count(ReadOnlySpan<byte> state) => (int)Memory.At<long>(state);

    public ReadOnlySpan<byte> Key(ReadOnlySpan<byte> state, int index) => state.Slice(OffsetOf(index), keyWidth);

    /// <summary>The cells of a key.</summary>
    public ReadOnlySpan<byte> Row(ReadOnlySpan<byte> state, int index) => state.Slice(RowOffsetOf(index), cells.Size);

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        if (!TryFind(state, key, out var index))
        {
            if (Count(state) == Capacity(state) && state.Length < SizeMax)
                return false;
            if (Count(state) == limit)
                CoreInstruments.KeysEvicted.Add(1);
            index = Insert(state, index, key, timeMs);
        }

        if (index >= 0)
            Add(state, index, timeMs, value);
        return true;
    }

    public override bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        if (!TryFind(state, key, out var index) || !cells.TryRemove(state.Slice(RowOffsetOf(index), cells.Size), timeMs, value))
            return false;
        if (--EventsOf(state, index) <= 0)
            RemoveAt(state, index);
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from)
    {
        for (var other = 0; other < Count(from); other++)
        {
            if (!TryFind(into, Key(from, other), out var index))
                index = Insert(into, index, Key(from, other), NewestOf(from, other));
            if (index < 0)
                continue;
            NewestOf(into, index) = Math.Max(NewestOf(into, index), NewestOf(from, other));
            EventsOf(into, index) += EventsOf(from, other);
            cells.MergeRows(into.Slice(RowOffsetOf(index), cells.Size), Row(from, other), cells.Size);
        }
    }

    /// <summary>The keys seen last are found first, so that their values are whole.</summary>
    public override void AddAll(Span<byte> state, ReadOnlySpan<long> times, ReadOnlySpan<byte> values, ReadOnlySpan<byte> keys)
    {
        var valueBytes = times.IsEmpty ? 0 : values.Length / times.Length;
        for (var index = times.Length - 1; index >= 0; index--)
        {
            var key = keys.Slice(index * keyWidth, keyWidth);
            if (!IsTaken(values.Slice(index * valueBytes, valueBytes), key))
                continue;
            if (TryFind(state, key, out var at))
                NewestOf(state, at) = Math.Max(NewestOf(state, at), times[index]);
            else if (Insert(state, at, key, times[index], isLaterOfEqual: false) < 0)
                break;
        }

        for (var index = 0; index < times.Length; index++)
        {
            var value = values.Slice(index * valueBytes, valueBytes);
            var key = keys.Slice(index * keyWidth, keyWidth);
            if (IsTaken(value, key) && TryFind(state, key, out var at))
                Add(state, at, times[index], value);
        }
    }

    public override string? Check(ReadOnlySpan<byte> state)
    {
        if (!_ladder.Contains(state.Length))
            return "has a map of an impossible size";
        var count = Memory.At<long>(state);
        if (count < 0 || count > Capacity(state))
            return "has more keys in a map than fit";
        for (var index = 0; index < count; index++)
        {
            if (EventInput.IsNull(Key(state, index)) || !EventInput.IsSound(Key(state, index)) || (index > 0 && Compare(Key(state, index - 1), Key(state, index)) >= 0))
                return "has a map whose keys do not ascend";
            if (cells.Check(Row(state, index)) is { } problem)
                return problem;
        }

        return null;
    }

    private static bool IsTaken(ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) => !EventInput.IsNull(key) && (value.IsEmpty || !EventInput.IsNull(value));

    private int Capacity(ReadOnlySpan<byte> state) => Math.Min(limit, (state.Length - EntriesOffset) / _entryBytes);

    private int OffsetOf(int index) => EntriesOffset + index * _entryBytes;

    private int RowOffsetOf(int index) => OffsetOf(index) + keyWidth + 2 * sizeof(long);

    private ref long NewestOf(ReadOnlySpan<byte> state, int index) => ref Memory.At<long>(state, OffsetOf(index) + keyWidth);

    private ref long EventsOf(ReadOnlySpan<byte> state, int index) => ref Memory.At<long>(state, OffsetOf(index) + keyWidth + sizeof(long));

    private void Add(Span<byte> state, int index, long timeMs, ReadOnlySpan<byte> value)
    {
        NewestOf(state, index) = Math.Max(NewestOf(state, index), timeMs);
        EventsOf(state, index)++;
        cells.TryAdd(state.Slice(RowOffsetOf(index), cells.Size), timeMs, value);
    }

    /// <summary>Puts a key in its place, if need be instead of the one longest unseen.</summary>
    /// <returns>Where it is; −1 where it would be the one longest unseen itself.</returns>
    private int Insert(Span<byte> state, int index, ReadOnlySpan<byte> key, long timeMs, bool isLaterOfEqual = true)
    {
        if (Count(state) == limit)
        {
            var oldest = 0;
            for (var other = 1; other < limit; other++)
                oldest = NewestOf(state, other) < NewestOf(state, oldest) ? other : oldest;
            if (timeMs < NewestOf(state, oldest) || (timeMs == NewestOf(state, oldest) && !isLaterOfEqual))
                return -1;
            RemoveAt(state, oldest);
            index -= oldest < index ? 1 : 0;
        }

        var entries = state[..OffsetOf(Count(state) + 1)];
        entries[OffsetOf(index)..^_entryBytes].CopyTo(entries[OffsetOf(index + 1)..]);
        Memory.At<long>(state)++;
        WriteKey(state.Slice(OffsetOf(index), keyWidth), key);
        NewestOf(state, index) = timeMs;
        EventsOf(state, index) = 0;
        cells.Clear(state.Slice(RowOffsetOf(index), cells.Size));
        return index;
    }

    private void RemoveAt(Span<byte> state, int index)
    {
        var end = OffsetOf(Count(state));
        state[OffsetOf(index + 1)..end].CopyTo(state[OffsetOf(index)..]);
        state[(end - _entryBytes)..end].Clear();
        Memory.At<long>(state)--;
    }

    /// <summary>−0 is 0.</summary>
    private static void WriteKey(Span<byte> to, ReadOnlySpan<byte> key)
    {
        key.CopyTo(to);
        if (key.Length == EventInput.NumberBytes)
            Memory.At<double>(to) += 0.0;
    }

    private bool TryFind(ReadOnlySpan<byte> state, ReadOnlySpan<byte> key, out int index)
    {
        var (low, high) = (0, Count(state));
        while (low < high)
        {
            var middle = low + high >>> 1;
            var order = Compare(Key(state, middle), key);
            if (order == 0)
            {
                index = middle;
                return true;
            }

            (low, high) = order < 0 ? (middle + 1, high) : (low, middle);
        }

        index = low;
        return false;
    }

    private static int Compare(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right) => left.Length switch
    {
        EventInput.NumberBytes => Memory.At<double>(left).CompareTo(Memory.At<double>(right)),
        EventInput.IntegerBytes => Memory.At<Int128>(left).CompareTo(Memory.At<Int128>(right)),
        _ => EventInput.Text(left).SequenceCompareTo(EventInput.Text(right)),
    };
}
