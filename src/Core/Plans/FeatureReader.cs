using FeatureStore.Core.Blocks;
using FeatureStore.Core.Blocks.Cells;
using FeatureStore.Core.Blocks.Containers;
using FeatureStore.Core.Definitions;

namespace FeatureStore.Core.Plans;

/// <summary>Finishes one feature from its entity's block.</summary>
internal sealed class FeatureReader
{
    private readonly FeatureDefinition _definition;
    private readonly FeatureState _state;
    private readonly double _windowSeconds;
    private readonly double _default;
    private readonly bool _dependsOnTime;
    private readonly byte[] _nothing;

    /// <param name="definition">What is asked for.</param>
    /// <param name="kind">What its value is.</param>
    /// <param name="state">Where its cells are.</param>
    public FeatureReader(FeatureDefinition definition, FeatureKind kind, FeatureState state)
    {
        (_definition, Kind, _state) = (definition, kind, state);
        _default = definition.Default ?? double.NaN;
        _windowSeconds = definition.Window switch
        {
            WindowDefinition.Sliding sliding => sliding.Length.TotalSeconds,
            WindowDefinition.Tumbling tumbling => tumbling.Length.TotalSeconds,
            _ => double.NaN,
        };
        _dependsOnTime = DependsOnTime(definition.Aggregate);
        _nothing = new byte[state.Cells.Size];
        state.Cells.Clear(_nothing);
        AreIntegers = state.First >= 0 && state.Cells.Cells[state.First].Value.Width == EventInput.IntegerBytes && AggregateRules.IsIntegerOfIntegers(definition.Aggregate);
        Empty = kind is FeatureKind.Number or FeatureKind.Integer ? OrDefault(Number(_nothing, 0)) : double.NaN;
    }

    /// <summary>Whether a value changes while no event comes or goes.</summary>
    public static bool DependsOnTime(Aggregate aggregate) => aggregate is Aggregate.DecayedSum or Aggregate.DecayedCount or Aggregate.TimeSinceLast;

    public FeatureKind Kind { get; }

    /// <summary>Whether its value, or each of a map's, is an integer.</summary>
    public bool AreIntegers { get; }

    public Container Container => _state.Container;

    public int Window => _state.Window;

    public FeatureState State => _state;

    /// <summary>Where an exact sliding window has a count or a sum that runs along: index of its column; −1: events are counted. Null: there is none.</summary>
    public int? RunningColumn { get; init; }

    /// <summary>The value of an entity never seen.</summary>
    public double Empty { get; }

    /// <summary>The value, from its row, of a feature that is a number; NaN for null.</summary>
    public double Read(in BlockReading reading, ReadOnlySpan<byte> row) => OrDefault(Number(row, _dependsOnTime ? Container.AsOfMs(reading, row) : 0));

    /// <summary>Whether it is finished from the same row as another.</summary>
    public bool SharesRow(FeatureReader? other) =>
        other is not null && _state.Cells == other._state.Cells && _state.Container == other._state.Container && _state.Window == other._state.Window;

    /// <summary>The value of a count or a sum that runs along.</summary>
    public double ReadRunning(in BlockReading reading, int column, in Sliding.Extent extent)
    {
        if (column < 0)
            return _definition.Aggregate == Aggregate.Rate ? extent.Count / _windowSeconds : extent.Count;
        var (count, sum) = ((Sliding)Container).Sum(reading, Window, column, extent);
        return OrDefault(_definition.Aggregate switch
        {
            Aggregate.Count => count,
            Aggregate.Rate => count / _windowSeconds,
            Aggregate.Sum => sum,
            _ => sum / count,
        });
    }

    /// <summary>The value of a feature that is an integer.</summary>
    /// <returns>False where it is null, or the default.</returns>
    public bool TryInteger(in BlockReading reading, out Int128 value)
    {
        value = RunningColumn is { } column && !reading.Block.IsEmpty && Container is Sliding sliding
            ? sliding.SumOfIntegers(reading, Window, column, sliding.ExtentAt(reading, Window))
            : Integer(FirstPart(Row(reading)));
        return !EventInput.IsNull(value);
    }

