using FeatureStore.Core.Blocks.Cells;
using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Blocks.Containers;

/// <summary>
/// How a container takes over what containers of an older layout hold. Made once for a layout, used for every block; the older block is sound, but that its cells are
/// checked when they are copied, and the new one is that of an entity never seen, but for the newest times of its conditions.
/// </summary>
internal abstract class Transfer
{
    /// <summary>What a feature of the container has of events before.</summary>
    public abstract CarriedState StateOf(FeatureState feature);

    /// <summary>Asks for all the room that <see cref="Copy"/> may need.</summary>
    public abstract void Reserve(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed);

    /// <summary>Copies.</summary>
    /// <returns>What is wrong with the older block; else null.</returns>
    public abstract string? Copy(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed);

    /// <summary>Where each column is in an older container; −1: it has it not.</summary>
    protected static int[] ColumnsOf(ContainerShape shape, ContainerShape older) => [.. shape.Columns.Select(older.ColumnOf)];

    /// <summary>Where each cell is in an older container; −1: it has it not.</summary>
    protected static int[] CellsOf(ContainerShape shape, ContainerShape older) => [.. shape.Cells.Select(older.CellOf)];

    /// <summary>Whether an older container kept all that a cell takes in.</summary>
    protected static bool HasInputs(in CellInput cell, EventStore events, int[] columns) =>
        (cell.Value.IsNone || columns[events.ColumnOf(cell.Value)] >= 0) && (cell.Key.IsNone || columns[events.ColumnOf(cell.Key)] >= 0);

    /// <summary>Bytes of a row whose last cell has grown as far as that of an older row, if it is the same.</summary>
    protected static int RowBytes(CellRow cells, int[] cellsOfOlder, CellRow older, int olderRowBytes) =>
        cells.SizeMax > cells.Size && cellsOfOlder[^1] >= 0 ? cells.Size + olderRowBytes - older.Size : cells.Size;

    /// <summary>Copies the state of a cell into one of the same size, or adds it to one that has seen other events.</summary>
    /// <returns>What is wrong with it; else null.</returns>
    protected static string? CopyState(Cell cell, ReadOnlySpan<byte> from, Span<byte> to, bool isMerged = false)
    {
        if (cell.Check(from) is { } problem)
            return problem;
        if (isMerged)
            cell.Merge(to, from);
        else
            from.CopyTo(to);
        return null;
    }

    /// <summary>Says up to when events may be missing from a container: from the older one, and because less reached it.</summary>
    protected static void MarkUnknown(Container container, Span<byte> to, int toFixed, Container older, ReadOnlySpan<byte> from, int fromFixed, long lackingMs)
    {
        if (container.CountsUnknown)
            container.UnknownMs(to, toFixed) = Math.Max(lackingMs, older.CountsUnknown ? older.UnknownMs(from, fromFixed) : long.MinValue);
    }
}
