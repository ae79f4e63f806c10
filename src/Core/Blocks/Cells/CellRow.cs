namespace FeatureStore.Core.Blocks.Cells;

/// <summary>A cell with what it takes in.</summary>
/// <param name="Cell">Its kind.</param>
/// <param name="Value">Its input; none: it takes events.</param>
/// <param name="Key">What its value is kept by; none for all cells but maps.</param>
internal readonly record struct CellInput(Cell Cell, InputSlot Value, InputSlot Key = default);

/// <summary>Cells side by side. At most one of them grows: the last.</summary>
internal sealed class CellRow
{
    private readonly CellInput[] _cells;
    private readonly int[] _offsets;
    private readonly byte[] _empty;

    public CellRow(IReadOnlyList<CellInput> cells)
    {
        _cells = [.. cells];
        _offsets = new int[_cells.Length];
        for (var index = 0; index < _cells.Length; index++)
        {
            _offsets[index] = Size;
            Size += _cells[index].Cell.Size;
        }

        var last = _cells.Length == 0 ? null : _cells[^1].Cell;
        SizeMax = last is null ? 0 : Size - last.Size + last.SizeMax;
        _empty = new byte[Size];
        for (var index = 0; index < _cells.Length; index++)
            _cells[index].Cell.Clear(_empty.AsSpan(_offsets[index], _cells[index].Cell.Size));
    }

    public ReadOnlySpan<CellInput> Cells => _cells;

    /// <summary>Bytes of a row; of one that grows, at first.</summary>
    public int Size { get; }

    public int SizeMax { get; }

    public int SizeNext(int size) => _offsets[^1] + _cells[^1].Cell.SizeNext(size - _offsets[^1]);

    /// <summary>Whether a row may have a size.</summary>
    public bool HasSize(int size)
    {
        var rung = Size;
        while (rung < size && rung < SizeMax)
            rung = SizeNext(rung);
        return rung == size;
    }

    /// <summary>A cell's part of a row.</summary>
    public ReadOnlySpan<byte> Part(ReadOnlySpan<byte> row, int cell) =>
        cell == _cells.Length - 1 ? row[_offsets[cell]..] : row[_offsets[cell].._offsets[cell + 1]];

    public Span<byte> Part(Span<byte> row, int cell) =>
        cell == _cells.Length - 1 ? row[_offsets[cell]..] : row[_offsets[cell].._offsets[cell + 1]];

    public void Clear(Span<byte> row)
    {
        _empty.CopyTo(row);
        row[_empty.Length..].Clear();
    }

    /// <summary>Takes in an event.</summary>
    /// <returns>False, and nothing changed, where the row must grow first.</returns>
    public bool TryAdd(Span<byte> row, long timeMs, ReadOnlySpan<byte> inputs)
    {
        // Only the last may refuse.
        for (var index = _cells.Length - 1; index >= 0; index--)
        {
            ref readonly var cell = ref _cells[index];
            var value = cell.Value.Of(inputs);
            var key = cell.Key.Of(inputs);
            if (IsTaken(value, key) && !cell.Cell.TryAdd(Part(row, index), timeMs, value, key))
                return false;
        }

        return true;
    }

    /// <summary>Takes an event back.</summary>
    /// <returns>Whether no cell knows that it was never there.</returns>
    public bool TryRemove(Span<byte> row, long timeMs, ReadOnlySpan<byte> inputs)
    {
        var isRemoved = true;
        for (var index = 0; index < _cells.Length; index++)
        {
            ref readonly var cell = ref _cells[index];
            var value = cell.Value.Of(inputs);
            var key = cell.Key.Of(inputs);
            // A cell that came to its limit may never have had the event; the others had it.
            isRemoved &= !IsTaken(value, key) || cell.Cell.TryRemove(Part(row, index), timeMs, value, key);
        }

        return isRemoved;
    }

    /// <summary>Merges rows, newest first, into one of <see cref="SizeMax"/>.</summary>
    /// <param name="into">Changed in place.</param>
    /// <param name="rows">One after the other, oldest first.</param>
    /// <param name="size">Bytes of each.</param>
    public void MergeRows(Span<byte> into, ReadOnlySpan<byte> rows, int size)
    {
        var count = rows.Length / size;
        if (count == 0)
            return;
        for (var index = 0; index < _cells.Length; index++)
        {
            var end = index == _cells.Length - 1 ? size : _offsets[index + 1];
            _cells[index].Cell.MergeRows(Part(into, index), rows[_offsets[index]..], size, end - _offsets[index], count);
        }
    }

    /// <summary>Copies a row into a zeroed one that may be larger.</summary>
    public void Grow(ReadOnlySpan<byte> from, Span<byte> to)
    {
        if (from.Length == to.Length)
        {
            from.CopyTo(to);
            return;
        }

        from[.._offsets[^1]].CopyTo(to);
        _cells[^1].Cell.Grow(from[_offsets[^1]..], to[_offsets[^1]..]);
    }

    public string? Check(ReadOnlySpan<byte> row)
    {
        for (var index = 0; index < _cells.Length; index++)
        {
            if (_cells[index].Cell.Check(Part(row, index)) is { } problem)
                return problem;
        }

        return null;
    }

    private static bool IsTaken(ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) =>
        (value.IsEmpty || !EventInput.IsNull(value)) && (key.IsEmpty || !EventInput.IsNull(key));
}
