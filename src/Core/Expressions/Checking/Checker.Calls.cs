namespace FeatureStore.Core.Expressions;

/// <summary>Calls: macros, and functions and operators whose overload the operands' types choose.</summary>
internal sealed partial class Checker
{
    private Typed Call(CallSyntax call)
    {
        if (call.Target is not null)
            return MemberCall(call);
        if (MacroNames.Contains(call.Function) && call.Function != "has")
            throw new ExpressionException(call.Position, $"\"{call.Function}\" is a member of lists and maps. Write x.{call.Function}(…).");
        return call.Function switch
        {
            "==" => Equality(call, negated: false),
            "!=" => Equality(call, negated: true),
            Operators.In => In(call),
            Operators.Index => Index(call),
            "has" => Has(call),
            _ => Invoke(Known(call), [.. call.Arguments.Select(Check)]),
        };
    }

    private Typed MemberCall(CallSyntax call)
    {
        var prefix = QualifiedName(call.Target!);
        if (prefix == "cel" && call.Function == "bind")
            return Bind(call);
        if (prefix == "cel" || prefix is not null && FunctionTable.IsNamespace(prefix))
        {
            call = call with { Function = $"{prefix}.{call.Function}", Target = null };
            return call.Function is "math.greatest" or "math.least" ? Extreme(call) : Invoke(Known(call), [.. call.Arguments.Select(Check)]);
        }
        switch (call.Function)
        {
            case "all" or "exists" or "exists_one" or "existsOne" or "filter" or "map" or "transformList" or "transformMap":
                return Comprehension(call);
            case "format":
                return Format(call);
            default:
                var target = Check(call.Target!);
                return Invoke(Known(call), [target, .. call.Arguments.Select(Check)]);
        }
    }

    /// <summary>The call; an error where there is no such function, before its arguments have errors of their own.</summary>
    private static CallSyntax Known(CallSyntax call) =>
        FunctionTable.Find(call.Function).Length > 0
            ? call
            : throw new ExpressionException(call.Position,
                $"Unknown function \"{call.Function}\".{Suggestions.DidYouMean(call.Function, MacroNames.Concat(FunctionTable.Names))}");

    /// <summary>list.macro(variable, predicate …) or list.macro(key, value, predicate …): the bodies see the variables.</summary>
    private Typed Comprehension(CallSyntax call)
    {
        var (fewest, most, usage) = call.Function switch
        {
            "filter" => (2, 2, "filter(x, condition)"),
            "map" => (2, 3, "map(x, value) or map(x, condition, value)"),
            "transformList" or "transformMap" => (3, 4, $"{call.Function}(k, v, value) or {call.Function}(k, v, condition, value)"),
            _ => (2, 3, $"{call.Function}(x, condition) or {call.Function}(k, v, condition)"),
        };
        var count = call.Arguments.Count;
        if (count < fewest || count > most)
        {
            var counts = fewest == most ? $"{fewest}" : $"{fewest} or {most}";
            throw new ExpressionException(call.Position, $"\"{call.Function}\" takes {counts} arguments, not {count}: {usage}.");
        }
        var variableCount = VariableCount(call);
        var range = Check(call.Target!);
        var (keyType, valueType) = range.Type.Kind switch
        {
            ExpressionType.List => (CelType.Int, range.Type.Element!),
            ExpressionType.Map => (range.Type.Key!, range.Type.Element!),
            ExpressionType.Dynamic => (CelType.Dynamic, CelType.Dynamic),
            _ => throw new ExpressionException(call.Position, $"\"{call.Function}\" wants a list or a map, found {range.Type}."),
        };
        var itemType = range.Type.Kind == ExpressionType.List ? valueType : keyType;
        var variables = new Variables(_variables.Count, variableCount == 2);
        var first = VariableName(call, 0, call.Function);
        if (variables.AreTwo && VariableName(call, 1, call.Function) is var second && second == first)
            throw new ExpressionException(call.Arguments[1].Start, $"Both variables of \"{call.Function}\" are called \"{first}\". Give one another name.");
        _variables.Add((first, variables.AreTwo ? keyType : itemType));
        if (variables.AreTwo)
            _variables.Add((VariableName(call, 1, call.Function), valueType));
        var comprehension = Comprehension(call, range.ToValue(), keyType, itemType, variables);
        _variables.RemoveRange(variables.Slot, variableCount);
        return Finish(comprehension.Node, comprehension.Type);
    }

