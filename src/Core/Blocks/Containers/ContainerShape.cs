using FeatureStore.Core.Blocks.Cells;

namespace FeatureStore.Core.Blocks.Containers;

/// <summary>What a container keeps and how, without what its inputs and cells mean: enough to find everything in its part of a block, also when its definitions are gone.</summary>
/// <param name="Kind">Which container it is.</param>
/// <param name="Family">Hash of what its events and rows are of: source, condition, periods or sessions. Containers of one family and kind can take over from each other.</param>
/// <param name="Numbers">What its kind needs to know besides; see <see cref="ContainerKinds"/>.</param>
/// <param name="Columns">Inputs kept with single events, each with a hash of what it is.</param>
/// <param name="Cells">Of each row, each with a hash of what it is.</param>
internal sealed record ContainerShape(
    ContainerKind Kind, ulong Family, IReadOnlyList<long> Numbers, IReadOnlyList<ColumnShape> Columns, IReadOnlyList<CellShape> Cells)
{
    /// <summary>The column of a fingerprint; −1 where there is none.</summary>
    public int ColumnOf(ColumnShape column) => IndexOf(Columns, column);

    /// <summary>The cell of a fingerprint; −1 where there is none.</summary>
    public int CellOf(CellShape cell) => IndexOf(Cells, cell);

    private static int IndexOf<T>(IReadOnlyList<T> list, T item)
    {
        for (var index = 0; index < list.Count; index++)
        {
            if (Equals(list[index], item))
                return index;
        }

        return -1;
    }
}

internal readonly record struct ColumnShape(ulong Fingerprint, int Width);

internal readonly record struct CellShape(ulong Fingerprint, int Size, int SizeMax);

internal enum ContainerKind
{
    Sliding,
    Last,
    Tiles,
    Tumbling,
    Sessions,
    Lifetime,
    LargeLifetime,
}

/// <summary>Containers from their shapes alone, for reading blocks of older layouts.</summary>
internal static class ContainerKinds
{
    private const int RowBytesMax = 16 << 20;

    /// <summary>Of milliseconds: 300 years.</summary>
    private const long NumberMax = 10_000_000_000_000;

    /// <summary>Makes a container that knows its cells' sizes, and nothing else of them.</summary>
    /// <returns>Null where there is no such container.</returns>
    public static Container? Make(ContainerPlace place, ContainerShape shape)
    {
        var numbers = shape.Numbers;
        if (numbers.Any(number => number is < 0 or > NumberMax) || !AreColumns(shape.Columns, out var columns) || !AreCells(shape.Cells))
            return null;
        // Sessions know their times.
        var cells = new CellRow([.. shape.Cells.Select((cell, index) => new CellInput(
            shape.Kind == ContainerKind.Sessions && index == 0 ? new SpanCell(ofSessions: true) : new StoredCell(cell.Size, cell.SizeMax), default))]);
        switch (shape.Kind)
        {
            case ContainerKind.Sliding when cells.Cells.IsEmpty && numbers.Count >= 5 && numbers.Count % 2 == 1 && IsLimit(numbers[0]) &&
                numbers[2] <= columns.Length && columns.Take((int)numbers[2]).All(column => column.Width is EventInput.NumberBytes or EventInput.IntegerBytes):
                var windows = Enumerable.Range(0, (numbers.Count - 3) / 2).Select(window => new SlidingWindow(numbers[3 + 2 * window], numbers[4 + 2 * window]));
                return new Sliding(place, shape, [.. windows], columns, (int)numbers[2], (int)numbers[0], numbers[1]);
            case ContainerKind.Last when cells.Cells.IsEmpty && numbers.Count == 2 && IsLimit(numbers[0]):
                return new LastEvents(place, shape, [(int)numbers[0]], columns, numbers[1]);
            case ContainerKind.Tiles when columns.Length == 0 && numbers.Count >= 2 && numbers.Count % 2 == 0 && AreLevels(numbers) && (numbers.Count == 2 || cells.Size == cells.SizeMax):
                return new Tiles(place, shape, [.. Enumerable.Range(0, numbers.Count / 2).Select(level => new TiledWindow(numbers[2 * level + 1], 0, numbers[2 * level]))], cells, 0, 0);
            case ContainerKind.Tumbling when columns.Length == 0 && numbers.Count == 3 && numbers[0] > 0 && numbers[1] <= 1:
                // What its periods are called is the family's.
                return new Tumbling(place, shape, new Periods(numbers[0], 0, "UTC"), (int)numbers[1], numbers[2], cells);
            case ContainerKind.Sessions when numbers.Count == 3 && IsLimit(numbers[0] + 1) && IsLimit(numbers[1]) && shape.Cells.Count > 0 && shape.Cells[0].Size == cells.Cells[0].Cell.Size:
                return new Sessions(place, shape, default, [(int)numbers[0]], columns, cells, (int)numbers[1], numbers[2]);
            case ContainerKind.Lifetime when columns.Length == 0 && numbers.Count == 0 && cells.Size == cells.SizeMax:
                return new Lifetime(place, shape, cells);
            case ContainerKind.LargeLifetime when columns.Length == 0 && numbers.Count == 0:
                return new Tumbling(place, shape, null, 0, 0, cells);
            default:
                return null;
        }
    }

    private static bool IsLimit(long number) => number is > 0 and <= Definitions.DefinitionLimits.WindowEventsMax;

    private static bool AreColumns(IReadOnlyList<ColumnShape> shapes, out InputSlot[] columns)
    {
        var offset = 0;
        columns = [.. shapes.Select(column => new InputSlot((offset += column.Width) - column.Width, column.Width))];
        return columns.All(column => column.Width is EventInput.NumberBytes or EventInput.IntegerBytes or EventInput.TextBytes);
    }

    /// <summary>Whether each cell has a size, and none but the last grows.</summary>
    private static bool AreCells(IReadOnlyList<CellShape> cells) =>
        cells.All(cell => cell.Size > 0 && cell.Size % 4 == 0 && cell.SizeMax >= cell.Size) && cells.SkipLast(1).All(cell => cell.SizeMax == cell.Size) &&
        cells.Sum(cell => (long)cell.SizeMax) <= RowBytesMax;

    private static bool AreLevels(IReadOnlyList<long> numbers)
    {
        for (var at = 0; at < numbers.Count; at += 2)
        {
            if (numbers[at] == 0 || (at > 0 && (numbers[at] <= numbers[at - 2] || numbers[at] % numbers[at - 2] != 0)))
                return false;
        }

        return true;
    }
}
