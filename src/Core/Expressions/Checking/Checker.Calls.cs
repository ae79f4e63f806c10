namespace FeatureStore.Core.Expressions;

/// <summary>Calls: macros, and functions and operators whose overload the operands' types choose.</summary>
internal sealed partial class Checker
{
    private Typed Call(CallSyntax call)
    {
        if (call.Target is not null)
            return MemberCall(call);
        return call.Function switch
        {
            "==" => Equality(call, negated: false),
            "!=" => Equality(call, negated: true),
            Operators.In => In(call),
            Operators.Index => Index(call),
            "has" => Has(call),
            _ => Invoke(call, [.. call.Arguments.Select(Check)]),
        };
    }

    private Typed MemberCall(CallSyntax call)
    {
        if (QualifiedName(call.Target!) is { } prefix && FunctionTable.Names.Any(name => name.StartsWith(prefix + ".", StringComparison.Ordinal)))
        {
            var name = $"{prefix}.{call.Function}";
            var arguments = call.Arguments.Select(Check).ToArray();
            return name is "math.greatest" or "math.least" ? Extreme(call, name, arguments) : Invoke(call with { Function = name, Target = null }, arguments);
        }
        switch (call.Function)
        {
            case "all" or "exists" or "exists_one" or "existsOne" or "filter":
                return Comprehension(call, 2);
            case "map":
                return Comprehension(call, call.Arguments.Count == 3 ? 3 : 2);
            default:
                return Invoke(call, [Check(call.Target!), .. call.Arguments.Select(Check)]);
        }
    }

    /// <summary>list.macro(variable, predicate …): the bodies see the variable.</summary>
    private Typed Comprehension(CallSyntax call, int argumentCount)
    {
        if (call.Arguments.Count != argumentCount)
        {
            var usage = call.Function == "map" ? "map(x, value) or map(x, condition, value)" : $"{call.Function}(x, condition)";
            throw new ExpressionException(call.Position, $"\"{call.Function}\" takes {argumentCount} arguments, not {call.Arguments.Count}: {usage}.");
        }
        var range = Check(call.Target!);
        var itemType = range.Type.Kind switch
        {
            ExpressionType.List => range.Type.Element!,
            ExpressionType.Map => range.Type.Key!,
            ExpressionType.Dynamic => CelType.Dynamic,
            _ => throw new ExpressionException(call.Position, $"\"{call.Function}\" wants a list or a map, found {range.Type}."),
        };
        if (call.Arguments[0] is not NameSyntax { IsRooted: false, Name: var variable })
            throw new ExpressionException(call.Arguments[0].Start, $"The first argument of \"{call.Function}\" is the name of its variable, such as x.");
        var slot = _variables.Count;
        _variables.Add((variable, itemType));
        var comprehension = Comprehension(call, range.ToValue(), itemType, slot);
        _variables.RemoveAt(slot);
        return Finish(comprehension.Node, comprehension.Type);
    }

    private Typed Comprehension(CallSyntax call, Node<Value> range, CelType itemType, int slot)
    {
        var takesAll = call.Function == "map" && call.Arguments.Count == 2;
        var predicate = takesAll ? new Constant<bool>(true) : (Node<bool>)Condition(call.Arguments[1], $"\"{call.Function}\"");
        switch (call.Function)
        {
            case "all" or "exists":
                return new Typed(new QuantifierNode(range, slot, predicate, deciding: call.Function == "exists"), CelType.Bool);
            case "exists_one" or "existsOne":
                return new Typed(new ExistsOneNode(range, slot, predicate), CelType.Bool);
            case "filter":
                return new Typed(new MappingNode(range, slot, predicate, new Slot(slot)), CelType.ListOf(itemType));
            default:
                var transform = Item(call.Arguments[^1], "A list");
                return new Typed(new MappingNode(range, slot, predicate, transform.ToValue()), CelType.ListOf(transform.Type));
        }
    }

    private Typed Extreme(CallSyntax call, string name, Typed[] operands)
    {
        var types = operands is [{ Type: { Kind: ExpressionType.List, Element: var element } }] ? [element!] : operands.Select(operand => operand.Type).ToArray();
        if (types.Length == 0)
            throw new ExpressionException(call.Position, $"\"{name}\" takes 1 argument or more, not 0.");
        if (types.FirstOrDefault(type => !type.IsNumber && !type.IsDynamic) is { } wrong)
            throw new ExpressionException(call.Position, $"\"{name}\" takes numbers or a list of numbers, found {wrong}.");
        var type = types.Aggregate(CelType.Join);
        var node = new ExtremeNode([.. operands.Select(operand => operand.ToValue())], greatest: name == "math.greatest");
        return Finish(Representations.FromValue(node, type), type);
    }

    private static Overload[] Overloads(string name, CallStyle style, Typed[] operands) =>
        [.. FunctionTable.Find(name).Where(overload =>
            overload.Style == style
            && overload.Parameters.Length == operands.Length
            && overload.Parameters.Zip(operands).All(pair => pair.First.Accepts(pair.Second.Type)))];

