namespace FeatureStore.Core.Expressions;

/// <summary>How a function is called.</summary>
internal enum CallStyle
{
    /// <summary>f(x)</summary>
    Global,

    /// <summary>x.f()</summary>
    Member,

    /// <summary>x + y</summary>
    Operator,
}

/// <summary>One signature of a function or an operator.</summary>
/// <param name="Name">Name of the function; a dot in it is a namespace's.</param>
/// <param name="Style">How it is called.</param>
/// <param name="Parameters">Types of the operands, that of a member call's target first.</param>
/// <param name="Result">Type of the result.</param>
/// <param name="Build">Makes the node of a call.</param>
internal sealed record Overload(string Name, CallStyle Style, CelType[] Parameters, CelType Result, Func<CallOperands, Node> Build)
{
    public override string ToString() => Style switch
    {
        CallStyle.Member => $"{Parameters[0]}.{Name}({string.Join(", ", Parameters.Skip(1))})",
        CallStyle.Operator when Parameters.Length == 2 => $"{Parameters[0]} {Name} {Parameters[1]}",
        CallStyle.Operator => $"{Name[0]}{Parameters[0]}",
        _ => $"{Name}({string.Join<CelType>(", ", Parameters)})",
    };
}

/// <summary>Operands of a call: nodes of the representations that the overload's parameters have.</summary>
/// <param name="nodes">One a parameter.</param>
/// <param name="positions">Where each stands in the source.</param>
internal sealed class CallOperands(Node[] nodes, int[] positions)
{
    public Node<T> Get<T>(int index)
        where T : allows ref struct =>
        (Node<T>)nodes[index];

    /// <summary>The operand's text where it is known before the expression runs; else null.</summary>
    public byte[]? ConstantText(int index) => (nodes[index] as TextConstant)?.Bytes;

    /// <summary>The operand of a call that has one.</summary>
    public Node Only => nodes[0];

    public ExpressionException Error(int index, string message) => new(positions[index], message);
}
