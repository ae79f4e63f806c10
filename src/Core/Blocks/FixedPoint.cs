namespace FeatureStore.Core.Blocks;

/// <summary>
/// Doubles as 128-bit integers of 2⁻⁶⁴: adding and subtracting them is exact, so a window's sum is the same whatever came, left, or came late.
/// Holds every double below 2⁴³ in magnitude that is a multiple of 2⁻⁶⁴: among them all of 2⁻¹² and more. A million of them never overflow.
/// </summary>
internal static class FixedPoint
{
    /// <summary>Every double from here on is too large.</summary>
    public const double MagnitudeMax = 1L << MagnitudeBits;

    private const int FractionBits = 64;
    private const int MagnitudeBits = 43;
    private const double Unit = 1.0 / (1UL << 32) / (1UL << 32);

    /// <summary>The value as a multiple of 2⁻⁶⁴.</summary>
    /// <returns>False where the value is too large, too fine, infinite or NaN.</returns>
    public static bool TryFrom(double value, out Int128 number)
    {
        var bits = BitConverter.DoubleToUInt64Bits(value);
        var exponent = (int)(bits >> 52 & 0x7ff);
        var mantissa = bits & 0xf_ffff_ffff_ffff;
        number = 0;
        if (exponent == 0)
            return mantissa == 0;
        mantissa |= 1UL << 52;
        // value = mantissa · 2^(exponent − 1075); as a multiple of 2⁻⁶⁴ the mantissa moves by exponent − 1011.
        var shift = exponent - 1075 + FractionBits;
        if (exponent >= 1023 + MagnitudeBits)
            return false;
        UInt128 magnitude;
        if (shift >= 0)
            magnitude = (UInt128)mantissa << shift;
        else if (shift > -53 && (mantissa & ((1UL << -shift) - 1)) == 0)
            magnitude = mantissa >> -shift;
        else
            return false;
        number = (long)bits < 0 ? -(Int128)magnitude : (Int128)magnitude;
        return true;
    }

    /// <summary>The nearest double.</summary>
    public static double ToDouble(Int128 number) => (double)number * Unit;
}
