using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

/// <summary>A function of one operand; false for an error.</summary>
internal delegate bool Function<T, TResult>(T operand, out TResult result)
    where T : allows ref struct
    where TResult : allows ref struct;

/// <summary>A function of two operands; false for an error.</summary>
internal delegate bool Function<T1, T2, TResult>(T1 first, T2 second, out TResult result)
    where T1 : allows ref struct
    where T2 : allows ref struct
    where TResult : allows ref struct;

/// <summary>A function of three operands; false for an error.</summary>
internal delegate bool Function<T1, T2, T3, TResult>(T1 first, T2 second, T3 third, out TResult result)
    where T1 : allows ref struct
    where T2 : allows ref struct
    where T3 : allows ref struct
    where TResult : allows ref struct;

/// <summary>A function of four operands; false for an error.</summary>
internal delegate bool Function<T1, T2, T3, T4, TResult>(T1 first, T2 second, T3 third, T4 fourth, out TResult result)
    where T1 : allows ref struct
    where T2 : allows ref struct
    where T3 : allows ref struct
    where T4 : allows ref struct
    where TResult : allows ref struct;

/// <summary>A call. Functions that make texts or lists are charged for, so they need the scope.</summary>
internal abstract class FunctionNode<TResult> : Node<TResult>
    where TResult : allows ref struct
{
    protected FunctionNode(params ReadOnlySpan<Node> operands)
        : base(operands) =>
        NeedsScope |= typeof(TResult) == typeof(ReadOnlySpan<byte>) || typeof(TResult) == typeof(Value);

    /// <summary>Charges for a result.</summary>
    protected static bool Pay(bool has, Scope? scope, ref TResult result) => has && (scope is null || scope.Charge(Cost.OfResult(ref result)));
}

internal sealed class FunctionNode<T, TResult>(Node<T> operand, Function<T, TResult> function) : FunctionNode<TResult>(operand)
    where T : allows ref struct
    where TResult : allows ref struct
{
    public override bool Try(in FieldRow row, Scope? scope, out TResult value)
    {
        value = default!;
        return operand.Try(row, scope, out var a)
            && (scope is null || scope.Charge(Cost.Of(ref a)))
            && Pay(function(a, out value), scope, ref value);
    }
}

internal sealed class FunctionNode<T1, T2, TResult>(Node<T1> first, Node<T2> second, Function<T1, T2, TResult> function)
    : FunctionNode<TResult>(first, second)
    where T1 : allows ref struct
    where T2 : allows ref struct
    where TResult : allows ref struct
{
    public override bool Try(in FieldRow row, Scope? scope, out TResult value)
    {
        value = default!;
        return first.Try(row, scope, out var a) && second.Try(row, scope, out var b)
            && (scope is null || scope.Charge(Cost.Of(ref a, ref b)))
            && Pay(function(a, b, out value), scope, ref value);
    }
}

internal sealed class FunctionNode<T1, T2, T3, TResult>(Node<T1> first, Node<T2> second, Node<T3> third, Function<T1, T2, T3, TResult> function)
    : FunctionNode<TResult>(first, second, third)
    where T1 : allows ref struct
    where T2 : allows ref struct
    where T3 : allows ref struct
    where TResult : allows ref struct
{
    public override bool Try(in FieldRow row, Scope? scope, out TResult value)
    {
        value = default!;
        return first.Try(row, scope, out var a) && second.Try(row, scope, out var b) && third.Try(row, scope, out var c)
            && (scope is null || scope.Charge(Cost.Of(ref a, ref b)))
            && Pay(function(a, b, c, out value), scope, ref value);
    }
}

internal sealed class FunctionNode<T1, T2, T3, T4, TResult>(
    Node<T1> first, Node<T2> second, Node<T3> third, Node<T4> fourth, Function<T1, T2, T3, T4, TResult> function)
    : FunctionNode<TResult>(first, second, third, fourth)
    where T1 : allows ref struct
    where T2 : allows ref struct
    where T3 : allows ref struct
    where T4 : allows ref struct
    where TResult : allows ref struct
{
    public override bool Try(in FieldRow row, Scope? scope, out TResult value)
    {
        value = default!;
        return first.Try(row, scope, out var a) && second.Try(row, scope, out var b) && third.Try(row, scope, out var c)
            && fourth.Try(row, scope, out var d)
            && (scope is null || scope.Charge(Cost.Of(ref a, ref b)))
            && Pay(function(a, b, c, d, out value), scope, ref value);
    }
}
