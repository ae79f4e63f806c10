namespace FeatureStore.Core.Expressions;

/// <summary>Functions under math. Those of doubles follow IEEE 754: the logarithm of 0 is −infinity, the root of −1 is NaN.</summary>
internal static class MathFunctions
{
    public static bool Abs(long value, out long result)
    {
        result = value < 0 ? unchecked(-value) : value;
        return result >= 0;
    }

    public static bool Identity(ulong value, out ulong result)
    {
        result = value;
        return true;
    }

    public static bool Sign(long value, out long result)
    {
        result = Math.Sign(value);
        return true;
    }

    public static bool Sign(ulong value, out ulong result)
    {
        result = value == 0 ? 0u : 1;
        return true;
    }

    public static Function<double, double> Of(Func<double, double> function) => (double value, out double result) =>
    {
        result = function(value);
        return true;
    };

    public static Function<double, bool> Of(Func<double, bool> function) => (double value, out bool result) =>
    {
        result = function(value);
        return true;
    };

    public static double Sign(double value) => double.IsNaN(value) ? value : Math.Sign(value);

    /// <summary>Halves away from zero.</summary>
    public static double Round(double value) => Math.Round(value, MidpointRounding.AwayFromZero);

    public static bool Pow(double value, double exponent, out double result)
    {
        result = Math.Pow(value, exponent);
        return true;
    }

    public static bool BitNot(long value, out long result)
    {
        result = ~value;
        return true;
    }

    public static bool BitNot(ulong value, out ulong result)
    {
        result = ~value;
        return true;
    }

    /// <summary>By 64 bits or more gives 0; by less than 0 is an error. Shifts to the right bring zeros in, whatever the sign.</summary>
    public static bool ShiftLeft(ulong value, long bits, out ulong result)
    {
        result = bits is >= 0 and < 64 ? value << (int)bits : 0;
        return bits >= 0;
    }

    public static bool ShiftLeft(long value, long bits, out long result)
    {
        var has = ShiftLeft((ulong)value, bits, out var shifted);
        result = (long)shifted;
        return has;
    }

    public static bool ShiftRight(ulong value, long bits, out ulong result)
    {
        result = bits is >= 0 and < 64 ? value >> (int)bits : 0;
        return bits >= 0;
    }

    public static bool ShiftRight(long value, long bits, out long result)
    {
        var has = ShiftRight((ulong)value, bits, out var shifted);
        result = (long)shifted;
        return has;
    }
}
