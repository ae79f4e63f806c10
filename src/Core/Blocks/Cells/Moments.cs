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

    public void Merge(in Moments<T> other)
    {
        if (Count == 0)
            this = other;
        else if (other.Count > 0)
            MergeNonEmpty(other);
    }

    private void MergeNonEmpty(in Moments<T> other)
    {
        var (left, right, count) = (T.Of(Count), T.Of(other.Count), T.Of(Count + other.Count));
        var delta = T.Of(other.Mean - Mean);
        var step = delta / count;
        // Left and right in units of the step, so that few products are left.
        var (leftStep, rightStep) = (left * step, right * step);
        var square = delta * leftStep * right;
        Fourth += other.Fourth + square * (leftStep * leftStep - leftStep * rightStep + rightStep * rightStep)
            + T.Of(6) * (leftStep * leftStep * other.Second + rightStep * rightStep * Second) + T.Of(4) * (leftStep * other.Third - rightStep * Third);
        Third += other.Third + square * (leftStep - rightStep) + T.Of(3) * (leftStep * other.Second - rightStep * Second);
        Second += other.Second + square;
        Mean += rightStep.Exact;
        Count += other.Count;
    }
}
