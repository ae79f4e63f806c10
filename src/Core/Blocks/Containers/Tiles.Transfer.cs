using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Blocks.Containers;

internal sealed partial class Tiles
{
    public override Transfer TransferFrom(IReadOnlyList<Container> olders) => new TileTransfer(this, [.. olders.Cast<Tiles>()]);

    /// <summary>
    /// Takes each cell's tiles from the chains that had it with tiles of the same sizes; where there are none, from one whose tiles add up to those of now. Which windows share a chain
    /// depends on all tile sizes, so one chain may come from several: each gives the stretch of time that its own windows reach, cut where a tile of the next coarser one begins.
    /// <para>
    /// A tile that is coarser than those of its place now counts as its last part. So windows of its own size go on as they were, and finer ones err by it as all tiled windows do:
    /// too much at the old edge, nothing early.
    /// </para>
    /// </summary>
    private sealed class TileTransfer : Transfer
    {
        private readonly Tiles _container;

        /// <summary>For each cell where its tiles come from, the finest first.</summary>
        private readonly Source[][] _sources;
        private readonly Tiles[] _olders;

        /// <summary>How far back there are tiles.</summary>
        private readonly long _reachMs;

        public TileTransfer(Tiles container, Tiles[] olders)
        {
            _container = container;
            _sources = [.. container.Shape.Cells.Select(cell => SourcesOf(cell, [.. olders.Where(older => older.Shape.CellOf(cell) >= 0)]))];
            _olders = [.. _sources.SelectMany(sources => sources).Select(source => source.Older).Distinct()];
            _reachMs = _olders.SelectMany(older => older._levels).Where(level => container._levels[^1].SizeMs % level.SizeMs == 0).Select(level => level.ReachMs).DefaultIfEmpty().Max();
        }

        public override CarriedState StateOf(FeatureState feature)
        {
            var window = _container._windows[feature.Window];
            var (first, second) = (StateOf(_sources[feature.First], window), StateOf(_sources[feature.Second], window));
            return (CarriedState)Math.Min((int)first, (int)second);
        }

        public override void Reserve(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed)
        {
            var rows = 0;
            foreach (var older in _olders)
            {
                rows += older._table.Count(from, fromFixed);
                // A row that grows has one source.
                var grown = _container._cells.SizeMax > _container._cells.Size ? older._table.RowBytes(from, fromFixed) - older._cells.Size : 0;
                _container._table.Want(to, toFixed, rows, _container._cells.Size + grown);
            }
        }

        public override string? Copy(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed)
        {
            var newestMs = _container.NewestMs(to, toFixed);
            if (_olders.Length == 0 && _container.CountsUnknown)
                _container.UnknownMs(to, toFixed) = newestMs;
            foreach (var older in _olders)
            {
                if (newestMs == long.MinValue && older._table.Count(from, fromFixed) > 0)
                    return "has tiles of no time";
                MarkUnknown(_container, to, toFixed, older, from, fromFixed, LackingMs(newestMs));
            }

            if (newestMs == long.MinValue)
                return null;
            _container.MergedFor(to, toFixed) = _container.TileOf(newestMs);
            Span<long> begins = stackalloc long[_container._levels.Length];
            for (var cell = 0; cell < _sources.Length; cell++)
            {
                var (sources, lastKey) = (_sources[cell], long.MinValue);
                Begins(sources, newestMs, begins);
                // From the newest on, as states are merged.
                for (var index = 0; index < sources.Length; index++)
                {
                    var part = (begins[index], index == 0 ? long.MaxValue : begins[index - 1]);
                    if (Copy(cell, sources[index], newestMs, part, ref lastKey, from, fromFixed, to, toFixed) is { } problem)
                        return problem;
                }
            }

            return null;
        }

        private static CarriedState StateOf(Source[] sources, TiledWindow window)
        {
            var index = Array.FindIndex(sources, source => source.SizeMs == window.TileMs);
            if (index < 0 || window.LengthMs + window.DelayMs > sources[index].ReachMs)
                return sources.Length == 0 ? CarriedState.None : CarriedState.Part;
            // At a cut there may be a coarser tile too much, or one that the finer chain had not known from its beginning.
            return Array.TrueForAll(sources, source => source.Older == sources[0].Older) ? CarriedState.Whole : CarriedState.Part;
        }

