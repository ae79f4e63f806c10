using Text = System.ReadOnlySpan<byte>;

namespace FeatureStore.Core.Expressions;

/// <summary>Arithmetic and order. Arithmetic never mixes types; comparison takes any two numbers.</summary>
internal static class OperatorTable
{
    public static IEnumerable<Overload> All =>
    [
        Arithmetic<Add, long>("+", CelType.Int),
        Arithmetic<Add, ulong>("+", CelType.Uint),
        Arithmetic<Add, double>("+", CelType.Double),
        Binary<Text, Text, Text>("+", CelType.String, CelType.String, CelType.String, TextFunctions.Concat),
        Binary<Text, Text, Text>("+", CelType.Bytes, CelType.Bytes, CelType.Bytes, TextFunctions.Concat),
        Binary<Value, Value, Value>("+", CelType.AnyList, CelType.AnyList, CelType.AnyList, ConcatLists),
        Operation<Shift, Instant, long, Instant>("+", CelType.Timestamp, CelType.Duration, CelType.Timestamp),
        Operation<Shift, long, Instant, Instant>("+", CelType.Duration, CelType.Timestamp, CelType.Timestamp),
        Arithmetic<Add, long>("+", CelType.Duration),

        Arithmetic<Subtract, long>("-", CelType.Int),
        Arithmetic<Subtract, ulong>("-", CelType.Uint),
        Arithmetic<Subtract, double>("-", CelType.Double),
        Operation<Subtract, Instant, Instant, long>("-", CelType.Timestamp, CelType.Timestamp, CelType.Duration),
        Operation<Subtract, Instant, long, Instant>("-", CelType.Timestamp, CelType.Duration, CelType.Timestamp),
        Arithmetic<Subtract, long>("-", CelType.Duration),

        Arithmetic<Multiply, long>("*", CelType.Int),
        Arithmetic<Multiply, ulong>("*", CelType.Uint),
        Arithmetic<Multiply, double>("*", CelType.Double),
        Arithmetic<Divide, long>("/", CelType.Int),
        Arithmetic<Divide, ulong>("/", CelType.Uint),
        Arithmetic<Divide, double>("/", CelType.Double),
        Arithmetic<Remainder, long>("%", CelType.Int),
        Arithmetic<Remainder, ulong>("%", CelType.Uint),

        Unary<long>(Operators.Negate, CelType.Int, Negate),
        Unary<double>(Operators.Negate, CelType.Double, MathFunctions.Of(static value => -value)),
        new(Operators.Not, CallStyle.Operator, [CelType.Bool], CelType.Bool, operands => new NotNode(operands.Get<bool>(0))),

        .. Order("<", Test.Less),
        .. Order("<=", Test.Less | Test.Equal),
        .. Order(">", Test.Greater),
        .. Order(">=", Test.Greater | Test.Equal),
        .. Numbers("==", Test.Equal),
        .. Numbers("!=", Test.NotEqual),
    ];

    private static IEnumerable<Overload> Order(string name, Test test) =>
    [
        .. Numbers(name, test),
        Comparison<InOrder, bool, bool>(name, CelType.Bool, CelType.Bool, test),
        Comparison<InOrder, Text, Text>(name, CelType.String, CelType.String, test),
        Comparison<InOrder, Text, Text>(name, CelType.Bytes, CelType.Bytes, test),
        Comparison<InOrder, Instant, Instant>(name, CelType.Timestamp, CelType.Timestamp, test),
        Comparison<InOrder, long, long>(name, CelType.Duration, CelType.Duration, test),
    ];

    private static IEnumerable<Overload> Numbers(string name, Test test) =>
    [
        Comparison<InOrder, long, long>(name, CelType.Int, CelType.Int, test),
        Comparison<InOrder, ulong, ulong>(name, CelType.Uint, CelType.Uint, test),
        Comparison<InOrder, double, double>(name, CelType.Double, CelType.Double, test),
        Comparison<InOrder, long, ulong>(name, CelType.Int, CelType.Uint, test),
        Comparison<InOrder, long, double>(name, CelType.Int, CelType.Double, test),
        Comparison<InOrder, ulong, long>(name, CelType.Uint, CelType.Int, test),
        Comparison<InOrder, ulong, double>(name, CelType.Uint, CelType.Double, test),
        Comparison<InOrder, double, long>(name, CelType.Double, CelType.Int, test),
        Comparison<InOrder, double, ulong>(name, CelType.Double, CelType.Uint, test),
    ];

    private static Overload Arithmetic<TOperation, T>(string name, CelType type)
        where TOperation : IOperation<T, T, T> =>
        Operation<TOperation, T, T, T>(name, type, type, type);

    private static Overload Operation<TOperation, TLeft, TRight, TResult>(string name, CelType left, CelType right, CelType result)
        where TOperation : IOperation<TLeft, TRight, TResult> =>
        new(name, CallStyle.Operator, [left, right], result,
            operands => new OperationNode<TOperation, TLeft, TRight, TResult>(operands.Get<TLeft>(0), operands.Get<TRight>(1)));

    private static Overload Comparison<TOrder, TLeft, TRight>(string name, CelType left, CelType right, Test test)
        where TOrder : IOrder<TLeft, TRight>
        where TLeft : allows ref struct
        where TRight : allows ref struct =>
        new(name, CallStyle.Operator, [left, right], CelType.Bool,
            operands => new ComparisonNode<TOrder, TLeft, TRight>(operands.Get<TLeft>(0), operands.Get<TRight>(1), test));

    private static Overload Binary<TLeft, TRight, TResult>(
        string name, CelType left, CelType right, CelType result, Function<TLeft, TRight, TResult> function)
        where TLeft : allows ref struct
        where TRight : allows ref struct
        where TResult : allows ref struct =>
        new(name, CallStyle.Operator, [left, right], result,
            operands => new FunctionNode<TLeft, TRight, TResult>(operands.Get<TLeft>(0), operands.Get<TRight>(1), function));

    private static Overload Unary<T>(string name, CelType type, Function<T, T> function) =>
        new(name, CallStyle.Operator, [type], type, operands => new FunctionNode<T, T>(operands.Get<T>(0), function));

    private static bool Negate(long value, out long result)
    {
        result = unchecked(-value);
        return value != long.MinValue;
    }

    private static bool ConcatLists(Value left, Value right, out Value result)
    {
        result = Value.OfList([.. left.List, .. right.List]);
        return true;
    }
}
