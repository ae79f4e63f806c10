using FeatureStore.Core.Blocks;
using FeatureStore.Core.Blocks.Containers;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Plans;

/// <summary>State fed by the events of one source that meet one condition.</summary>
/// <param name="where">The condition; null: every event.</param>
/// <param name="newestOffset">Of the time of the newest event that met the condition, within the fixed section.</param>
/// <param name="inputs">What the containers take in, each with its place among an event's inputs.</param>
/// <param name="containers">The state.</param>
internal sealed class InputGroup(CompiledExpression? where, int newestOffset, (EventExpression Expression, InputSlot Slot)[] inputs, Container[] containers)
{
    public Container[] Containers => containers;

    public int NewestOffset => newestOffset;

    /// <summary>Bytes of an event's inputs.</summary>
    public int InputBytes { get; } = inputs.Sum(input => input.Slot.Width);

    /// <summary>Whether an event meets the condition.</summary>
    public bool Takes(in FieldRow row) => where is null || where.EvaluateCondition(row);

    /// <summary>Computes an event's inputs.</summary>
    public void Evaluate(in FieldRow row, Span<byte> values)
    {
        foreach (ref readonly var input in inputs.AsSpan())
            input.Expression.Evaluate(row, values.Slice(input.Slot.Offset, input.Slot.Width));
    }
}

/// <summary>What an event contributes: a number, an integer, a text of at most 63 bytes, or for what is neither, and only counts, 1.</summary>
internal sealed class EventExpression
{
    private readonly CompiledExpression _expression;
    private readonly int _field;
    private readonly Kind _kind;

    /// <param name="text">Source of the expression.</param>
    /// <param name="schema">Fields of its rows.</param>
    /// <param name="width">Of its inputs: what it is taken as.</param>
    public EventExpression(string text, RowSchema schema, int width)
    {
        _expression = CompiledExpression.CompileSound(text, schema);
        _field = _expression.Field;
        if (width == EventInput.IntegerBytes)
        {
            _kind = _field >= 0 ? Kind.IntegerField : Kind.Integer;
        }
        else if (width == EventInput.TextBytes)
        {
            _kind = _field >= 0 ? Kind.TextField : Kind.Text;
        }
        else if (_expression.Type is ExpressionType.String or ExpressionType.Bytes or ExpressionType.List or ExpressionType.Map or ExpressionType.Type)
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
        Number,
        DoubleField,
        Int64Field,
        Presence,
        Integer,
        IntegerField,
        Text,
        TextField,
    }

    /// <summary>Writes the input; null, and counted as skipped, where it is null, NaN, infinite or too long.</summary>
    public void Evaluate(in FieldRow row, Span<byte> input)
    {
        var has = _kind switch
        {
            Kind.Text or Kind.TextField => TryText(row, input),
            Kind.Integer or Kind.IntegerField => TryInteger(row, input),
            _ => TryNumber(row, input),
        };
        if (has)
            return;
        EventInput.WriteNull(input);
        CoreInstruments.InputsSkipped.Add(1);
    }

    private bool TryNumber(in FieldRow row, Span<byte> input)
    {
        var value = _kind switch
        {
            Kind.Number => _expression.EvaluateNumber(row),
            Kind.Presence => _expression.EvaluateCondition(row) ? 1 : double.NaN,
            _ when !row.Has(_field) => double.NaN,
            Kind.DoubleField => row.Double(_field),
            _ => row.Int64(_field),
        };
        EventInput.WriteNumber(input, value);
        return double.IsFinite(value);
    }

    private bool TryInteger(in FieldRow row, Span<byte> input)
    {
        var value = 0L;
        var has = _kind is Kind.IntegerField ? row.Has(_field) : _expression.TryEvaluateInteger(row, out value);
        if (has)
            EventInput.WriteInteger(input, _kind is Kind.IntegerField ? row.Int64(_field) : value);
        return has;
    }

    private bool TryText(in FieldRow row, Span<byte> input)
    {
        if (_kind is Kind.TextField)
            return row.Has(_field) && TryWrite(row.Text(_field), input);
        return _expression.TryEvaluateText(row, out var text) && TryWrite(text, input);
    }

    private static bool TryWrite(ReadOnlySpan<byte> text, Span<byte> input)
    {
        if (text.Length > EventInput.TextLengthMax)
            return false;
        EventInput.WriteText(input, text);
        return true;
    }
}
