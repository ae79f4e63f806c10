using System.Runtime.CompilerServices;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>A number to compute moments with.</summary>
internal interface IReal<T>
    where T : struct, IReal<T>
{
    static abstract T Of(double value);

    static abstract T Of(DoubleReal value);

    DoubleReal Exact { get; }

    static abstract T operator +(T left, T right);

    static abstract T operator -(T left, T right);

    static abstract T operator *(T left, T right);

    static abstract T operator /(T left, T right);
}

/// <summary>A double.</summary>
internal readonly record struct Real(double Value) : IReal<Real>
{
    public DoubleReal Exact => new(Value, 0);

    public static Real Of(double value) => new(value);

    public static Real Of(DoubleReal value) => new(value.ToDouble());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Real operator +(Real left, Real right) => new(left.Value + right.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Real operator -(Real left, Real right) => new(left.Value - right.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Real operator *(Real left, Real right) => new(left.Value * right.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Real operator /(Real left, Real right) => new(left.Value / right.Value);
}

/// <summary>The unevaluated sum of two doubles, about 106 bits: what is added and taken back leaves next to nothing (T. J. Dekker, 1971).</summary>
internal readonly record struct DoubleReal(double High, double Low) : IReal<DoubleReal>
{
    public DoubleReal Exact => this;

    public static DoubleReal Of(double value) => new(value, 0);

    public static DoubleReal Of(DoubleReal value) => value;

    public double ToDouble() => High + Low;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DoubleReal operator +(DoubleReal left, DoubleReal right)
    {
        var sum = left.High + right.High;
        var part = sum - left.High;
        var error = left.High - (sum - part) + (right.High - part);
        return Normal(sum, error + left.Low + right.Low);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DoubleReal operator -(DoubleReal left, DoubleReal right) => left + new DoubleReal(-right.High, -right.Low);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DoubleReal operator *(DoubleReal left, DoubleReal right)
    {
        var product = left.High * right.High;
        return Normal(product, Math.FusedMultiplyAdd(left.High, right.High, -product) + (left.High * right.Low + left.Low * right.High));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DoubleReal operator /(DoubleReal left, DoubleReal right)
    {
        var quotient = left.High / right.High;
        var rest = left - right * Of(quotient);
        return Normal(quotient, rest.High / right.High);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static DoubleReal Normal(double high, double low)
    {
        var sum = high + low;
        return new DoubleReal(sum, low - (sum - high));
    }
}
