using FeatureStore.Core.Blocks.Cells;
using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Blocks.Containers;

internal sealed partial class Lifetime
{
    /// <summary>The cells of one are of the same events, so they come from one or not at all.</summary>
    public override Transfer TransferFrom(IReadOnlyList<Container> olders) =>
        new CellTransfer(this, (Lifetime?)olders.FirstOrDefault(older => Shape.Cells.All(cell => older.Shape.CellOf(cell) >= 0)));

    private ReadOnlySpan<byte> RowOf(ReadOnlySpan<byte> block, int fixedOffset) => block.Slice(fixedOffset + Offset, cells.Size);

    private CellRow CellsOf => cells;

    private sealed class CellTransfer(Lifetime container, Lifetime? older) : Transfer
    {
        private readonly int[] _cellsOfOlder = older is null ? [] : CellsOf(container.Shape, older.Shape);

        public override CarriedState StateOf(FeatureState feature) => older is null ? CarriedState.None : CarriedState.Whole;

        public override void Reserve(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed)
        {
        }

        public override string? Copy(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed)
        {
            if (older is null)
            {
                if (container.CountsUnknown)
                    container.UnknownMs(to, toFixed) = container.NewestMs(to, toFixed);
                return null;
            }

            var target = container.Row(to, toFixed);
            for (var cell = 0; cell < _cellsOfOlder.Length; cell++)
            {
                var state = older.CellsOf.Part(older.RowOf(from, fromFixed), _cellsOfOlder[cell]);
                if (CopyState(container.CellsOf.Cells[cell].Cell, state, container.CellsOf.Part(target, cell)) is { } problem)
                    return problem;
            }

            MarkUnknown(container, to, toFixed, older, from, fromFixed, long.MinValue);
            return null;
        }
    }
}
