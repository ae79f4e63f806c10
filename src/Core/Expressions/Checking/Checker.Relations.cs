namespace FeatureStore.Core.Expressions;

/// <summary>Equality, membership, indexes and members: they take values of many types.</summary>
internal sealed partial class Checker
{
    private Typed Equality(CallSyntax call, bool negated)
    {
        var left = Check(call.Arguments[0]);
        var right = Check(call.Arguments[1]);
        if (left.IsNull || right.IsNull)
            return Finish(IsNull(left.IsNull ? right.Node : left.Node, negated), CelType.Bool);
        if (!left.Type.Comparable(right.Type))
        {
            throw new ExpressionException(call.Position, $"\"{call.Function}\" compares {left.Type} with {right.Type}, which are never equal."
                + ConversionHint(call.Arguments[0], left.Type, call.Arguments[1], right.Type));
        }
        var test = negated ? Test.NotEqual : Test.Equal;
        if (left.Type.IsNumber && right.Type.IsNumber)
            return Invoke(call, [left, right]);
        return Finish((left.Node, right.Node) switch
        {
            (Node<bool> a, Node<bool> b) => new ComparisonNode<Same, bool, bool>(a, b, test),
            (Node<long> a, Node<long> b) => new ComparisonNode<Same, long, long>(a, b, test),
            (Node<Instant> a, Node<Instant> b) => new ComparisonNode<Same, Instant, Instant>(a, b, test),
            (Node<ReadOnlySpan<byte>> a, Node<ReadOnlySpan<byte>> b) => new ComparisonNode<Same, ReadOnlySpan<byte>, ReadOnlySpan<byte>>(a, b, test),
            _ => new ValueEqualityNode(left.ToValue(), right.ToValue(), negated),
        }, CelType.Bool);
    }

    private static Node IsNull(Node operand, bool negated) => operand switch
    {
        Node<long> node => new IsNullNode<long>(node, negated),
        Node<ulong> node => new IsNullNode<ulong>(node, negated),
        Node<double> node => new IsNullNode<double>(node, negated),
        Node<bool> node => new IsNullNode<bool>(node, negated),
        Node<Instant> node => new IsNullNode<Instant>(node, negated),
        Node<ReadOnlySpan<byte>> node => new IsNullNode<ReadOnlySpan<byte>>(node, negated),
        _ => new IsNullNode<Value>((Node<Value>)operand, negated),
    };

    private Typed In(CallSyntax call)
    {
        var item = Check(call.Arguments[0]);
        var container = Check(call.Arguments[1]);
        var among = container.Type.Kind switch
        {
            ExpressionType.List => container.Type.Element!,
            ExpressionType.Map => container.Type.Key!,
            ExpressionType.Dynamic => CelType.Dynamic,
            ExpressionType.String => throw new ExpressionException(call.Position,
                $"\"in\" wants a list or a map, found string. Write {Quoted(call.Arguments[1])}.contains({Quoted(call.Arguments[0])})."),
            _ => throw new ExpressionException(call.Position, $"\"in\" wants a list or a map, found {container.Type}."),
        };
        if (!among.Comparable(item.Type))
            throw new ExpressionException(call.Position, $"\"in\" looks for {item.Type} in a {container.Type}, where it never is.");
        return Finish(ConstantTable(container) is not { } table ? new InNode(item.ToValue(), container.ToValue())
            : item.Node is Node<ReadOnlySpan<byte>> text ? new TextInTableNode(text, item.Type.Kind, table)
            : new InTableNode(item.ToValue(), table), CelType.Bool);
    }

    /// <summary>Keys of a constant map, or items of a constant list that holds scalars only.</summary>
    private static ValueTable? ConstantTable(Typed container) =>
        container.Node is not Constant<Value> { Value: var value } ? null
        : value.Kind == ExpressionType.Map ? value.Map
        : value.Kind == ExpressionType.List && value.List.All(item => ValueTable.CanHold(item)) ? new ValueTable(value.List, [])
        : null;

