using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

/// <summary>
/// &amp;&amp; and ||: the deciding value (false, true) decides wherever it stands, even beside an operand that has none;
/// else an operand without a value leaves the result without one.
/// </summary>
internal sealed class LogicalNode(Node<bool>[] operands, bool deciding) : Node<bool>(operands)
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        var complete = true;
        foreach (var operand in operands)
        {
            if (!operand.Try(row, scope, out value))
                complete = false;
            else if (value == deciding)
                return true;
        }
        value = !deciding;
        return complete;
    }
}

internal sealed class NotNode(Node<bool> operand) : Node<bool>(operand)
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        var has = operand.Try(row, scope, out value);
        value = !value;
        return has;
    }
}

internal sealed class ConditionalNode<T>(Node<bool> condition, Node<T> whenTrue, Node<T> whenFalse) : Node<T>(condition, whenTrue, whenFalse)
    where T : allows ref struct
{
    public override bool Try(in FieldRow row, Scope? scope, out T value)
    {
        if (condition.Try(row, scope, out var holds))
            return (holds ? whenTrue : whenFalse).Try(row, scope, out value);
        value = default!;
        return false;
    }
}

/// <summary>Comparison with the literal null: whether the operand has a value. Always has a value itself.</summary>
internal sealed class IsNullNode<T>(Node<T> operand, bool negated) : Node<bool>(operand)
    where T : allows ref struct
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        value = operand.Try(row, scope, out _) == negated;
        return true;
    }
}