        private Source[] SourcesOf(CellShape cell, Tiles[] olders)
        {
            List<Source> same = [];
            foreach (var (sizeMs, _) in _container._levels)
            {
                if (Array.Find(olders, older => older.HasLevel(sizeMs)) is { } older)
                    same.Add(new Source(older, older.Shape.CellOf(cell), sizeMs, Array.Find(older._levels, level => level.SizeMs == sizeMs).ReachMs));
            }

            // States that grow are not merged here: it takes the room of the largest.
            if (same.Count > 0 || cell.SizeMax > cell.Size)
                return [.. same];
            return Array.Find(olders, older => Array.Exists(older._levels, level => _container._levels[^1].SizeMs % level.SizeMs == 0)) is { } finer
                ? [new Source(finer, finer.Shape.CellOf(cell), 0, 0)] : [];
        }

        /// <summary>Up to when events may have no tile.</summary>
        private long LackingMs(long newestMs) =>
            newestMs != long.MinValue && Array.Exists(_container._levels, level => level.ReachMs > _reachMs) ? newestMs - _reachMs : long.MinValue;

        /// <summary>Where the stretch of each source begins, and that of the next coarser one ends: as far back as its windows reach, then and now.</summary>
        private void Begins(Source[] sources, long newestMs, Span<long> begins)
        {
            for (var index = 0; index < sources.Length; index++)
            {
                var source = sources[index];
                begins[index] = long.MinValue;
                if (index == sources.Length - 1)
                    continue;
                var beginMs = Math.Max(BeginMs(source.Older, source.SizeMs, newestMs), BeginMs(_container, source.SizeMs, newestMs));
                begins[index] = Math.Min(index == 0 ? long.MaxValue : begins[index - 1], -Floor(-beginMs, sources[index + 1].SizeMs) * sources[index + 1].SizeMs);
            }
        }

        private static long BeginMs(Tiles tiles, long sizeMs, long newestMs)
        {
            Span<long> bounds = stackalloc long[tiles._levels.Length];
            tiles.Bounds(tiles.TileOf(newestMs), bounds);
            return bounds[Array.FindIndex(tiles._levels, level => level.SizeMs == sizeMs)] * tiles._unitMs;
        }

        private string? Copy(
            int cell, Source source, long newestMs, (long FromMs, long UntilMs) part, ref long lastKey, ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed)
        {
            var older = source.Older;
            Span<long> bounds = stackalloc long[_container._levels.Length];
            _container.Bounds(_container.TileOf(newestMs), bounds);
            Span<long> oldBounds = stackalloc long[older._levels.Length];
            older.Bounds(older.TileOf(newestMs), oldBounds);
            for (var row = older._table.Count(from, fromFixed) - 1; row >= 0; row--)
            {
                var tile = older._table.Key(from, fromFixed, row);
                var startMs = tile * older._unitMs;
                var level = LevelOf(tile, oldBounds);
                var sizeMs = older._levels[level].SizeMs;
                // Of the coarse tile in which finer ones begin, of whichever size, it holds what is before them.
                var endMs = startMs + sizeMs;
                foreach (var bound in oldBounds[..level])
                    endMs = Math.Min(endMs, bound * older._unitMs);
                if (startMs < part.FromMs || startMs >= part.UntilMs || _container._levels[^1].SizeMs % sizeMs != 0 || !_container.TryPlace(_container.TileOf(endMs - 1), bounds, out var key))
                    continue;
                var target = _container._table.RowFor(to, toFixed, key);
                if (target.IsEmpty)
                    continue;
                var state = older._cells.Part(older._table.Row(from, fromFixed, row), source.Cell);
                if (CopyState(_container._cells.Cells[cell].Cell, state, _container._cells.Part(target, cell), isMerged: key == lastKey) is { } problem)
                    return problem;
                lastKey = key;
            }

            return null;
        }

        /// <summary>A chain that has a cell.</summary>
        /// <param name="Older">The chain.</param>
        /// <param name="Cell">Where it has it.</param>
        /// <param name="SizeMs">The tile size of now that it has too; 0: it has none.</param>
        /// <param name="ReachMs">How far back its windows with such tiles reach.</param>
        private sealed record Source(Tiles Older, int Cell, long SizeMs, long ReachMs);
    }

    private bool HasLevel(long sizeMs) => Array.Exists(_levels, level => level.SizeMs == sizeMs);

    /// <summary>The level of a row.</summary>
    private static int LevelOf(long tile, ReadOnlySpan<long> bounds)
    {
        var level = 0;
        while (level < bounds.Length - 1 && tile < bounds[level])
            level++;
        return level;
    }
}