    private Typed Index(CallSyntax call)
    {
        var target = Check(call.Arguments[0]);
        var index = Check(call.Arguments[1]);
        if (target.Type.Kind == ExpressionType.List && !CelType.Int.Accepts(index.Type))
            throw new ExpressionException(call.Arguments[1].Start, $"A list's index is int, found {index.Type}.");
        if (target.Type.Kind == ExpressionType.Map && !target.Type.Key!.Comparable(index.Type))
            throw new ExpressionException(call.Arguments[1].Start, $"The map's keys are {target.Type.Key}, found {index.Type}.");
        return Element(target, index, call.Position);
    }

    private Typed Element(Typed target, Typed key, int position)
    {
        var type = target.Type.Kind switch
        {
            ExpressionType.List or ExpressionType.Map => target.Type.Element!,
            ExpressionType.Dynamic => CelType.Dynamic,
            ExpressionType.String => throw new ExpressionException(position, "\"[]\" wants a list or a map, found string. Write x.charAt(index)."),
            _ => throw new ExpressionException(position, $"\"[]\" wants a list or a map, found {target.Type}."),
        };
        Node<Value> element = key.Node is Node<ReadOnlySpan<byte>> text && key.Type == CelType.String
            && target.Node is Constant<Value> { Value: { Kind: ExpressionType.Map } constant }
                ? new TextIndexNode(constant.Map, text)
                : new IndexNode(target.ToValue(), key.ToValue());
        return Finish(Representations.FromValue(element, type), type);
    }

    private Typed Select(SelectSyntax select)
    {
        if (QualifiedName(select) is { } name && TryGlobal(name, out var typed))
            return typed;
        var target = Check(select.Target);
        if (target.Type.Kind is not (ExpressionType.Map or ExpressionType.Dynamic))
        {
            var hint = FunctionTable.Find(select.Member).Any(overload => overload.Style == CallStyle.Member)
                ? $" It is a function: write {select.Member}()."
                : "";
            throw new ExpressionException(select.Position, $"{target.Type} has no member \"{select.Member}\".{hint}");
        }
        var key = new Typed(new TextConstant(System.Text.Encoding.UTF8.GetBytes(select.Member)), CelType.String);
        return target.Type.Kind == ExpressionType.Map && !target.Type.Key!.Comparable(CelType.String)
            ? throw new ExpressionException(select.Position, $"The map's keys are {target.Type.Key}. Write [key].")
            : Element(target, key, select.Position);
    }

    /// <summary>a.b.c where a is neither a variable nor a field; else null.</summary>
    private string? QualifiedName(Syntax syntax) => syntax switch
    {
        NameSyntax name when name.IsRooted || schema.IndexOf(name.Name) < 0 && !_variables.Exists(variable => variable.Name == name.Name) => name.Name,
        SelectSyntax select when QualifiedName(select.Target) is { } prefix => $"{prefix}.{select.Member}",
        _ => null,
    };

    /// <summary>has(field), has(feature), has(map.key).</summary>
    private Typed Has(CallSyntax call)
    {
        if (call.Arguments.Count != 1)
            throw new ExpressionException(call.Position, $"\"has\" takes 1 argument, not {call.Arguments.Count}.");
        var argument = call.Arguments[0];
        var name = (argument as NameSyntax)?.Name ?? QualifiedName(argument);
        if (name is not null && schema.IndexOf(name) is var field && field >= 0
            && (argument is not NameSyntax { IsRooted: false } || !_variables.Exists(variable => variable.Name == name)))
        {
            return new Typed(new HasField(field), CelType.Bool);
        }
        if (argument is NameSyntax feature && vector.ContainsKey(feature.Name) && (feature.IsRooted || !_variables.Exists(variable => variable.Name == feature.Name)))
            return Finish(IsNull(Check(feature).Node, negated: true), CelType.Bool);
        if (argument is NameSyntax unknown && !_variables.Exists(variable => variable.Name == unknown.Name))
            throw UnknownName(unknown);
        if (argument is not SelectSyntax select)
            throw new ExpressionException(argument.Start, "\"has\" takes a field or a member of a map: has(x), has(m.key). For any other value write x != null.");
        var target = Check(select.Target);
        if (!CelType.AnyMap.Accepts(target.Type))
            throw new ExpressionException(select.Position, $"{target.Type} has no member \"{select.Member}\".");
        var key = Value.OfString(System.Text.Encoding.UTF8.GetBytes(select.Member));
        return Finish(new HasKeyNode(target.ToValue(), key), CelType.Bool);
    }
}