    /// <summary>How many arguments of a call are names of variables, where it is a comprehension; else 0.</summary>
    public static int VariableCount(CallSyntax call) => call.Target is null ? 0 : (call.Function, call.Arguments.Count) switch
    {
        ("transformList" or "transformMap", 3 or 4) => 2,
        ("all" or "exists" or "exists_one" or "existsOne", 3) => 2,
        ("all" or "exists" or "exists_one" or "existsOne" or "filter" or "map", 2) or ("map", 3) => 1,
        _ => 0,
    };

    private static string VariableName(CallSyntax call, int index, string name) => call.Arguments[index] is NameSyntax { IsRooted: false, Name: var variable }
        ? variable
        : throw new ExpressionException(call.Arguments[index].Start,
            $"The {(index == 0 ? "first" : "second")} argument of \"{name}\" is the name of its variable, such as {(index == 0 ? "x" : "y")}.");

    private Typed Comprehension(CallSyntax call, Node<Value> range, CelType keyType, CelType itemType, Variables variables)
    {
        var bodies = call.Arguments.Skip(variables.AreTwo ? 2 : 1).ToArray();
        var takesAll = call.Function is "map" or "transformList" or "transformMap" && bodies.Length == 1;
        var predicate = takesAll ? new Constant<bool>(true) : (Node<bool>)Condition(bodies[0], $"\"{call.Function}\"");
        switch (call.Function)
        {
            case "all" or "exists":
                return new Typed(new QuantifierNode(range, variables, predicate, deciding: call.Function == "exists"), CelType.Bool);
            case "exists_one" or "existsOne":
                return new Typed(new ExistsOneNode(range, variables, predicate), CelType.Bool);
            case "filter":
                return new Typed(new MappingNode(range, variables, predicate, new Slot(variables.Slot)), CelType.ListOf(itemType));
            case "transformMap":
                var value = Item(bodies[^1], "A map");
                return new Typed(new MapMappingNode(range, variables, predicate, value.ToValue()), CelType.MapOf(keyType, value.Type));
            default:
                var transform = Item(bodies[^1], "A list");
                return new Typed(new MappingNode(range, variables, predicate, transform.ToValue()), CelType.ListOf(transform.Type));
        }
    }

    /// <summary>cel.bind(name, value, body).</summary>
    private Typed Bind(CallSyntax call)
    {
        if (call.Arguments.Count != 3)
            throw new ExpressionException(call.Position, $"\"cel.bind\" takes 3 arguments, not {call.Arguments.Count}: cel.bind(x, value, what is made of x).");
        var name = VariableName(call, 0, "cel.bind");
        var value = Check(call.Arguments[1]);
        var slot = _variables.Count;
        _variables.Add((name, value.Type));
        var body = Check(call.Arguments[2]);
        _variables.RemoveAt(slot);
        return Finish(Bind(value.ToValue(), slot, body.Node), body.Type);
    }

    private static Node Bind(Node<Value> value, int slot, Node body) => body switch
    {
        Node<long> node => new BindNode<long>(value, slot, node),
        Node<ulong> node => new BindNode<ulong>(value, slot, node),
        Node<double> node => new BindNode<double>(value, slot, node),
        Node<bool> node => new BindNode<bool>(value, slot, node),
        Node<Instant> node => new BindNode<Instant>(value, slot, node),
        Node<ReadOnlySpan<byte>> node => new BindNode<ReadOnlySpan<byte>>(value, slot, node),
        _ => new BindNode<Value>(value, slot, (Node<Value>)body),
    };

    /// <summary>text.format(list): where both are literals, the values are held against the clauses.</summary>
    private Typed Format(CallSyntax call)
    {
        var target = Check(call.Target!);
        if (target.Node is not TextConstant constant || call.Arguments is not [ListSyntax list])
            return Invoke(call, [target, .. call.Arguments.Select(Check)]);
        var items = list.Items.Select(item => Item(item, "A list")).ToArray();
        var formatted = Invoke(call, [target, ListOf(items)]);
        var clauses = TextFormat.Parse(constant.Bytes).Clauses.Where(clause => clause.Verb != TextFormat.End).ToArray();
        if (clauses.Length != items.Length)
            throw new ExpressionException(list.Position, $"The format has {clauses.Length} clauses, the list {items.Length} values.");
        for (var i = 0; i < items.Length; i++)
        {
            if (!items[i].Type.IsDynamic && !TextFormat.Takes(clauses[i].Verb, items[i].Type.Kind))
                throw new ExpressionException(list.Items[i].Start, $"\"%{clauses[i].Verb}\" does not take {items[i].Type}. {TextFormat.Usage}");
        }
        return formatted;
    }

