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
}
