using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

/// <summary>text.format(list). A constant format is read once; else it is read when the expression runs, and a wrong one gives no value.</summary>
internal sealed class FormatNode : Node<ReadOnlySpan<byte>>
{
    private readonly Node<ReadOnlySpan<byte>>? _text;
    private readonly TextFormat? _format;
    private readonly Node<Value> _values;

    public FormatNode(Node<ReadOnlySpan<byte>> text, Node<Value> values)
        : base(text, values)
    {
        _text = text;
        _values = values;
        NeedsScope = true;
    }

    public FormatNode(TextFormat format, Node<Value> values)
        : base(values)
    {
        _format = format;
        _values = values;
        NeedsScope = true;
    }

    public override bool Try(in FieldRow row, Scope? scope, out ReadOnlySpan<byte> value)
    {
        value = default;
        var format = _format;
        if (format is null)
        {
            if (!_text!.Try(row, scope, out var text) || !scope!.Charge(text.Length >> 3))
                return false;
            format = TextFormat.Parse(text);
        }
        return _values.Try(row, scope, out var values) && format.TryWrite(values.List, scope!, out value);
    }
}
