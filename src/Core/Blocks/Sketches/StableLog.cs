namespace FeatureStore.Core.Blocks.Sketches;

/// <summary>
/// The natural logarithm from additions, multiplications and one division, which IEEE 754 fixes to the bit: every machine finds the same bucket of a value.
/// That of the runtime is the platform's and differs in the last bits.
/// </summary>
internal static class StableLog
{
    private const double Ln2 = 0.693147180559945309417;
    private const double Two54 = 1L << 54;
    private const ulong MantissaMask = (1UL << 52) - 1;
    private const ulong BitsOfOne = 1023UL << 52;

    /// <param name="value">Positive.</param>
    public static double Of(double value)
    {
        var exponent = -1023;
        if (value < 2.2250738585072014e-308)
        {
            value *= Two54;
            exponent -= 54;
        }

        var bits = BitConverter.DoubleToUInt64Bits(value);
        exponent += (int)(bits >> 52);
        var mantissa = BitConverter.UInt64BitsToDouble(bits & MantissaMask | BitsOfOne);
        if (mantissa > 1.4142135623730951)
        {
            mantissa /= 2;
            exponent++;
        }

        // ln m = 2·artanh((m − 1)/(m + 1)); its series, odd and even terms apart so that the processor computes both at a time.
        var s = (mantissa - 1) / (mantissa + 1);
        var s2 = s * s;
        var s4 = s2 * s2;
        var even = 1 + s4 * (1.0 / 5 + s4 * (1.0 / 9 + s4 * (1.0 / 13 + s4 * (1.0 / 17 + s4 * (1.0 / 21)))));
        var odd = 1.0 / 3 + s4 * (1.0 / 7 + s4 * (1.0 / 11 + s4 * (1.0 / 15 + s4 * (1.0 / 19))));
        return exponent * Ln2 + 2 * s * (even + s2 * odd);
    }
}
