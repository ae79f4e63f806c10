using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

/// <summary>A CEL expression over the fields of a row, parsed and checked once, evaluated without allocation where the language allows it.</summary>
public sealed class CompiledExpression
{
    /// <summary>Compiles an expression.</summary>
    /// <param name="text">CEL source, at most 4,096 characters.</param>
    /// <param name="schema">The fields it may name.</param>
    /// <param name="error">What is wrong and where; null on success.</param>
    /// <returns>The expression, or null.</returns>
    public static CompiledExpression? Compile(string text, RowSchema schema, out ExpressionError? error) => throw new NotImplementedException();

    public ExpressionType Type => throw new NotImplementedException();

    /// <summary>Index of the field where the expression is that field alone; −1 else.</summary>
    public int Field => throw new NotImplementedException();

    /// <summary>The value as a double: int and timestamp (Unix ms) and duration (ms) converted, bool as 0 or 1. NaN where null or an evaluation error.</summary>
    public double EvaluateNumber(in FieldRow row) => throw new NotImplementedException();

    /// <summary>True where the value is true; false where it is false, null, or an evaluation error.</summary>
    public bool EvaluateCondition(in FieldRow row) => throw new NotImplementedException();

    /// <summary>UTF-8 text of the value.</summary>
    /// <returns>False where null or an evaluation error.</returns>
    public bool TryEvaluateText(in FieldRow row, out ReadOnlySpan<byte> text) => throw new NotImplementedException();
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
