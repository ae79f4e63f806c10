using System.Runtime.CompilerServices;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>
/// Number, mean and central sums Σ(v − mean)² to ⁴ of numbers, by the update formulas of T. Chan, G. Golub, R. LeVeque (1979) and P. Pébay (2008).
/// The mean has twice the precision, because its error is one of every distance from it. Equal numbers give sums of exactly 0.
/// </summary>
internal struct Moments<T>
    where T : struct, IReal<T>
{
    public double Count;
    public DoubleReal Mean;
    public T Second;
    public T Third;
    public T Fourth;

    public void Add(double number)
    {
        var before = T.Of(Count++);
        var count = T.Of(Count);
        var delta = T.Of(DoubleReal.Of(number) - Mean);
        var step = delta / count;
        var square = delta * step * before;
        Mean += step.Exact;
        Fourth += square * step * step * T.Of(Count * Count - 3 * Count + 3) + T.Of(6) * step * step * Second - T.Of(4) * step * Third;
        Third += square * step * T.Of(Count - 2) - T.Of(3) * step * Second;
        Second += square;
    }

    /// <summary>Takes a number back; others are there besides.</summary>
    public void Remove(double number)
    {
        var count = T.Of(Count);
        var after = T.Of(Count - 1);
        Mean = (Mean * count.Exact - DoubleReal.Of(number)) / after.Exact;
        var delta = T.Of(DoubleReal.Of(number) - Mean);
        var step = delta / count;
        var square = delta * step * after;
        Second -= square;
        Third -= square * step * T.Of(Count - 2) - T.Of(3) * step * Second;
        Fourth -= square * step * step * T.Of(Count * Count - 3 * Count + 3) + T.Of(6) * step * step * Second - T.Of(4) * step * Third;
        Count--;
    }

    /// <summary>Merges the moments of rows, all at once about their common mean: none waits for the one before.</summary>
    /// <param name="states">Begins with the oldest row's; one in each <paramref name="stride"/> bytes.</param>
    /// <param name="stride">Bytes of a row.</param>
    /// <param name="count">Rows.</param>
    public void MergeRows(ReadOnlySpan<byte> states, int stride, int count)
    {
        while (Count == 0 && count > 0)
            this = Memory.At<Moments<T>>(states, --count * stride);
        // Distances from a mean that is there already are exactly 0 where all means are equal.
        var (total, sum) = (Count, T.Of(0));
        for (var row = 0; row < count; row++)
        {
            ref readonly var other = ref Memory.At<Moments<T>>(states, row * stride);
            total += other.Count;
            sum += T.Of(other.Count) * T.Of(other.Mean - Mean);
        }

        if (total == Count)
            return;
        var step = sum / T.Of(total);
        var merged = new Moments<T> { Count = total, Mean = Mean + step.Exact };
        merged.AddAbout(this, T.Of(0) - step);
        for (var row = 0; row < count; row++)
        {
            ref readonly var other = ref Memory.At<Moments<T>>(states, row * stride);
            merged.AddAbout(other, T.Of(other.Mean - Mean) - step);
        }

        this = merged;
    }

    /// <summary>Adds the central sums of others, whose mean is at a distance from that of all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void AddAbout(in Moments<T> other, T distance)
    {
        var square = T.Of(other.Count) * distance * distance;
        Second += other.Second + square;
        Third += other.Third + distance * (T.Of(3) * other.Second + square);
        Fourth += other.Fourth + distance * (T.Of(4) * other.Third + distance * (T.Of(6) * other.Second + square));
    }
}
