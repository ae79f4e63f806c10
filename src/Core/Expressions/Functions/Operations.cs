using Text = System.ReadOnlySpan<byte>;

namespace FeatureStore.Core.Expressions;

internal readonly struct Add : IOperation<long, long, long>, IOperation<ulong, ulong, ulong>, IOperation<double, double, double>
{
    public static bool Try(long left, long right, out long result)
    {
        result = unchecked(left + right);
        return ((left ^ result) & (right ^ result)) >= 0;
    }

    public static bool Try(ulong left, ulong right, out ulong result)
    {
        result = unchecked(left + right);
        return result >= left;
    }

    public static bool Try(double left, double right, out double result)
    {
        result = left + right;
        return true;
    }
}

internal readonly struct Subtract
    : IOperation<long, long, long>, IOperation<ulong, ulong, ulong>, IOperation<double, double, double>,
      IOperation<Instant, Instant, long>, IOperation<Instant, long, Instant>
{
    public static bool Try(long left, long right, out long result)
    {
        result = unchecked(left - right);
        return ((left ^ right) & (left ^ result)) >= 0;
    }

    public static bool Try(ulong left, ulong right, out ulong result)
    {
        result = unchecked(left - right);
        return left >= right;
    }

    public static bool Try(double left, double right, out double result)
    {
        result = left - right;
        return true;
    }

    public static bool Try(Instant left, Instant right, out long result) => left.TrySubtract(right, out result);

    public static bool Try(Instant left, long right, out Instant result)
    {
        result = default;
        return right != long.MinValue && left.TryAdd(-right, out result);
    }
}

/// <summary>A timestamp and a duration.</summary>
internal readonly struct Shift : IOperation<Instant, long, Instant>, IOperation<long, Instant, Instant>
{
    public static bool Try(Instant left, long right, out Instant result) => left.TryAdd(right, out result);

    public static bool Try(long left, Instant right, out Instant result) => right.TryAdd(left, out result);
}

internal readonly struct Multiply : IOperation<long, long, long>, IOperation<ulong, ulong, ulong>, IOperation<double, double, double>
{
    public static bool Try(long left, long right, out long result)
    {
        var high = Math.BigMul(left, right, out result);
        return high == result >> 63;
    }

    public static bool Try(ulong left, ulong right, out ulong result) => Math.BigMul(left, right, out result) == 0;

    public static bool Try(double left, double right, out double result)
    {
        result = left * right;
        return true;
    }
}

internal readonly struct Divide : IOperation<long, long, long>, IOperation<ulong, ulong, ulong>, IOperation<double, double, double>
{
    public static bool Try(long left, long right, out long result)
    {
        var isDefined = right != 0 && (right != -1 || left != long.MinValue);
        result = isDefined ? left / right : 0;
        return isDefined;
    }

    public static bool Try(ulong left, ulong right, out ulong result)
    {
        result = right == 0 ? 0 : left / right;
        return right != 0;
    }

    public static bool Try(double left, double right, out double result)
    {
        result = left / right;
        return true;
    }
}

internal readonly struct Remainder : IOperation<long, long, long>, IOperation<ulong, ulong, ulong>
{
    public static bool Try(long left, long right, out long result)
    {
        var isDefined = right != 0 && (right != -1 || left != long.MinValue);
        result = isDefined ? left % right : 0;
        return isDefined;
    }

    public static bool Try(ulong left, ulong right, out ulong result)
    {
        result = right == 0 ? 0 : left % right;
        return right != 0;
    }
}

/// <summary>The order of each type that has one, and of numbers of two types. Text is ordered by its bytes, which is the order of code points.</summary>
internal readonly struct InOrder
    : IOrder<long, long>, IOrder<ulong, ulong>, IOrder<double, double>, IOrder<bool, bool>, IOrder<Text, Text>, IOrder<Instant, Instant>,
      IOrder<long, ulong>, IOrder<long, double>, IOrder<ulong, long>, IOrder<ulong, double>, IOrder<double, long>, IOrder<double, ulong>
{
    public static int Compare(long left, long right) => left.CompareTo(right);

    public static int Compare(ulong left, ulong right) => left.CompareTo(right);

    public static int Compare(double left, double right) => Ordering.Compare(left, right);

    public static int Compare(bool left, bool right) => left.CompareTo(right);

    public static int Compare(Text left, Text right) => Math.Sign(left.SequenceCompareTo(right));

    public static int Compare(Instant left, Instant right) => left.CompareTo(right);

    public static int Compare(long left, ulong right) => Ordering.Compare(left, right);

    public static int Compare(long left, double right) => Ordering.Compare(left, right);

    public static int Compare(ulong left, long right) => Ordering.Reverse(Ordering.Compare(right, left));

    public static int Compare(ulong left, double right) => Ordering.Compare(left, right);

    public static int Compare(double left, long right) => Ordering.Reverse(Ordering.Compare(right, left));

    public static int Compare(double left, ulong right) => Ordering.Reverse(Ordering.Compare(right, left));
}

/// <summary>Equality, where it is quicker than order.</summary>
internal readonly struct Same : IOrder<Text, Text>, IOrder<Instant, Instant>, IOrder<bool, bool>, IOrder<long, long>
{
    public static int Compare(Text left, Text right) => left.SequenceEqual(right) ? 0 : Ordering.Unordered;

    public static int Compare(Instant left, Instant right) => left == right ? 0 : Ordering.Unordered;

    public static int Compare(bool left, bool right) => left == right ? 0 : Ordering.Unordered;

    public static int Compare(long left, long right) => left == right ? 0 : Ordering.Unordered;
}
