using System.Numerics;

namespace FeatureStore.Ingest.Predictions;

/// <summary>
/// The shortest decimal that reads back to the same double, and of those the nearest: R. Giulietti, "The Schubfach way to render doubles" (2021).
/// </summary>
internal static class ShortestDecimal
{
    private const int MantissaBits = 52;
    private const int ExponentBias = 1023 + MantissaBits;
    private const int PowerMin = -292;
    private const int PowerMax = 324;

    /// <summary>10^k for k from <see cref="PowerMin"/> on, scaled by a power of two into [2^127, 2^128) and rounded up: high word, low word.</summary>
    private static readonly ulong[] _powers = MakePowers();

    /// <summary>Finds the decimal.</summary>
    /// <param name="value">Finite, not 0; its sign is ignored.</param>
    /// <param name="exponent">Power of ten of the result's last digit.</param>
    /// <returns>At most 17 digits, the last of them not 0.</returns>
    public static ulong Find(double value, out int exponent)
    {
        var digits = FindDigits(value, out exponent);
        // Most results have no zeros to cut; those that do are short decimals, with many.
        if (digits % 10 != 0)
            return digits;
        for (; digits % 10_000 == 0; digits /= 10_000)
            exponent += 4;
        for (; digits % 10 == 0; digits /= 10)
            exponent++;
        return digits;
    }

    private static ulong FindDigits(double value, out int exponent)
    {
        var bits = BitConverter.DoubleToUInt64Bits(value);
        var fraction = bits & (1UL << MantissaBits) - 1;
        var biased = (int)(bits >> MantissaBits) & 0x7ff;
        var mantissa = biased == 0 ? fraction : fraction | 1UL << MantissaBits;
        var binaryExponent = Math.Max(biased, 1) - ExponentBias;

        // Half way to the neighbours, in quarters of the last bit. The neighbour below a power of two is only half as far away.
        var closeBelow = fraction == 0 && biased > 1;
        var odd = mantissa & 1;
        var scaleExponent = closeBelow ? FloorLog10ThreeQuartersPow2(binaryExponent) : FloorLog10Pow2(binaryExponent);
        var shift = binaryExponent + FloorLog2Pow10(-scaleExponent) + 1;
        var power = (-scaleExponent - PowerMin) * 2;
        var (high, low) = (_powers[power], _powers[power + 1]);
        var quarters = 4 * mantissa;
        // A double with an even mantissa is also what the half-way points read as, so these count as inside.
        var lower = MultiplyToOdd(high, low, quarters - (closeBelow ? 1UL : 2) << shift) + odd;
        var scaled = MultiplyToOdd(high, low, quarters << shift);
        var upper = MultiplyToOdd(high, low, quarters + 2 << shift) - odd;

        var digits = scaled / 4;
        if (digits >= 10)
        {
            var shorter = digits / 10;
            var downFits = lower <= 40 * shorter;
            var upFits = 40 * shorter + 40 <= upper;
            if (downFits != upFits)
            {
                exponent = scaleExponent + 1;
                return shorter + (upFits ? 1UL : 0);
            }
        }

        exponent = scaleExponent;
        var down = lower <= 4 * digits;
        var up = 4 * digits + 4 <= upper;
        if (down != up)
            return digits + (up ? 1UL : 0);
        var middle = 4 * digits + 2;
        return digits + (scaled > middle || (scaled == middle && (digits & 1) != 0) ? 1UL : 0);
    }

    /// <summary>The high 64 bits of a 192-bit product; the lowest one is set where anything below them is.</summary>
    private static ulong MultiplyToOdd(ulong high, ulong low, ulong factor)
    {
        var carried = Math.BigMul(low, factor, out _);
        var top = Math.BigMul(high, factor, out var middle);
        middle += carried;
        if (middle < carried)
            top++;
        return top | (middle > 1 ? 1UL : 0);
    }

    // The three below replace a logarithm by a multiplication; exact for every exponent that a double has.
    private static int FloorLog10Pow2(int exponent) => exponent * 1_262_611 >> 22;

    private static int FloorLog10ThreeQuartersPow2(int exponent) => exponent * 1_262_611 - 524_031 >> 22;

    private static int FloorLog2Pow10(int exponent) => exponent * 1_741_647 >> 19;

    private static ulong[] MakePowers()
    {
        var powers = new ulong[(PowerMax - PowerMin + 1) * 2];
        for (var k = PowerMin; k <= PowerMax; k++)
        {
            var power = BigInteger.Pow(10, Math.Abs(k));
            var length = (int)power.GetBitLength();
            var scaled = k < 0 ? (BigInteger.One << 127 + length) / power + 1
                : length <= 128 ? power << 128 - length
                : (power >> length - 128) + 1;
            powers[(k - PowerMin) * 2] = (ulong)(scaled >> 64);
            powers[(k - PowerMin) * 2 + 1] = (ulong)(scaled & ulong.MaxValue);
        }

        return powers;
    }
}
