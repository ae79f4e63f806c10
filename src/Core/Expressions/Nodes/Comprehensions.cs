using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

/// <summary>A comprehension: a body evaluated for each item of a list, or each key of a map, with the item in a slot.</summary>
internal abstract class ComprehensionNode<T> : Node<T>
{
    private readonly Node<Value> _range;
    private readonly int _slot;
    private readonly int _stepsPerItem;

    /// <param name="range">The list or map; it reads only slots below <paramref name="slot"/>.</param>
    /// <param name="slot">Slot of the variable.</param>
    /// <param name="bodies">What is evaluated for each item.</param>
    protected ComprehensionNode(Node<Value> range, int slot, params ReadOnlySpan<Node> bodies)
        : base([range, .. bodies])
    {
        _range = range;
        _slot = slot;
        LowestSlot = range.LowestSlot;
        HighestSlot = Math.Max(HighestSlot, slot);
        foreach (var body in bodies)
        {
            _stepsPerItem += body.Size;
            if (body.LowestSlot < slot)
                LowestSlot = Math.Min(LowestSlot, body.LowestSlot);
        }
        NeedsScope = true;
    }

    protected bool TryRange(in FieldRow row, Scope scope, out ReadOnlySpan<Value> items)
    {
        items = default;
        return _range.Try(row, scope, out var range) && range.TryItems(out items);
    }

    /// <returns>False where the steps ran out.</returns>
    protected bool Bind(Scope scope, in Value item)
    {
        scope[_slot] = item;
        return scope.Charge(_stepsPerItem);
    }
}

/// <summary>all and exists: the deciding value (false, true) of one item decides, even beside items whose predicate has no value.</summary>
internal sealed class QuantifierNode(Node<Value> range, int slot, Node<bool> predicate, bool deciding) : ComprehensionNode<bool>(range, slot, predicate)
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        value = !deciding;
        if (!TryRange(row, scope!, out var items))
            return false;
        var complete = true;
        foreach (var item in items)
        {
            if (!Bind(scope!, item))
                return false;
            if (!predicate.Try(row, scope, out var holds))
                complete = false;
            else if (holds == deciding)
            {
                value = deciding;
                return true;
            }
        }
        return complete;
    }
}

internal sealed class ExistsOneNode(Node<Value> range, int slot, Node<bool> predicate) : ComprehensionNode<bool>(range, slot, predicate)
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        value = false;
        if (!TryRange(row, scope!, out var items))
            return false;
        var count = 0;
        foreach (var item in items)
        {
            if (!Bind(scope!, item) || !predicate.Try(row, scope, out var holds))
                return false;
            count += holds ? 1 : 0;
        }
        value = count == 1;
        return true;
    }
}

/// <summary>filter(x, predicate), map(x, transform) and map(x, predicate, transform).</summary>
internal sealed class MappingNode(Node<Value> range, int slot, Node<bool> predicate, Node<Value> transform)
    : ComprehensionNode<Value>(range, slot, predicate, transform)
{
    public override bool Try(in FieldRow row, Scope? scope, out Value value)
    {
        value = default;
        if (!TryRange(row, scope!, out var items))
            return false;
        var results = new Value[items.Length];
        var count = 0;
        foreach (var item in items)
        {
            if (!Bind(scope!, item) || !predicate.Try(row, scope, out var holds))
                return false;
            if (!holds)
                continue;
            if (!transform.Try(row, scope, out results[count]))
                return false;
            count++;
        }
        value = Value.OfList(count == results.Length ? results : results[..count]);
        return true;
    }
}

/// <summary>
/// A call whose operands' types are known only when it runs: puts the operands into slots, then takes the overload that fits them.
/// </summary>
internal sealed class DynamicCallNode : Node<Value>
{
    private readonly Node<Value>[] _operands;
    private readonly int _firstSlot;
    private readonly Candidate[] _candidates;

    /// <param name="operands">They use only slots below <paramref name="firstSlot"/>.</param>
    /// <param name="firstSlot">First of the slots, one an operand.</param>
    /// <param name="candidates">Overloads, in order of preference.</param>
    public DynamicCallNode(Node<Value>[] operands, int firstSlot, Candidate[] candidates)
        : base([.. operands, .. candidates.Select(candidate => candidate.Call)])
    {
        _operands = operands;
        _firstSlot = firstSlot;
        _candidates = candidates;
        NeedsScope = true;
        LowestSlot = int.MaxValue;
        foreach (var operand in operands)
            LowestSlot = Math.Min(LowestSlot, operand.LowestSlot);
    }

    /// <param name="Kinds">Types of the operands; Dynamic: any.</param>
    /// <param name="Call">The overload over the slots.</param>
    public sealed record Candidate(ExpressionType[] Kinds, Node<Value> Call);

    public override bool Try(in FieldRow row, Scope? scope, out Value value)
    {
        value = default;
        for (var i = 0; i < _operands.Length; i++)
        {
            if (!_operands[i].Try(row, scope, out scope![_firstSlot + i]))
                return false;
        }
        foreach (var candidate in _candidates)
        {
            if (Fits(candidate.Kinds, scope!))
                return candidate.Call.Try(row, scope, out value);
        }
        return false;
    }

    private bool Fits(ExpressionType[] kinds, Scope scope)
    {
        for (var i = 0; i < kinds.Length; i++)
        {
            if (kinds[i] != ExpressionType.Dynamic && kinds[i] != scope[_firstSlot + i].Kind)
                return false;
        }
        return true;
    }
}
