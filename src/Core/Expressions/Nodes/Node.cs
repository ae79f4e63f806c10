using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

/// <summary>A checked part of an expression, ready to run. Immutable, and safe for any number of threads.</summary>
internal abstract class Node
{
    protected Node(params ReadOnlySpan<Node> children)
    {
        foreach (var child in children)
        {
            ReadsRow |= child.ReadsRow;
            NeedsScope |= child.NeedsScope;
            LowestSlot = Math.Min(LowestSlot, child.LowestSlot);
            HighestSlot = Math.Max(HighestSlot, child.HighestSlot);
            Size += child.Size;
        }
    }

    /// <summary>Whether the value depends on the row.</summary>
    public bool ReadsRow { get; protected init; }

    /// <summary>Whether <c>Try</c> must be given a scope: where there are slots, or work to be bounded.</summary>
    public bool NeedsScope { get; protected init; }

    /// <summary>Lowest slot that is read but not set within the node. Slots are numbered by depth, so a comprehension closes all from its own upward.</summary>
    public int LowestSlot { get; protected init; } = int.MaxValue;

    /// <summary>Highest slot that the node or any part of it sets or reads; −1 where there is none.</summary>
    public int HighestSlot { get; protected init; } = -1;

    /// <summary>Nodes in this tree: the cost of evaluating it once.</summary>
    public int Size { get; protected init; } = 1;

    /// <summary>Whether the value is the same for each row, and not yet computed.</summary>
    public bool CanFold => this is not IConstant && !ReadsRow && LowestSlot == int.MaxValue;

    /// <summary>The node's value as a constant; only where <see cref="CanFold"/>.</summary>
    public abstract Node Fold(Scope scope);
}

/// <summary>
/// A part of an expression of one representation: <see cref="long"/> for int and (as nanoseconds) duration, <see cref="ulong"/>,
/// <see cref="double"/>, <see cref="bool"/>, <see cref="Instant"/>, a span of bytes for string and bytes, <see cref="Value"/> for all else.
/// </summary>
internal abstract class Node<T> : Node
    where T : allows ref struct
{
    protected Node(params ReadOnlySpan<Node> children)
        : base(children)
    {
    }

    /// <summary>Evaluates.</summary>
    /// <param name="row">Fields.</param>
    /// <param name="scope">Slots and steps; null only where <see cref="Node.NeedsScope"/> of the whole expression is false.</param>
    /// <param name="value">The value; meaningless where there is none.</param>
    /// <returns>False where there is no value: an operand is null, or an error.</returns>
    public abstract bool Try(in FieldRow row, Scope? scope, out T value);

    public override Node Fold(Scope scope)
    {
        var row = default(FieldRow);
        return Try(row, scope, out var value) ? Constant.Of(value) : new Nothing<T>();
    }
}

/// <summary>A node that is a constant.</summary>
internal interface IConstant;
