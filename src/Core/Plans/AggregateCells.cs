using FeatureStore.Core.Blocks;
using FeatureStore.Core.Blocks.Cells;
using FeatureStore.Core.Blocks.Sketches;
using FeatureStore.Core.Definitions;

namespace FeatureStore.Core.Plans;

/// <summary>
/// Which cells an aggregate is finished from: one, or a sum and a count. In rows that features share the two are of the same events even where features come and go: a sum always has its
/// count beside it, and a decayed mean has its own two.
/// </summary>
internal static class AggregateCells
{
    /// <summary>Cells of more bytes have a container of their own.</summary>
    public const int SmallBytesMax = sizeof(long) + EventInput.TextBytes;

    private const int KeysDefault = 50;

    /// <param name="feature">What is asked for.</param>
    /// <param name="value">Its input; none: events.</param>
    /// <param name="key">What it is kept by; none: one value.</param>
    /// <param name="use">What the cells are for.</param>
    public static CellInput[] Of(FeatureDefinition feature, InputSlot value, InputSlot key, CellUse use)
    {
        if (key.IsNone)
            return [.. Plain(feature, use, value.Width).Select(cell => new CellInput(cell, value))];
        // A map passes its value on alone, and only where it is not null.
        var slot = new InputSlot(0, value.Width);
        var inner = new CellRow([.. Plain(feature, use with { IsWide = true }, value.Width).Select(cell => new CellInput(cell, slot))]);
        return [new CellInput(new MapCell(feature.Limit ?? KeysDefault, key.Width, inner), value, key)];
    }

    private static Cell[] Plain(FeatureDefinition feature, CellUse use, int width)
    {
        var isInteger = width == EventInput.IntegerBytes;
        return feature.Aggregate switch
        {
            Aggregate.Count or Aggregate.Rate => [new CountCell(use.IsWide)],
            Aggregate.Sum when isInteger => [new IntegerSumCell()],
            Aggregate.Sum when !use.IsShared => [Sum(use)],
            Aggregate.Sum or Aggregate.Mean => [Sum(use), new CountCell(use.IsWide, use.IsShared)],
            Aggregate.Min => [Extreme(greatest: false)],
            Aggregate.Max => [Extreme(greatest: true)],
            Aggregate.Variance or Aggregate.Stddev or Aggregate.Skew or Aggregate.Kurtosis => [use.IsRemovable ? new RemovableMomentsCell() : new PlainMomentsCell()],
            Aggregate.First => [new EdgeCell(newest: false, width)],
            Aggregate.Last => [new EdgeCell(newest: true, width)],
            Aggregate.FirstN => [new ListCell(newest: false, feature.N!.Value, width)],
            Aggregate.LastN => [new ListCell(newest: true, feature.N!.Value, width)],
            Aggregate.CountDistinct => [new DistinctCell(Math.Min(feature.Limit ?? DistinctCounts.LimitDefault, DistinctCounts.LimitMax), width, use.IsRemovable)],
            Aggregate.ApproxCountDistinct => [new ApproxDistinctCell()],
            Aggregate.Quantile => [use.HasAllEvents ? new RankCell(feature.Q!.Value) : new QuantileCell()],
            Aggregate.TopK => [new TopKCell(feature.K!.Value, width)],
            Aggregate.Histogram => [new HistogramCell([.. feature.Bounds!])],
            Aggregate.DecayedSum => [new DecayedCell(feature.HalfLife!.Value, ofValues: true)],
            Aggregate.DecayedCount => [new DecayedCell(feature.HalfLife!.Value, ofValues: false)],
            Aggregate.DecayedMean =>
                [new DecayedCell(feature.HalfLife!.Value, ofValues: true, use.IsShared), new DecayedCell(feature.HalfLife!.Value, ofValues: false, use.IsShared)],
            Aggregate.TimeSinceLast or Aggregate.TimeBetween => [new SpanCell(ofSessions: false)],
            Aggregate.SessionCount or Aggregate.SessionDuration or Aggregate.SessionStart => [new SpanCell(ofSessions: true)],
            _ => throw new ArgumentOutOfRangeException(nameof(feature), feature.Aggregate, "Aggregate without cells."),
        };

        Cell Extreme(bool greatest) => isInteger ? new ExtremeCell<Int128>(greatest) : new ExtremeCell<double>(greatest);
    }

    private static Cell Sum(CellUse use) => use.IsExact ? new ExactSumCell() : new SumCell();
}

/// <summary>What cells are for.</summary>
/// <param name="IsWide">Numbers of events may need 64 bits.</param>
/// <param name="IsRemovable">Events can be taken back.</param>
/// <param name="IsExact">Sums are exact.</param>
/// <param name="HasAllEvents">They are folded from single events when read, and never kept.</param>
internal readonly record struct CellUse(bool IsWide, bool IsRemovable, bool IsExact, bool HasAllEvents = false)
{
    /// <summary>Whether cells of several features lie in one row: of tiles, periods and sessions, where numbers of events need no 64 bits.</summary>
    public bool IsShared => !IsWide;
}
