namespace FeatureStore.Core.Expressions;

/// <summary>Order and equality of values, exact across int, uint and double. A comparison gives −1, 0, 1, or <see cref="Unordered"/>.</summary>
internal static class Ordering
{
    /// <summary>Result of a comparison with NaN, or of values that have no order.</summary>
    public const int Unordered = 2;

    private const double TwoTo63 = 9223372036854775808.0;
    private const double TwoTo64 = 18446744073709551616.0;

    public static int Compare(double left, double right) => left < right ? -1 : left > right ? 1 : left == right ? 0 : Unordered;

    public static int Compare(long left, ulong right) => left < 0 ? -1 : ((ulong)left).CompareTo(right);

    public static int Compare(long left, double right)
    {
        if (double.IsNaN(right))
            return Unordered;
        if (right >= TwoTo63)
            return -1;
        if (right < -TwoTo63)
            return 1;
        var whole = (long)right;
        return left != whole ? left.CompareTo(whole) : Compare(0.0, right - whole);
    }

    public static int Compare(ulong left, double right)
    {
        if (double.IsNaN(right))
            return Unordered;
        if (right >= TwoTo64)
            return -1;
        if (right < 0)
            return 1;
        var whole = (ulong)right;
        return left != whole ? left.CompareTo(whole) : Compare(0.0, right - whole);
    }

    /// <summary>Turns the result of a comparison round.</summary>
    public static int Reverse(int comparison) => comparison == Unordered ? Unordered : -comparison;

    /// <summary>Compares two numbers of any types.</summary>
    public static int CompareNumbers(in Value left, in Value right) => (left.Kind, right.Kind) switch
    {
        (ExpressionType.Int, ExpressionType.Int) => left.Int64.CompareTo(right.Int64),
        (ExpressionType.Int, ExpressionType.Uint) => Compare(left.Int64, right.Uint64),
        (ExpressionType.Int, ExpressionType.Double) => Compare(left.Int64, right.Double),
        (ExpressionType.Uint, ExpressionType.Int) => Reverse(Compare(right.Int64, left.Uint64)),
        (ExpressionType.Uint, ExpressionType.Uint) => left.Uint64.CompareTo(right.Uint64),
        (ExpressionType.Uint, ExpressionType.Double) => Compare(left.Uint64, right.Double),
        (ExpressionType.Double, ExpressionType.Int) => Reverse(Compare(right.Int64, left.Double)),
        (ExpressionType.Double, ExpressionType.Uint) => Reverse(Compare(right.Uint64, left.Double)),
        (ExpressionType.Double, ExpressionType.Double) => Compare(left.Double, right.Double),
        _ => Unordered,
    };

    /// <summary>Equality of two scalars; false for lists and maps.</summary>
    public static bool ScalarEquals(in Value left, in Value right)
    {
        if (left.Kind != right.Kind)
            return left.IsNumber && right.IsNumber && CompareNumbers(left, right) == 0;
        return left.Kind switch
        {
            ExpressionType.Double => left.Double == right.Double,
            ExpressionType.String or ExpressionType.Bytes => left.Text.AsSpan().SequenceEqual(right.Text),
            ExpressionType.Timestamp => left.Instant == right.Instant,
            ExpressionType.List or ExpressionType.Map => false,
            _ => left.Int64 == right.Int64,
        };
    }

    /// <summary>Equality of any two values; each comparison of elements is a step, since shared lists can be compared exponentially often.</summary>
    /// <returns>False where the steps ran out.</returns>
    public static bool TryEqual(in Value left, in Value right, Scope? scope, out bool equal)
    {
        equal = false;
        if (scope is not null && !scope.Charge(1))
            return false;
        if (left.Kind != right.Kind)
        {
            equal = ScalarEquals(left, right);
            return true;
        }
        switch (left.Kind)
        {
            case ExpressionType.List:
                return TryListsEqual(left.List, right.List, scope, out equal);
            case ExpressionType.Map:
                return TryMapsEqual(left.Map, right.Map, scope, out equal);
            case ExpressionType.String or ExpressionType.Bytes when scope is not null && !scope.Charge(left.Text.Length >> 6):
                return false;
            default:
                equal = ScalarEquals(left, right);
                return true;
        }
    }

    private static bool TryListsEqual(Value[] left, Value[] right, Scope? scope, out bool equal)
    {
        equal = left.Length == right.Length;
        for (var i = 0; equal && i < left.Length; i++)
        {
            if (!TryEqual(left[i], right[i], scope, out equal))
                return false;
        }
        return true;
    }

    private static bool TryMapsEqual(ValueTable left, ValueTable right, Scope? scope, out bool equal)
    {
        equal = left.Keys.Length == right.Keys.Length;
        for (var i = 0; equal && i < left.Keys.Length; i++)
        {
            var other = right.Find(left.Keys[i]);
            equal = other >= 0;
            if (equal && !TryEqual(left.Values[i], right.Values[other], scope, out equal))
                return false;
        }
        return true;
    }
}