    private Typed Invoke(CallSyntax call, Typed[] operands)
    {
        var style = call.Target is not null ? CallStyle.Member
            : FunctionTable.Find(call.Function) is [{ Style: CallStyle.Operator }, ..] ? CallStyle.Operator
            : CallStyle.Global;
        var written = call.Target is null ? call.Arguments : [call.Target, .. call.Arguments];
        return Overloads(call.Function, style, operands).Length > 0
            ? Invoke(call.Function, style, operands, [.. written.Select(operand => operand.Start)])
            : throw NoOverload(call, style, written, operands);
    }

    /// <summary>Builds a call that has an overload; where dynamic operands leave several, the choice is made when the expression runs.</summary>
    private Typed Invoke(string name, CallStyle style, Typed[] operands, int[] positions)
    {
        var overloads = Overloads(name, style, operands);
        if (overloads is [var only])
            return Finish(Build(only, operands, positions), ResultOf(only, operands));
        var values = operands.Select(operand => operand.ToValue()).ToArray();
        var firstSlot = Math.Max(_variables.Count, values.Max(value => value.HighestSlot) + 1);
        var slots = operands.Select((_, i) => new Typed(new Slot(firstSlot + i), CelType.Dynamic)).ToArray();
        var candidates = overloads.Select(overload => new DynamicCallNode.Candidate(
            [.. overload.Parameters.Select(parameter => parameter.Kind)],
            Representations.ToValue(Build(overload, slots, positions), overload.Result)));
        var node = new DynamicCallNode(values, firstSlot, [.. candidates]);
        var type = overloads.All(overload => overload.Result == overloads[0].Result) ? overloads[0].Result : CelType.Dynamic;
        return Finish(Representations.FromValue(node, type), type);
    }

    private static Node Build(Overload overload, Typed[] operands, int[] positions)
    {
        var nodes = operands.Zip(overload.Parameters, (operand, parameter) => operand.As(parameter)).ToArray();
        return overload.Build(new CallOperands(nodes, positions));
    }

    private static CelType ResultOf(Overload overload, Typed[] operands) =>
        overload.Result == CelType.AnyList ? CelType.Join(operands[0].Type, operands[1].Type) : overload.Result;

    private ExpressionException NoOverload(CallSyntax call, CallStyle style, IReadOnlyList<Syntax> written, Typed[] operands)
    {
        var name = call.Function;
        var named = FunctionTable.Find(name);
        if (named.Length == 0)
            return new ExpressionException(call.Position, $"Unknown function \"{name}\".{Suggestions.DidYouMean(name, MacroNames.Concat(FunctionTable.Names))}");
        var styled = named.Where(overload => overload.Style == style).ToArray();
        if (styled.Length == 0)
            return new ExpressionException(call.Position, $"\"{name}\" is not called so. Write {named[0]}.");
        var targets = style == CallStyle.Member ? 1 : 0;
        var counts = styled.Select(overload => overload.Parameters.Length - targets).Distinct().Order().ToArray();
        if (!counts.Contains(operands.Length - targets))
        {
            var plural = counts is [1] ? "argument" : "arguments";
            return new ExpressionException(call.Position, $"\"{name}\" takes {string.Join(" or ", counts)} {plural}, not {operands.Length - targets}.");
        }
        var shown = name == Operators.Negate ? "-" : name;
        var found = string.Join(", ", operands.Select(operand => operand.Type));
        var hint = operands.Any(operand => operand.IsNull) ? " With null the result is null. Test for it: has(x), x != null."
            : style == CallStyle.Operator && operands.Length == 2 ? ConversionHint(written[0], operands[0].Type, written[1], operands[1].Type)
            : "";
        if (hint.Length == 0)
            hint = " It takes " + string.Join("; ", styled.Where(overload => overload.Parameters.Length == operands.Length).Select(overload => overload.ToString())) + ".";
        return new ExpressionException(call.Position, $"\"{shown}\" does not take ({found}).{hint}");
    }

    private static readonly string[] MacroNames = ["has", "all", "exists", "exists_one", "filter", "map", "math.greatest", "math.least"];

    /// <summary>How to make two numbers of different types one; empty for other types.</summary>
    private string ConversionHint(Syntax left, CelType leftType, Syntax right, CelType rightType)
    {
        if (!leftType.IsNumber || !rightType.IsNumber)
            return "";
        var target = leftType == CelType.Double || rightType == CelType.Double ? CelType.Double : CelType.Int;
        var (converted, convertedType) = leftType == target ? (right, rightType) : (left, leftType);
        var text = Quoted(converted);
        var written = converted is LiteralSyntax && convertedType == CelType.Int && target == CelType.Double ? text + ".0" : $"{target}({text})";
        return $" Types are never converted by themselves: write {written}.";
    }
}
