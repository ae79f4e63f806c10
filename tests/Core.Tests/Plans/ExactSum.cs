using System.Numerics;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>Sums of doubles without rounding: integers of 2⁻¹⁰⁷⁴, of which every double is a multiple.</summary>
internal static class ExactSum
{
    private const int Scale = 1074;

    public static BigInteger Of(double value)
    {
        var bits = BitConverter.DoubleToInt64Bits(value);
        var exponent = (int)(bits >> 52 & 0x7ff);
        BigInteger mantissa = bits & 0xf_ffff_ffff_ffff;
        if (exponent > 0)
            mantissa = (mantissa | 1L << 52) << (exponent - 1);
        return bits < 0 ? -mantissa : mantissa;
    }

    /// <summary>The nearest double, ties to even; infinite beyond the greatest.</summary>
    public static double ToDouble(BigInteger number)
    {
        var magnitude = BigInteger.Abs(number);
        var shift = Math.Max(0, (int)magnitude.GetBitLength() - 53);
        var mantissa = magnitude >> shift;
        var rest = magnitude - (mantissa << shift);
        var half = shift == 0 ? BigInteger.Zero : BigInteger.One << (shift - 1);
        if (shift > 0 && (rest > half || (rest == half && !mantissa.IsEven)))
            mantissa++;
        var value = Math.ScaleB((double)mantissa, shift - Scale);
        return number.Sign < 0 ? -value : value;
    }

    /// <summary>Whether a double is below 2⁴³ in magnitude and a multiple of 2⁻⁶⁴.</summary>
    public static bool IsFixedPoint(double value) => Math.Abs(value) < 1L << 43 && (Of(value) & ((BigInteger.One << (Scale - 64)) - 1)).IsZero;
}
