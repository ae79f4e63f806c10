using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Blocks.Containers;

internal sealed partial class Sessions
{
    /// <summary>All containers of a family have the same sessions; one has most of the cells.</summary>
    public override Transfer TransferFrom(IReadOnlyList<Container> olders) => new SessionTransfer(this, (Sessions)olders
        .MaxBy(older => (Shape.Cells.Count(cell => older.Shape.CellOf(cell) >= 0), Shape.Columns.Count(column => older.Shape.ColumnOf(column) >= 0)))!);

    private sealed class SessionTransfer(Sessions container, Sessions older) : Transfer
    {
        private readonly int[] _columns = ColumnsOf(container.Shape, older.Shape);
        private readonly int[] _cellsOfOlder = CellsOf(container.Shape, older.Shape);

        public override CarriedState StateOf(FeatureState feature)
        {
            var carried = container._windows[feature.Window] <= older._windows.Max() ? CarriedState.Whole : CarriedState.Part;
            foreach (var index in (ReadOnlySpan<int>)[feature.First, feature.Second])
            {
                if (_cellsOfOlder[index] >= 0)
                    continue;
                // Of the events that are not settled the inputs may be known.
                if (!HasInputs(container._cells.Cells[index], container._events, _columns))
                    return CarriedState.None;
                carried = CarriedState.Part;
            }

            return carried;
        }

        public override void Reserve(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed)
        {
            container._settled.Want(
                to, toFixed, older._settled.Count(from, fromFixed), RowBytes(container._cells, _cellsOfOlder, older._cells, older._settled.RowBytes(from, fromFixed)));
            container._events.Want(to, toFixed, Math.Min(older._events.Count(from, fromFixed), container._events.Limit));
        }

        public override string? Copy(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed)
        {
            var settled = older._settled.Count(from, fromFixed);
            for (var row = Math.Max(0, settled - container._settled.Limit); row < settled; row++)
            {
                var target = container._settled.RowFor(to, toFixed, older._settled.Key(from, fromFixed, row));
                for (var cell = 0; cell < _cellsOfOlder.Length; cell++)
                {
                    if (_cellsOfOlder[cell] < 0)
                        continue;
                    var state = older._cells.Part(older._settled.Row(from, fromFixed, row), _cellsOfOlder[cell]);
                    if (CopyState(container._cells.Cells[cell].Cell, state, container._cells.Part(target, cell)) is { } problem)
                        return problem;
                }
            }

            var overflow = Math.Max(0, older._events.Count(from, fromFixed) - container._events.Limit);
            container._events.Import(to, toFixed, older._events, from, fromFixed, overflow, _columns);
            container.Overflow(to, toFixed) = older.Overflow(from, fromFixed) + overflow;
            var lackingMs = container._disorderMs > older._disorderMs ? container.FrontierMs(to, toFixed, older._disorderMs) : long.MinValue;
            MarkUnknown(container, to, toFixed, older, from, fromFixed, lackingMs);
            return null;
        }
    }
}
