using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

/// <summary>A list literal; without a value where an item has none.</summary>
internal sealed class ListNode : Node<Value>
{
    private readonly Node<Value>[] _items;

    public ListNode(Node<Value>[] items)
        : base(items)
    {
        _items = items;
        NeedsScope = true;
    }

    public override bool Try(in FieldRow row, Scope? scope, out Value value)
    {
        value = default;
        var items = new Value[_items.Length];
        if (!scope!.Charge(items.Length) || !ListNode.TryFill(_items, items, row, scope))
            return false;
        value = Value.OfList(items);
        return true;
    }

    public static bool TryFill(Node<Value>[] nodes, Value[] values, in FieldRow row, Scope? scope)
    {
        for (var i = 0; i < nodes.Length; i++)
        {
            if (!nodes[i].Try(row, scope, out values[i]))
                return false;
        }
        return true;
    }
}

/// <summary>A map literal; without a value where a key or value has none, where a key is of a type that cannot be one, or stands twice.</summary>
internal sealed class MapNode : Node<Value>
{
    private readonly Node<Value>[] _keys;
    private readonly Node<Value>[] _values;

    public MapNode(Node<Value>[] keys, Node<Value>[] values)
        : base([.. keys, .. values])
    {
        _keys = keys;
        _values = values;
        NeedsScope = true;
    }

    public static bool CanBeKey(ExpressionType kind) =>
        kind is ExpressionType.Int or ExpressionType.Uint or ExpressionType.Bool or ExpressionType.String;

    public override bool Try(in FieldRow row, Scope? scope, out Value value)
    {
        value = default;
        var keys = new Value[_keys.Length];
        var values = new Value[_values.Length];
        if (!scope!.Charge(2 * keys.Length) || !ListNode.TryFill(_keys, keys, row, scope) || !ListNode.TryFill(_values, values, row, scope))
            return false;
        foreach (var key in keys)
        {
            if (!CanBeKey(key.Kind))
                return false;
        }
        var map = new ValueTable(keys, values);
        for (var i = 0; i < keys.Length; i++)
        {
            if (map.Find(keys[i]) != i)
                return false;
        }
        value = Value.OfMap(map);
        return true;
    }
}

/// <summary>list[index], map[key], map.key.</summary>
internal sealed class IndexNode(Node<Value> target, Node<Value> index) : Node<Value>(target, index)
{
    public override bool Try(in FieldRow row, Scope? scope, out Value value)
    {
        value = default;
        if (!target.Try(row, scope, out var container) || !index.Try(row, scope, out var key))
            return false;
        if (container.Kind == ExpressionType.Map)
        {
            var found = container.Map.Find(key);
            value = found < 0 ? default : container.Map.Values[found];
            return found >= 0;
        }
        if (container.Kind != ExpressionType.List || !TryWhole(key, out var position) || (ulong)position >= (ulong)container.List.Length)
            return false;
        value = container.List[position];
        return true;
    }

    /// <summary>An index may be of any numeric type, but whole.</summary>
    private static bool TryWhole(in Value number, out long whole)
    {
        whole = number.Kind == ExpressionType.Double ? (long)number.Double : number.Int64;
        return number.IsNumber && Ordering.CompareNumbers(number, Value.OfInt(whole)) == 0;
    }
}

/// <summary>map[text] where the map is a constant: finds the text where it lies, without copying it.</summary>
internal sealed class TextIndexNode(ValueTable map, Node<ReadOnlySpan<byte>> key) : Node<Value>(key)
{
    public override bool Try(in FieldRow row, Scope? scope, out Value value)
    {
        var found = key.Try(row, scope, out var text) ? map.FindText(text, ExpressionType.String) : -1;
        value = found < 0 ? default : map.Values[found];
        return found >= 0;
    }
}

/// <summary>has(map.key).</summary>
internal sealed class HasKeyNode(Node<Value> target, Value key) : Node<bool>(target)
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        var has = target.Try(row, scope, out var map) && map.Kind == ExpressionType.Map;
        value = has && map.Map.Find(key) >= 0;
        return has;
    }
}

/// <summary>item in list, key in map.</summary>
internal sealed class InNode(Node<Value> item, Node<Value> container) : Node<bool>(item, container)
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        value = false;
        if (!item.Try(row, scope, out var wanted) || !container.Try(row, scope, out var among))
            return false;
        if (among.Kind == ExpressionType.Map)
        {
            value = among.Map.Find(wanted) >= 0;
            return true;
        }
        if (among.Kind != ExpressionType.List)
            return false;
        foreach (var candidate in among.List)
        {
            if (!Ordering.TryEqual(wanted, candidate, scope, out value))
                return false;
            if (value)
                break;
        }
        return true;
    }
}

/// <summary>item in constant.</summary>
internal sealed class InTableNode(Node<Value> item, ValueTable table) : Node<bool>(item)
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        var has = item.Try(row, scope, out var wanted);
        value = has && table.Find(wanted) >= 0;
        return has;
    }
}

/// <summary>text in constant: finds the text where it lies, without copying it.</summary>
internal sealed class TextInTableNode(Node<ReadOnlySpan<byte>> item, ExpressionType kind, ValueTable table) : Node<bool>(item)
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        var has = item.Try(row, scope, out var wanted);
        value = has && table.FindText(wanted, kind) >= 0;
        return has;
    }
}

/// <summary>math.greatest and math.least: of the operands, or of the items of one list. NaN wins; of equal numbers, the first.</summary>
internal sealed class ExtremeNode(Node<Value>[] operands, bool greatest) : Node<Value>(operands)
{
    public override bool Try(in FieldRow row, Scope? scope, out Value value)
    {
        value = default;
        for (var i = 0; i < operands.Length; i++)
        {
            if (!operands[i].Try(row, scope, out var candidate))
                return false;
            if (operands.Length == 1 && candidate.Kind == ExpressionType.List)
                return TryOfList(candidate.List, scope, out value);
            if (!TryTake(candidate, i == 0, ref value))
                return false;
        }
        return true;
    }

    private bool TryOfList(Value[] items, Scope? scope, out Value value)
    {
        value = default;
        if (items.Length == 0 || scope is not null && !scope.Charge(items.Length))
            return false;
        for (var i = 0; i < items.Length; i++)
        {
            if (!TryTake(items[i], i == 0, ref value))
                return false;
        }
        return true;
    }

    private bool TryTake(in Value candidate, bool first, ref Value best)
    {
        if (!candidate.IsNumber)
            return false;
        if (first
            || candidate.Kind == ExpressionType.Double && double.IsNaN(candidate.Double)
            || Ordering.CompareNumbers(candidate, best) == (greatest ? 1 : -1))
        {
            best = candidate;
        }
        return true;
    }
}
