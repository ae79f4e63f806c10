using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

/// <summary>Gives each part of a syntax tree its meaning and type, and makes the node that evaluates it. Parts that do not depend on the row become constants.</summary>
internal sealed partial class Checker(string source, RowSchema schema, VectorNames vector)
{
    /// <summary>Variables of the comprehensions and cel.bind around what is being checked, outermost first. A variable's index is its slot.</summary>
    private readonly List<(string Name, CelType Type)> _variables = [];

    /// <summary>One for the whole compilation, so that folding is bounded too.</summary>
    private readonly Scope _scope = new(0);

    /// <summary>The fields named so far, one bit each.</summary>
    public ulong FieldsUsed { get; private set; }

    public Typed Check(Syntax syntax) => syntax switch
    {
        LiteralSyntax literal => Literal(literal),
        NameSyntax name => Name(name),
        SelectSyntax select => Select(select),
        CallSyntax call => Call(call),
        LogicalSyntax logical => Logical(logical),
        ConditionalSyntax conditional => Conditional(conditional),
        ListSyntax list => List(list),
        _ => Map((MapSyntax)syntax),
    };

    /// <summary>Converts a checked expression; a node without values where the function does not take its type.</summary>
    public Node<T> Convert<T>(string function, Typed operand)
        where T : allows ref struct =>
        Overloads(function, CallStyle.Global, [operand]).Length == 0
            ? new Nothing<T>()
            : (Node<T>)Invoke(function, CallStyle.Global, [operand], [0]).Node;

    private Typed Finish(Node node, CelType type)
    {
        if (!node.CanFold)
            return new Typed(node, type);
        _scope.Reserve(node.HighestSlot + 1);
        return new Typed(node.Fold(_scope), type);
    }

    private static Typed Literal(LiteralSyntax literal)
    {
        if (literal.Value is not { } value)
            return new Typed(new Nothing<Value>(), CelType.Null);
        return value.Kind switch
        {
            ExpressionType.Int => new Typed(new Constant<long>(value.Int64), CelType.Int),
            ExpressionType.Uint => new Typed(new Constant<ulong>(value.Uint64), CelType.Uint),
            ExpressionType.Double => new Typed(new Constant<double>(value.Double), CelType.Double),
            ExpressionType.Bool => new Typed(new Constant<bool>(value.Bool), CelType.Bool),
            ExpressionType.String => new Typed(new TextConstant(value.Text), CelType.String),
            _ => new Typed(new TextConstant(value.Text), CelType.Bytes),
        };
    }

    private Typed Name(NameSyntax name)
    {
        var slot = name.IsRooted ? -1 : _variables.FindLastIndex(variable => variable.Name == name.Name);
        if (slot >= 0)
            return new Typed(Representations.FromValue(new Slot(slot), _variables[slot].Type), _variables[slot].Type);
        return TryGlobal(name.Name, out var typed) ? typed : throw UnknownName(name);
    }

    /// <summary>A field, a value of the vector, or a type.</summary>
    private bool TryGlobal(string name, out Typed typed)
    {
        var field = schema.IndexOf(name);
        FieldsUsed |= field < 0 ? 0 : 1UL << field;
        typed = field < 0 ? default : schema.Fields[field].Type switch
        {
            FieldType.Int64 => new Typed(new IntField(field), CelType.Int),
            FieldType.Double => new Typed(new DoubleField(field), CelType.Double),
            FieldType.Bool => new Typed(new BoolField(field), CelType.Bool),
            FieldType.Timestamp => new Typed(new TimestampField(field), CelType.Timestamp),
            _ => new Typed(new TextField(field), CelType.String),
        };
        if (field < 0 && vector.TryGetValue(name, out var value))
            typed = value.IsText ? new Typed(new VectorText(value.Position), CelType.String) : new Typed(new VectorNumber(value.Position), CelType.Double);
        else if (field < 0 && TypeNames.TryFind(name, out var type))
            typed = new Typed(new Constant<Value>(Value.OfType(type)), CelType.Type);
        return typed.Node is not null;
    }

    private ExpressionException UnknownName(NameSyntax name)
    {
        var named = schema.Fields.Select(field => field.Name).Concat(vector.Keys);
        var known = named.Concat(_variables.Select(variable => variable.Name));
        var hint = FunctionTable.Find(name.Name).Length > 0 ? " It is a function: call it."
            : FunctionTable.IsNamespace(name.Name) ? $" It holds functions: call one, such as {FunctionTable.FirstOf(name.Name)}(x)."
            : Suggestions.DidYouMean(name.Name, known);
        if (hint.Length == 0)
            hint = vector.Count > 0 ? $" Fields and features are {Listed(named)}." : schema.Count > 0 ? $" Fields are {Listed(named)}." : " There are no fields.";
        return new ExpressionException(name.Start, $"Unknown field \"{name.Name}\".{hint}");
    }

    /// <summary>The first few names, quoted.</summary>
    private static string Listed(IEnumerable<string> names)
    {
        const int shown = 8;
        var all = names.ToArray();
        return string.Join(", ", all.Take(shown).Select(name => $"\"{name}\"")) + (all.Length > shown ? $" and {all.Length - shown} more" : "");
    }

