namespace FeatureStore.Core.Expressions;

/// <summary>A checked part of an expression.</summary>
/// <param name="Node">Of the representation of <paramref name="Type"/>.</param>
/// <param name="Type">Its static type.</param>
internal readonly record struct Typed(Node Node, CelType Type)
{
    public bool IsNull => Type.Kind == ExpressionType.Null;

    public Node<Value> ToValue() => Representations.ToValue(Node, Type);

    /// <summary>The node in the representation of a type that accepts this one's.</summary>
    public Node As(CelType type) =>
        type.IsDynamic ? ToValue()
        : Type.IsDynamic ? Representations.FromValue((Node<Value>)Node, type)
        : Node;
}