    /// <summary>The row of cells of an entity's block; of one never seen, that of nothing.</summary>
    public ReadOnlySpan<byte> Row(in BlockReading reading) => reading.Block.IsEmpty ? _nothing : Container.Row(reading, _state);

    public ReadOnlySpan<byte> FirstPart(ReadOnlySpan<byte> row) => _state.Cells.Part(row, _state.First);

    public Cell FirstCell => _state.Cells.Cells[_state.First].Cell;

    /// <summary>The number of a feature that is one.</summary>
    public double OrDefault(double value) => double.IsFinite(value) ? value : _default;

    public double Number(ReadOnlySpan<byte> row, long asOfMs) => Number(_state.Cells, row, _state.First, _state.Second, asOfMs);

    /// <summary>The number of one key of a map.</summary>
    public double NumberOfKey(MapCell map, ReadOnlySpan<byte> row) => Number(map.Cells, row, 0, 1, 0);

    /// <summary>The integer that a state holds, which may be null.</summary>
    public Int128 Integer(ReadOnlySpan<byte> state) => EventInput.Integer(_definition.Aggregate is Aggregate.First or Aggregate.Last ? EdgeCell.Value(state) : state);

    /// <summary>What is no number is null: finite inputs can overflow a double.</summary>
    private double Number(CellRow cells, ReadOnlySpan<byte> row, int first, int second, long asOfMs)
    {
        var cell = cells.Cells[first].Cell;
        var state = cells.Part(row, first);
        if (AreIntegers)
            return Integer(state) is var integer && EventInput.IsNull(integer) ? double.NaN : (double)integer;
        switch (_definition.Aggregate)
        {
            case Aggregate.Count:
                return CountCell.Value(state);
            case Aggregate.Rate:
                return CountCell.Value(state) / _windowSeconds;
            case Aggregate.Sum:
                return Sum(cell, state);
            case Aggregate.Mean:
                return Sum(cell, state) / CountCell.Value(cells.Part(row, second));
            case Aggregate.Min or Aggregate.Max:
                return Memory.At<double>(state);
            case Aggregate.Variance:
                return ((MomentsCell)cell).Variance(state, _definition.Sample);
            case Aggregate.Stddev:
                return Math.Sqrt(((MomentsCell)cell).Variance(state, _definition.Sample));
            case Aggregate.Skew:
                return ((MomentsCell)cell).Skew(state, _definition.Sample);
            case Aggregate.Kurtosis:
                return ((MomentsCell)cell).Kurtosis(state, _definition.Sample);
            case Aggregate.First or Aggregate.Last:
                return Memory.At<double>(EdgeCell.Value(state));
            case Aggregate.CountDistinct:
                return Blocks.Sketches.DistinctCounts.Count(state);
            case Aggregate.ApproxCountDistinct:
                // An estimate of nothing may be −0.
                return ((ApproxDistinctCell)cell).Sketch.Estimate(state) + 0.0;
            case Aggregate.Quantile:
                return cell is QuantileCell sketch ? sketch.Sketch.Quantile(state, _definition.Q!.Value) : Memory.At<double>(state);
            case Aggregate.DecayedSum or Aggregate.DecayedCount:
                return ((DecayedCell)cell).Value(state, asOfMs);
            case Aggregate.DecayedMean:
                return DecayedCell.Ratio(state, cells.Part(row, second));
            default:
                return OfSpan(SpanCell.Value(state), asOfMs);
        }
    }

    private static double Sum(Cell cell, ReadOnlySpan<byte> state) => cell is SumCell ? Memory.At<CompensatedSum>(state).Total : ExactSumCell.Value(state);

    private double OfSpan(in SpanCell.Span span, long asOfMs) => _definition.Aggregate switch
    {
        Aggregate.SessionCount => span.Sessions,
        _ when span.Count == 0 => double.NaN,
        Aggregate.SessionDuration => span.DurationMs / 1000.0,
        Aggregate.SessionStart => span.FirstMs,
        // A period that was migrated may not know that time stands still at its newest event.
        Aggregate.TimeSinceLast => Math.Max(0, asOfMs - span.LastMs) / 1000.0,
        _ when span.Count == 1 => double.NaN,
        _ => (double)(span.LastMs - span.FirstMs) / (span.Count - 1) / 1000,
    };
}
