namespace FeatureStore.Core.Expressions;

/// <summary>The names that an expression takes from outside: all but its own variables and what is called as a function's namespace.</summary>
internal static class FreeNames
{
    /// <returns>Each name once, with where it first stands; none where the text is no expression.</returns>
    public static IReadOnlyDictionary<string, int> Of(string text)
    {
        var names = new Dictionary<string, int>(StringComparer.Ordinal);
        try
        {
            Add(Parser.Parse(text), [], names);
        }
        catch (ExpressionException)
        {
            // The compilation says what is wrong.
        }
        return names;
    }

    private static void Add(Syntax syntax, List<string> variables, Dictionary<string, int> names)
    {
        switch (syntax)
        {
            case NameSyntax name when name.IsRooted || !variables.Contains(name.Name):
                names.TryAdd(name.Name, name.Start);
                break;
            case SelectSyntax select:
                Add(select.Target, variables, names);
                break;
            case CallSyntax call:
                AddCall(call, variables, names);
                break;
            case LogicalSyntax logical:
                AddAll(logical.Operands, variables, names);
                break;
            case ConditionalSyntax conditional:
                AddAll([conditional.Condition, conditional.WhenTrue, conditional.WhenFalse], variables, names);
                break;
            case ListSyntax list:
                AddAll(list.Items, variables, names);
                break;
            case MapSyntax map:
                AddAll(map.KeysAndValues, variables, names);
                break;
        }
    }

    private static void AddCall(CallSyntax call, List<string> variables, Dictionary<string, int> names)
    {
        var @namespace = (call.Target as NameSyntax)?.Name;
        var isBind = @namespace == "cel" && call.Function == "bind";
        if (call.Target is not null && !isBind && (@namespace is null || !FunctionTable.IsNamespace(@namespace)))
            Add(call.Target, variables, names);
        var count = isBind ? Math.Min(1, call.Arguments.Count) : Checker.VariableCount(call);
        if (isBind)
            AddAll(call.Arguments.Skip(1).Take(1), variables, names);
        variables.AddRange(call.Arguments.Take(count).Select(argument => (argument as NameSyntax)?.Name ?? ""));
        AddAll(call.Arguments.Skip(isBind ? 2 : count), variables, names);
        variables.RemoveRange(variables.Count - count, count);
    }

    private static void AddAll(IEnumerable<Syntax> parts, List<string> variables, Dictionary<string, int> names)
    {
        foreach (var part in parts)
            Add(part, variables, names);
    }
}