    /// <summary>math.greatest, math.least: of any number of numbers, or of a list.</summary>
    private Typed Extreme(CallSyntax call)
    {
        var name = call.Function;
        var operands = call.Arguments.Select(Check).ToArray();
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
        var styled = FunctionTable.Find(name).Where(overload => overload.Style == style).ToArray();
        if (styled.Length == 0)
        {
            var usage = style == CallStyle.Member ? $"not a member. Write {name}(…)" : "a member. Write x." + name + "(…)";
            return new ExpressionException(call.Position, $"\"{name}\" is {usage}.");
        }
        var targets = style == CallStyle.Member ? 1 : 0;
        var counts = styled.Select(overload => overload.Parameters.Length - targets).Distinct().Order().ToArray();
        if (!counts.Contains(operands.Length - targets))
        {
            var plural = counts is [1] ? "argument" : "arguments";
            return new ExpressionException(call.Position, $"\"{name}\" takes {string.Join(" or ", counts)} {plural}, not {operands.Length - targets}.");
        }
        var found = string.Join(", ", operands.Select(operand => operand.Type));
        return new ExpressionException(call.Position,
            $"\"{(name == Operators.Negate ? "-" : name)}\" does not take ({found}).{OverloadHint(call, style, styled, written, operands)}");
    }

    private string OverloadHint(CallSyntax call, CallStyle style, Overload[] styled, IReadOnlyList<Syntax> written, Typed[] operands)
    {
        if (operands.Any(operand => operand.IsNull))
            return " With null the result is null. Test for it: has(x), x != null.";
        if (operands is [{ Type.Kind: ExpressionType.Bool }] && call.Function is "int" or "uint" or "double")
            return $" Write {Quoted(written[0])} ? {(call.Function == "double" ? "1.0 : 0.0" : call.Function == "uint" ? "1u : 0u" : "1 : 0")}.";
        var conversion = style == CallStyle.Operator && operands.Length == 2
            ? ConversionHint(written[0], operands[0].Type, written[1], operands[1].Type)
            : "";
        if (conversion.Length > 0)
            return conversion;
        var counted = styled.Where(overload => overload.Parameters.Length == operands.Length).ToArray();
        var nearest = counted.Where(overload => overload.Parameters[0].Accepts(operands[0].Type)).ToArray();
        if (nearest.Length == 0 && call.Function is "<" or "<=" or ">" or ">=")
            return " Numbers, bool, string, bytes, timestamp and duration have an order.";
        return $" It takes {string.Join("; ", (nearest.Length > 0 ? nearest : counted).Select(overload => overload.ToString()))}.";
    }

    private static readonly string[] MacroNames = ["has", "all", "exists", "exists_one", "existsOne", "filter", "map", "transformList", "transformMap", "cel.bind"];

    /// <summary>How to bring two operands of different types together; empty where there is no usual way.</summary>
    private string ConversionHint(Syntax left, CelType leftType, Syntax right, CelType rightType)
    {
        if (leftType == rightType)
            return "";
        if (leftType == CelType.Timestamp && rightType.IsNumber || rightType == CelType.Timestamp && leftType.IsNumber)
            return " Write timestamp(\"2018-06-01T12:30:00Z\"), timestamp(seconds) or duration(\"1h\").";
        var target = leftType.IsNumber && rightType.IsNumber ? leftType == CelType.Double || rightType == CelType.Double ? CelType.Double : CelType.Int
            : leftType.IsNumber && rightType == CelType.String || rightType.IsNumber && leftType == CelType.String ? CelType.String
            : null;
        if (target is null)
            return "";
        var (converted, convertedType) = leftType == target ? (right, rightType) : (left, leftType);
        var text = Quoted(converted);
        var written = converted is LiteralSyntax && convertedType == CelType.Int && target == CelType.Double ? text + ".0" : $"{target}({text})";
        return $" Types are never converted by themselves: write {written}.";
    }
}
