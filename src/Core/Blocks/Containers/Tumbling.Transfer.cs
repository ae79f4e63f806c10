using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Blocks.Containers;

internal sealed partial class Tumbling
{
    public override Transfer TransferFrom(IReadOnlyList<Container> olders) => new PeriodTransfer(this, [.. olders.Cast<Tumbling>()]);

    /// <summary>Takes each cell from the first container that has it: all of a family have the same periods.</summary>
    private sealed class PeriodTransfer : Transfer
    {
        private readonly Tumbling _container;

        /// <summary>For each cell the container that has it; null: none.</summary>
        private readonly Tumbling?[] _olders;

        /// <summary>The containers that have some, with where each cell is in them; −1: it is not taken from them.</summary>
        private readonly (Tumbling Older, int[] Cells)[] _sources;

        public PeriodTransfer(Tumbling container, Tumbling[] olders)
        {
            _container = container;
            _olders = [.. container.Shape.Cells.Select(cell => Array.Find(olders, older => older.Shape.CellOf(cell) >= 0))];
            _sources = [.. _olders.OfType<Tumbling>().Distinct()
                .Select(older => (older, _olders.Select((source, cell) => source == older ? older.Shape.CellOf(container.Shape.Cells[cell]) : -1).ToArray()))];
        }

        public override CarriedState StateOf(FeatureState feature)
        {
            if (_olders[feature.First] is not { } first || _olders[feature.Second] is not { } second)
                return CarriedState.None;
            return feature.Window <= Math.Min(first._periodsBack, second._periodsBack) ? CarriedState.Whole : CarriedState.Part;
        }

        public override void Reserve(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed)
        {
            var rows = 0;
            foreach (var (older, cells) in _sources)
            {
                rows += older._table.Count(from, fromFixed);
                _container._table.Want(to, toFixed, rows, RowBytes(_container._cells, cells, older._cells, older._table.RowBytes(from, fromFixed)));
            }
        }

        public override string? Copy(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed)
        {
            if (_sources.Length == 0 && _container.CountsUnknown)
                _container.UnknownMs(to, toFixed) = _container.NewestMs(to, toFixed);
            foreach (var (older, cells) in _sources)
            {
                if (Copy(older, cells, from, fromFixed, to, toFixed) is { } problem)
                    return problem;
                var isLess = _container._periodsBack > older._periodsBack || _container._disorderMs > older._disorderMs;
                MarkUnknown(_container, to, toFixed, older, from, fromFixed, isLess ? _container.FrontierMs(to, toFixed, older._disorderMs) : long.MinValue);
            }

            return null;
        }

        private string? Copy(Tumbling older, int[] cells, ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed)
        {
            var rows = older._table.Count(from, fromFixed);
            if (rows > 0 && _container.NewestMs(to, toFixed) == long.MinValue)
                return "has periods of no time";
            for (var row = 0; row < rows; row++)
            {
                var key = older._table.Key(from, fromFixed, row);
                if (key < _container.OldestKey(to, toFixed))
                    continue;
                var target = _container._table.RowFor(to, toFixed, key);
                for (var cell = 0; cell < cells.Length && !target.IsEmpty; cell++)
                {
                    if (cells[cell] < 0)
                        continue;
                    var state = older._cells.Part(older._table.Row(from, fromFixed, row), cells[cell]);
                    if (CopyState(_container._cells.Cells[cell].Cell, state, _container._cells.Part(target, cell)) is { } problem)
                        return problem;
                }
            }

            return null;
        }
    }
}
