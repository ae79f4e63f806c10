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
}

/// <summary>A number taken from a row: a field as it is, or an expression.</summary>
internal readonly struct NumberInput(CompiledExpression expression, RowSchema schema)
{
    private readonly int _field = expression.Field;
    private readonly bool _isDouble = expression.Field >= 0 && schema.Fields[expression.Field].Type == FieldType.Double;

    /// <summary>The input; NaN where it is null, NaN or infinite, and then counted as skipped.</summary>
    public double Evaluate(in FieldRow row)
    {
        double value;
        if (_field < 0)
            value = expression.EvaluateNumber(row);
        else if (!row.Has(_field))
            value = double.NaN;
        else
            value = _isDouble ? row.Double(_field) : row.Int64(_field);
        if (double.IsFinite(value))
            return value;
        CoreInstruments.InputsSkipped.Add(1);
        return double.NaN;
    }
}
