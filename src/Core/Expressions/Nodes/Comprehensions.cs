using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

/// <summary>
/// A comprehension: a body evaluated for each entry of a list or a map. With one variable its slot holds a list's item or a map's key; with two,
/// the first holds the index or key, the next slot the item or value.
/// </summary>
internal abstract class ComprehensionNode<T> : Node<T>
{
    private readonly Node<Value> _range;
    private readonly Variables _variables;
    private readonly int _stepsPerItem;

    /// <param name="range">The list or map; it reads only slots below the variables'.</param>
    /// <param name="variables">Slots of the variables.</param>
    /// <param name="bodies">What is evaluated for each item.</param>
    protected ComprehensionNode(Node<Value> range, Variables variables, params ReadOnlySpan<Node> bodies)
        : base([range, .. bodies])
    {
        _range = range;
        _variables = variables;
        LowestSlot = range.LowestSlot;
        HighestSlot = Math.Max(HighestSlot, variables.LastSlot);
        foreach (var body in bodies)
        {
            _stepsPerItem += body.Size;
            if (body.LowestSlot < variables.Slot)
                LowestSlot = Math.Min(LowestSlot, body.LowestSlot);
        }
        NeedsScope = true;
    }

    protected bool TryRange(in FieldRow row, Scope scope, out Entries entries)
    {
        entries = default;
        return _range.Try(row, scope, out var range) && range.TryEntries(out entries);
    }

    /// <returns>False where the steps ran out.</returns>
    protected bool Bind(Scope scope, in Entries entries, int index)
    {
        if (_variables.AreTwo)
        {
            scope[_variables.Slot] = entries.Key(index);
            scope[_variables.LastSlot] = entries.Value(index);
        }
        else
            scope[_variables.Slot] = entries.Item(index);
        return scope.Charge(_stepsPerItem);
    }
}

/// <param name="Slot">Of the first variable.</param>
/// <param name="AreTwo">Whether the next slot is a variable too.</param>
internal readonly record struct Variables(int Slot, bool AreTwo)
{
    public int LastSlot => AreTwo ? Slot + 1 : Slot;
}

/// <summary>all and exists: the deciding value (false, true) of one item decides, even beside items whose predicate has no value.</summary>
internal sealed class QuantifierNode(Node<Value> range, Variables variables, Node<bool> predicate, bool deciding)
    : ComprehensionNode<bool>(range, variables, predicate)
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        value = !deciding;
        if (!TryRange(row, scope!, out var entries))
            return false;
        var complete = true;
        for (var i = 0; i < entries.Count; i++)
        {
            if (!Bind(scope!, entries, i))
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

internal sealed class ExistsOneNode(Node<Value> range, Variables variables, Node<bool> predicate) : ComprehensionNode<bool>(range, variables, predicate)
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        value = false;
        if (!TryRange(row, scope!, out var entries))
            return false;
        var count = 0;
        for (var i = 0; i < entries.Count; i++)
        {
            if (!Bind(scope!, entries, i) || !predicate.Try(row, scope, out var holds))
                return false;
            count += holds ? 1 : 0;
        }
        value = count == 1;
        return true;
    }
}

/// <summary>filter(x, predicate), map(x, transform), transformList(i, x, transform), the last two also with a predicate.</summary>
internal sealed class MappingNode(Node<Value> range, Variables variables, Node<bool> predicate, Node<Value> transform)
    : TransformingNode(range, variables, predicate, transform)
{
    public override bool Try(in FieldRow row, Scope? scope, out Value value)
    {
        value = default;
        if (!TryTransform(row, scope!, out _, out var values, out var count, keepsKeys: false))
            return false;
        value = Value.OfList(count == values.Length ? values : values[..count]);
        return true;
    }
}

/// <summary>transformMap(k, v, transform), also with a predicate: a map of the same keys; a list's keys are its indexes.</summary>
internal sealed class MapMappingNode(Node<Value> range, Variables variables, Node<bool> predicate, Node<Value> transform)
    : TransformingNode(range, variables, predicate, transform)
{
    public override bool Try(in FieldRow row, Scope? scope, out Value value)
    {
        value = default;
        if (!TryTransform(row, scope!, out var keys, out var values, out var count, keepsKeys: true))
            return false;
        value = Value.OfMap(new ValueTable(keys[..count], values[..count]));
        return true;
    }
}

/// <summary>A comprehension that transforms the entries for which a predicate holds.</summary>
internal abstract class TransformingNode(Node<Value> range, Variables variables, Node<bool> predicate, Node<Value> transform)
    : ComprehensionNode<Value>(range, variables, predicate, transform)
{
    protected bool TryTransform(in FieldRow row, Scope scope, out Value[] keys, out Value[] values, out int count, bool keepsKeys)
    {
        (keys, values, count) = ([], [], 0);
        if (!TryRange(row, scope, out var entries))
            return false;
        values = new Value[entries.Count];
        keys = keepsKeys ? new Value[entries.Count] : [];
        for (var i = 0; i < entries.Count; i++)
        {
            if (!Bind(scope, entries, i) || !predicate.Try(row, scope, out var holds))
                return false;
            if (!holds)
                continue;
            if (!transform.Try(row, scope, out values[count]))
                return false;
            if (keepsKeys)
                keys[count] = entries.Key(i);
            count++;
        }
        return true;
    }
}

/// <summary>cel.bind(x, value, body): the body sees the value, computed once. Where the value is nothing, so is the variable, and not yet the body.</summary>
internal sealed class BindNode<T> : Node<T>
    where T : allows ref struct
{
    private readonly Node<Value> _value;
    private readonly int _slot;
    private readonly Node<T> _body;

    public BindNode(Node<Value> value, int slot, Node<T> body)
        : base(value, body)
    {
        _value = value;
        _slot = slot;
        _body = body;
        NeedsScope = true;
        HighestSlot = Math.Max(HighestSlot, slot);
        LowestSlot = body.LowestSlot < slot ? Math.Min(value.LowestSlot, body.LowestSlot) : value.LowestSlot;
    }

    public override bool Try(in FieldRow row, Scope? scope, out T value)
    {
        scope![_slot] = _value.Try(row, scope, out var bound) ? bound : Value.Nothing;
        return _body.Try(row, scope, out value);
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
