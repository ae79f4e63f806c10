namespace FeatureStore.Core.Blocks;

/// <summary>A sum of doubles with the rounding error of each step carried along (A. Neumaier, 1974).</summary>
internal struct CompensatedSum
{
    public double Sum;
    public double Error;

    public readonly double Total => double.IsFinite(Sum) ? Sum + Error : Sum;

    public readonly bool IsZero => Sum == 0 && Error == 0;

    public void Add(double value)
    {
        var total = Sum + value;
        Error += Math.Abs(Sum) >= Math.Abs(value) ? Sum - total + value : value - total + Sum;
        Sum = total;
    }

    public void Merge(in CompensatedSum other)
    {
        Add(other.Sum);
        Error += other.Error;
    }
}
