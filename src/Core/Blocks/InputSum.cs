using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks;

/// <summary>
/// A sum of inputs from which inputs can be taken back: exact while they fit <see cref="FixedPoint"/>, compensated for the rest. The huge are summed apart from
/// the too fine, and in smaller units, so that a sum overflows only where its true value does.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
internal struct InputSum
{
    /// <summary>2⁶⁴. What is too large for a fixed point loses nothing when it is divided by it.</summary>
    private const double HugeUnit = 18446744073709551616.0;

    private static readonly Int128 _exactMax = Int128.One << 126;

    private Int128 _exact;
    private CompensatedSum _huge;
    private CompensatedSum _fine;

    public readonly double Total => _huge.Total * HugeUnit + (_fine.Total + FixedPoint.ToDouble(_exact));

    /// <summary>Takes in a finite input; its negative takes it back.</summary>
    public void Add(double value)
    {
        if (FixedPoint.TryFrom(value, out var number))
            AddExact(number);
        else if (Math.Abs(value) >= FixedPoint.MagnitudeMax)
            _huge.Add(value / HugeUnit);
        else
            _fine.Add(value);
    }

    public void Merge(in InputSum other)
    {
        AddExact(other._exact);
        _huge.Merge(other._huge);
        _fine.Merge(other._fine);
    }

    private void AddExact(Int128 number)
    {
        _exact += number;
        // Numbers have 107 bits at most, and other sums stay within the bound, so a sum cannot wrap before this bound has been seen and the sum moved over.
        if (_exact < _exactMax && _exact > -_exactMax)
            return;
        _huge.Add(FixedPoint.ToDouble(_exact) / HugeUnit);
        _exact = 0;
    }
}
