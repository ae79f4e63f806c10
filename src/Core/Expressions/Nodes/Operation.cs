using System.Runtime.CompilerServices;
using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

/// <summary>An operation on two values that the compiler can inline.</summary>
internal interface IOperation<TLeft, TRight, TResult>
{
    /// <returns>False for an error: overflow, division by zero, out of range.</returns>
    static abstract bool Try(TLeft left, TRight right, out TResult result);
}

internal sealed class OperationNode<TOperation, TLeft, TRight, TResult>(Node<TLeft> left, Node<TRight> right) : Node<TResult>(left, right)
    where TOperation : IOperation<TLeft, TRight, TResult>
{
    public override bool Try(in FieldRow row, Scope? scope, out TResult value)
    {
        if (left.Try(row, scope, out var a) && right.Try(row, scope, out var b))
            return TOperation.Try(a, b, out value);
        value = default!;
        return false;
    }
}

/// <summary>An order that the compiler can inline; see <see cref="Ordering"/> for the result.</summary>
internal interface IOrder<TLeft, TRight>
    where TLeft : allows ref struct
    where TRight : allows ref struct
{
    static abstract int Compare(TLeft left, TRight right);
}

/// <summary>Bit n of a test: whether it holds for the comparison n − 1.</summary>
[Flags]
internal enum Test
{
    Less = 1,
    Equal = 2,
    Greater = 4,
    NotEqual = Less | Greater | 8,
}

internal sealed class ComparisonNode<TOrder, TLeft, TRight>(Node<TLeft> left, Node<TRight> right, Test test) : Node<bool>(left, right)
    where TOrder : IOrder<TLeft, TRight>
    where TLeft : allows ref struct
    where TRight : allows ref struct
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        value = false;
        if (!left.Try(row, scope, out var a) || !right.Try(row, scope, out var b) || scope is not null && !scope.Charge(Cost.Of(ref a, ref b)))
            return false;
        value = ((int)test >> (TOrder.Compare(a, b) + 1) & 1) != 0;
        return true;
    }
}

/// <summary>Equality of values whose types are known only now, or of lists and maps.</summary>
internal sealed class ValueEqualityNode(Node<Value> left, Node<Value> right, bool negated) : Node<bool>(left, right)
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        value = false;
        if (!left.Try(row, scope, out var a) || !right.Try(row, scope, out var b) || !Ordering.TryEqual(a, b, scope, out value))
            return false;
        value ^= negated;
        return true;
    }
}

/// <summary>Steps that a function's operands cost beside the node itself, so that long texts and lists cannot make a comprehension slow.</summary>
internal static class Cost
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Of<T>(ref T value)
        where T : allows ref struct =>
        typeof(T) == typeof(ReadOnlySpan<byte>) ? Unsafe.As<T, ReadOnlySpan<byte>>(ref value).Length >> 6
        : typeof(T) == typeof(Value) && Unsafe.As<T, Value>(ref value) is { Kind: ExpressionType.List } list ? list.List.Length >> 4
        : 0;

    /// <summary>A list that is made costs its memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int OfResult<T>(ref T value)
        where T : allows ref struct =>
        typeof(T) == typeof(Value) && Unsafe.As<T, Value>(ref value) is { Kind: ExpressionType.List } list ? list.List.Length : Of(ref value);

    /// <summary>Two texts may be a search, which takes up to the product of their lengths.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Of<TLeft, TRight>(ref TLeft left, ref TRight right)
        where TLeft : allows ref struct
        where TRight : allows ref struct
    {
        var steps = Of(ref left) + Of(ref right);
        if (typeof(TLeft) == typeof(ReadOnlySpan<byte>) && typeof(TRight) == typeof(ReadOnlySpan<byte>))
        {
            var product = (long)Unsafe.As<TLeft, ReadOnlySpan<byte>>(ref left).Length * Unsafe.As<TRight, ReadOnlySpan<byte>>(ref right).Length;
            steps += (int)(product >> 10);
        }
        return steps;
    }
}
