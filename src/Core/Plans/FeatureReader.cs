using FeatureStore.Core.Blocks;
using FeatureStore.Core.Definitions;

namespace FeatureStore.Core.Plans;

/// <summary>Finishes one feature from its entity's block.</summary>
/// <param name="Aggregate">What is asked for.</param>
/// <param name="Default">In place of null; NaN: null stays.</param>
/// <param name="Ring">Where a windowed feature's events are; null: a lifetime feature.</param>
/// <param name="Window">Index of the window in the ring.</param>
/// <param name="Column">Index of the input in the ring; −1: events are counted.</param>
/// <param name="Accumulator">Where a lifetime feature's state is.</param>
internal readonly record struct FeatureReader(Aggregate Aggregate, double Default, Ring? Ring, int Window, int Column, Accumulator? Accumulator)
{
    /// <summary>The value of an entity never seen.</summary>
    public double Empty => Aggregate is Aggregate.Count or Aggregate.Sum ? 0 : Default;

    /// <param name="block">The entity's block.</param>
    /// <param name="fixedOffset">Where its fixed section begins.</param>
    /// <param name="extent">The rows of the feature's window as of the time of the read; of no meaning for a lifetime feature.</param>
    public double Read(ReadOnlySpan<byte> block, int fixedOffset, in Ring.Extent extent)
    {
        var value = Ring is null ? OfLifetime(block, fixedOffset) : OfWindow(block, fixedOffset, extent);
        // Finite inputs can overflow a double; what is no number is null.
        return double.IsFinite(value) ? value : Default;
    }

    private double OfLifetime(ReadOnlySpan<byte> block, int fixedOffset) => Aggregate switch
    {
        Aggregate.Count => Accumulator!.Count(block, fixedOffset),
        Aggregate.Sum => Accumulator!.Sum(block, fixedOffset),
        Aggregate.Mean => Accumulator!.Sum(block, fixedOffset) / Accumulator.Count(block, fixedOffset),
        _ => Accumulator!.Value(block, fixedOffset),
    };

    private double OfWindow(ReadOnlySpan<byte> block, int fixedOffset, in Ring.Extent extent)
    {
        if (Column < 0)
            return extent.Count;
        switch (Aggregate)
        {
            case Aggregate.Count:
                return Ring!.Sum(block, fixedOffset, Window, Column, extent).Count;
            case Aggregate.Sum:
                return Ring!.Sum(block, fixedOffset, Window, Column, extent).Sum;
            case Aggregate.Mean:
                var (count, sum) = Ring!.Sum(block, fixedOffset, Window, Column, extent);
                return sum / count;
            default:
                return Scan(Ring!.Inputs(block, fixedOffset, Column, extent));
        }
    }

    private double Scan(ReadOnlySpan<double> inputs)
    {
        if (Aggregate is Aggregate.Last)
        {
            var at = inputs.Length - 1;
            while (at >= 0 && double.IsNaN(inputs[at]))
                at--;
            return at < 0 ? double.NaN : inputs[at];
        }

        var result = double.NaN;
        foreach (var value in inputs)
        {
            if (double.IsNaN(value))
                continue;
            // Math.Min and Math.Max put −0 before 0, so that their order does not show.
            result = double.IsNaN(result) ? value : Aggregate is Aggregate.Min ? Math.Min(result, value) : Math.Max(result, value);
        }

        return result;
    }
}
