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
        // What a step loses is found without asking which of both is greater (D. Knuth, 1969): that could not be predicted.
        var total = Sum + value;
        var added = total - Sum;
        Error += Sum - (total - added) + (value - added);
        Sum = total;
    }

    public void Merge(in CompensatedSum other)
    {
        Add(other.Sum);
        Error += other.Error;
    }
}
