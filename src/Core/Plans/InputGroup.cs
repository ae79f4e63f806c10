using FeatureStore.Core.Blocks;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Plans;

/// <summary>State fed by the events of one source that meet one condition: their inputs, one ring for all sliding windows, and lifetime accumulators.</summary>
/// <param name="Where">The condition; null: every event.</param>
/// <param name="Inputs">Distinct inputs; the first <paramref name="RingColumns"/> of them are the ring's columns.</param>
/// <param name="RingColumns">How many inputs the ring keeps.</param>
/// <param name="Ring">Null where no feature has a window.</param>
/// <param name="Accumulators">Each with the index of its input; −1: events.</param>
internal sealed record InputGroup(
    CompiledExpression? Where, NumberInput[] Inputs, int RingColumns, Ring? Ring, (Accumulator Accumulator, int Input)[] Accumulators)
{
    public void Apply(Span<byte> block, int fixedOffset, in FieldRow row, long timeMs)
    {
        if (Where is not null && !Where.EvaluateCondition(row))
            return;
        Span<double> values = stackalloc double[Inputs.Length];
        for (var index = 0; index < Inputs.Length; index++)
            values[index] = Inputs[index].Evaluate(row);
        Ring?.Insert(block, fixedOffset, timeMs, values[..RingColumns]);
        foreach (var (accumulator, input) in Accumulators)
            accumulator.Add(block, fixedOffset, timeMs, input < 0 ? 0 : values[input]);
    }

    public void Retract(Span<byte> block, int fixedOffset, in FieldRow row)
    {
        if (Where is not null && !Where.EvaluateCondition(row))
            return;
        foreach (var (accumulator, input) in Accumulators)
            accumulator.Subtract(block, fixedOffset, input < 0 ? 0 : Inputs[input].Evaluate(row));
    }
}

/// <summary>What an event contributes: a number, or for what is no number, which only counts, 1.</summary>
internal readonly struct NumberInput
{
    private readonly CompiledExpression _expression;
    private readonly int _field;
    private readonly Kind _kind;

    /// <param name="text">Source of the expression.</param>
    /// <param name="schema">Fields of its rows.</param>
    public NumberInput(string text, RowSchema schema)
    {
        _expression = CompiledExpression.CompileSound(text, schema);
        _field = _expression.Field;
        if (_expression.Type is ExpressionType.String or ExpressionType.Bytes or ExpressionType.List or ExpressionType.Map or ExpressionType.Type)
        {
            _kind = Kind.Presence;
            _expression = CompiledExpression.CompileSound($"({text}) != null", schema);
        }
        else if (_field >= 0)
        {
            _kind = schema.Fields[_field].Type == FieldType.Double ? Kind.DoubleField : Kind.Int64Field;
        }
    }

    private enum Kind
    {
        Expression,
        DoubleField,
        Int64Field,
        Presence,
    }

    /// <summary>The input; NaN where it is null, NaN or infinite, and then counted as skipped.</summary>
    public double Evaluate(in FieldRow row)
    {
        var value = _kind switch
        {
            Kind.Expression => _expression.EvaluateNumber(row),
            Kind.Presence => _expression.EvaluateCondition(row) ? 1 : double.NaN,
            _ when !row.Has(_field) => double.NaN,
            Kind.DoubleField => row.Double(_field),
            _ => row.Int64(_field),
        };
        if (double.IsFinite(value))
            return value;
        CoreInstruments.InputsSkipped.Add(1);
        return double.NaN;
    }
}