    private Typed Logical(LogicalSyntax logical)
    {
        var operands = logical.Operands.Select(operand => (Node<bool>)Condition(operand, logical.IsAnd ? "\"&&\"" : "\"||\"")).ToArray();
        return Finish(new LogicalNode(operands, deciding: !logical.IsAnd), CelType.Bool);
    }

    private Node Condition(Syntax syntax, string user)
    {
        var typed = Check(syntax);
        if (typed.IsNull)
            return new Nothing<bool>();
        if (!CelType.Bool.Accepts(typed.Type))
        {
            var hint = typed.Type.IsNumber ? $" Compare it: {Quoted(syntax)} != {Zero(typed.Type)}." : "";
            throw new ExpressionException(syntax.Start, $"{user} wants bool, found {typed.Type}.{hint}");
        }
        return typed.As(CelType.Bool);
    }

    private static string Zero(CelType number) => number == CelType.Double ? "0.0" : number == CelType.Uint ? "0u" : "0";

    private Typed Conditional(ConditionalSyntax conditional)
    {
        var condition = (Node<bool>)Condition(conditional.Condition, "The condition of \"?\"");
        var whenTrue = Check(conditional.WhenTrue);
        var whenFalse = Check(conditional.WhenFalse);
        if (!whenTrue.IsNull && !whenFalse.IsNull && !whenTrue.Type.Accepts(whenFalse.Type) && !whenFalse.Type.Accepts(whenTrue.Type))
        {
            var hint = ConversionHint(conditional.WhenTrue, whenTrue.Type, conditional.WhenFalse, whenFalse.Type);
            throw new ExpressionException(conditional.Position, $"The branches of \"?\" have the types {whenTrue.Type} and {whenFalse.Type}.{hint}");
        }
        var type = CelType.Join(whenTrue.Type, whenFalse.Type);
        return Finish(Conditional(condition, Branch(whenTrue, type), Branch(whenFalse, type)), type);
    }

    private static Node Branch(Typed branch, CelType type) => branch.IsNull ? Representations.Nothing(type) : branch.As(type);

    private static Node Conditional(Node<bool> condition, Node whenTrue, Node whenFalse) => whenTrue switch
    {
        Node<long> branch => new ConditionalNode<long>(condition, branch, (Node<long>)whenFalse),
        Node<ulong> branch => new ConditionalNode<ulong>(condition, branch, (Node<ulong>)whenFalse),
        Node<double> branch => new ConditionalNode<double>(condition, branch, (Node<double>)whenFalse),
        Node<bool> branch => new ConditionalNode<bool>(condition, branch, (Node<bool>)whenFalse),
        Node<Instant> branch => new ConditionalNode<Instant>(condition, branch, (Node<Instant>)whenFalse),
        Node<ReadOnlySpan<byte>> branch => new ConditionalNode<ReadOnlySpan<byte>>(condition, branch, (Node<ReadOnlySpan<byte>>)whenFalse),
        _ => new ConditionalNode<Value>(condition, (Node<Value>)whenTrue, (Node<Value>)whenFalse),
    };

    private Typed List(ListSyntax list) => ListOf([.. list.Items.Select(item => Item(item, "A list"))]);

    private Typed ListOf(Typed[] items)
    {
        var type = items.Length == 0 ? CelType.AnyList : CelType.ListOf(items.Select(item => item.Type).Aggregate(CelType.Join));
        return Finish(new ListNode([.. items.Select(item => item.ToValue())]), type);
    }

    private Typed Item(Syntax syntax, string container)
    {
        var item = Check(syntax);
        return item.IsNull
            ? throw new ExpressionException(syntax.Start, $"{container} with a null in it is null itself. Leave the null out.")
            : item;
    }

    private Typed Map(MapSyntax map)
    {
        var items = map.KeysAndValues.Select(item => Item(item, "A map")).ToArray();
        var keys = items.Where((_, i) => i % 2 == 0).ToArray();
        var values = items.Where((_, i) => i % 2 == 1).ToArray();
        for (var i = 0; i < keys.Length; i++)
        {
            if (!keys[i].Type.IsDynamic && !MapNode.CanBeKey(keys[i].Type.Kind))
                throw new ExpressionException(map.KeysAndValues[2 * i].Start, $"A map's key cannot be {keys[i].Type}. Keys are int, uint, bool or string.");
        }
        var type = items.Length == 0
            ? CelType.AnyMap
            : CelType.MapOf(keys.Select(key => key.Type).Aggregate(CelType.Join), values.Select(value => value.Type).Aggregate(CelType.Join));
        return Finish(new MapNode([.. keys.Select(key => key.ToValue())], [.. values.Select(value => value.ToValue())]), type);
    }

    /// <summary>A part of the source, for an error's hint; long ones shortened.</summary>
    private string Quoted(Syntax syntax)
    {
        const int shownChars = 40;
        var text = source[syntax.Start..syntax.End];
        return text.Length <= shownChars && !text.Contains('\n') ? text : "…";
    }
}
