using FeatureStore.Core.Events;
using FeatureStore.Core.Vectors;

namespace FeatureStore.Core.Expressions;

/// <summary>
/// A CEL expression over the fields of a row, parsed and checked once, evaluated without allocation where the language allows it.
/// Immutable; any number of threads may evaluate it. What the language offers and costs is in docs/expressions.md.
/// </summary>
public sealed class CompiledExpression
{
    private static readonly VectorNames _noNames = [];

    private readonly Node<double> _number;
    private readonly Node<long> _integer;
    private readonly Node<bool> _condition;
    private readonly Node<ReadOnlySpan<byte>> _text;

    private CompiledExpression(Typed root, Checker checker)
    {
        Root = root;
        Type = root.Type.Kind;
        Field = root.Node is IField field ? field.Field : -1;
        FieldsUsed = checker.FieldsUsed;
        _number = NumberOf(root);
        _integer = Type == ExpressionType.Int ? (Node<long>)root.Node : new Nothing<long>();
        _condition = CelType.Bool.Accepts(root.Type) ? (Node<bool>)root.As(CelType.Bool) : new Nothing<bool>();
        _text = checker.Convert<ReadOnlySpan<byte>>("string", root);
    }

    public ExpressionType Type { get; }

    /// <summary>Index of the field where the expression is that field alone; −1 else.</summary>
    public int Field { get; }

    /// <summary>The fields that it names, one bit each.</summary>
    internal ulong FieldsUsed { get; }

    internal Typed Root { get; }

    /// <summary>Compiles an expression.</summary>
    /// <param name="text">CEL source, at most 4,096 characters.</param>
    /// <param name="schema">The fields it may name.</param>
    /// <param name="error">What is wrong and where; null on success.</param>
    /// <returns>The expression, or null.</returns>
    public static CompiledExpression? Compile(string text, RowSchema schema, out ExpressionError? error) => Compile(text, schema, _noNames, out error);

    /// <summary>Compiles an expression over the fields of a row and the values of a vector. Only the overloads that take a vector then find the latter.</summary>
    internal static CompiledExpression? Compile(string text, RowSchema schema, VectorNames names, out ExpressionError? error)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(schema);
        try
        {
            var checker = new Checker(text, schema, names);
            error = null;
            return new CompiledExpression(checker.Check(Parser.Parse(text)), checker);
        }
        catch (ExpressionException exception)
        {
            error = new ExpressionError(exception.Position, exception.Message);
            return null;
        }
    }

    /// <summary>Compiles an expression that is known to be sound.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    internal static CompiledExpression CompileSound(string text, RowSchema schema) =>
        Compile(text, schema, out var error) ?? throw new ArgumentException($"expression \"{text}\": {error!.Message} Validate the definitions before they are compiled.");

    /// <summary>The value as a double: int and timestamp (Unix ms) and duration (ms) converted, bool as 0 or 1. NaN where null or an evaluation error.</summary>
    public double EvaluateNumber(in FieldRow row) => EvaluateNumber(row, null, 0);

    /// <summary>As <see cref="EvaluateNumber(in FieldRow)"/>, with the values of a vector that the expression names.</summary>
    internal double EvaluateNumber(in FieldRow row, VectorBatch? vectors, int vectorRow)
    {
        var scope = Enter(_number);
        scope?.SetVector(vectors, vectorRow);
        var has = _number.Try(row, scope, out var value);
        Leave(scope, _number);
        return has ? value : double.NaN;
    }

    /// <summary>The value of an expression of type int.</summary>
    /// <returns>False where null, an evaluation error, or of another type.</returns>
    internal bool TryEvaluateInteger(in FieldRow row, out long value)
    {
        var scope = Enter(_integer);
        var has = _integer.Try(row, scope, out value);
        Leave(scope, _integer);
        return has;
    }

    /// <summary>True where the value is true; false where it is false, null, or an evaluation error.</summary>
    public bool EvaluateCondition(in FieldRow row)
    {
        var scope = Enter(_condition);
        var has = _condition.Try(row, scope, out var value);
        Leave(scope, _condition);
        return has && value;
    }

    /// <summary>UTF-8 text of the value: a string as it is, all else but lists, maps and types as <c>string(…)</c> writes it.</summary>
    /// <param name="row">Fields.</param>
    /// <param name="text">Valid as long as the row.</param>
    /// <returns>False where null or an evaluation error.</returns>
    public bool TryEvaluateText(in FieldRow row, out ReadOnlySpan<byte> text) => TryEvaluateText(row, null, 0, out text);

    /// <summary>As <see cref="TryEvaluateText(in FieldRow, out ReadOnlySpan{byte})"/>, with the values of a vector that the expression names.</summary>
    internal bool TryEvaluateText(in FieldRow row, VectorBatch? vectors, int vectorRow, out ReadOnlySpan<byte> text)
    {
        var scope = Enter(_text);
        scope?.SetVector(vectors, vectorRow);
        var has = _text.Try(row, scope, out text);
        Leave(scope, _text);
        return has;
    }

    private static Scope? Enter(Node node) => node.NeedsScope ? Scope.Rent(node.HighestSlot + 1) : null;

    private static void Leave(Scope? scope, Node node) => scope?.Return(node.HighestSlot + 1);

    private static Node<double> NumberOf(Typed root) => root.Type.Kind switch
    {
        ExpressionType.Double => (Node<double>)root.Node,
        ExpressionType.Int => new FunctionNode<long, double>((Node<long>)root.Node, Conversions.ToDouble),
        ExpressionType.Uint => new FunctionNode<ulong, double>((Node<ulong>)root.Node, Conversions.ToDouble),
        ExpressionType.Bool => new FunctionNode<bool, double>((Node<bool>)root.Node, ToNumber),
        ExpressionType.Timestamp => new FunctionNode<Instant, double>((Node<Instant>)root.Node, ToNumber),
        ExpressionType.Duration => new FunctionNode<long, double>((Node<long>)root.Node, DurationToNumber),
        ExpressionType.Dynamic => new FunctionNode<Value, double>((Node<Value>)root.Node, ToNumber),
        _ => new Nothing<double>(),
    };

    private static bool ToNumber(bool value, out double number)
    {
        number = value ? 1 : 0;
        return true;
    }

    private static bool ToNumber(Instant value, out double number)
    {
        number = value.Milliseconds;
        return true;
    }

    private static bool DurationToNumber(long nanos, out double number)
    {
        number = nanos / 1e6;
        return true;
    }

    private static bool ToNumber(Value value, out double number)
    {
        switch (value.Kind)
        {
            case ExpressionType.Bool:
                return ToNumber(value.Bool, out number);
            case ExpressionType.Timestamp:
                return ToNumber(value.Instant, out number);
            case ExpressionType.Duration:
                return DurationToNumber(value.Int64, out number);
            default:
                number = value.IsNumber ? value.ToDouble() : 0;
                return value.IsNumber;
        }
    }
}

/// <summary>Static type of an expression; <see cref="Dynamic"/> where it is known only when it runs.</summary>
public enum ExpressionType
{
    Int,
    Uint,
    Double,
    Bool,
    String,
    Bytes,
    Timestamp,
    Duration,
    Null,
    List,
    Map,
    Type,
    Dynamic,
}

/// <param name="Position">Characters into the expression, from 0.</param>
/// <param name="Message">Fact, detail, hint.</param>
public sealed record ExpressionError(int Position, string Message);
