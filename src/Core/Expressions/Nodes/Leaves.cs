using System.Runtime.CompilerServices;
using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

internal sealed class Constant<T>(T constant) : Node<T>, IConstant
{
    public T Value => constant;

    public override bool Try(in FieldRow row, Scope? scope, out T value)
    {
        value = constant;
        return true;
    }
}

internal sealed class TextConstant(byte[] constant) : Node<ReadOnlySpan<byte>>, IConstant
{
    public byte[] Bytes => constant;

    public override bool Try(in FieldRow row, Scope? scope, out ReadOnlySpan<byte> value)
    {
        value = constant;
        return true;
    }
}

/// <summary>The literal null, and each constant that has no value.</summary>
internal sealed class Nothing<T> : Node<T>, IConstant
    where T : allows ref struct
{
    public override bool Try(in FieldRow row, Scope? scope, out T value)
    {
        value = default!;
        return false;
    }
}

internal static class Constant
{
    public static Node Of<T>(T value)
        where T : allows ref struct
    {
        if (typeof(T) == typeof(long))
            return new Constant<long>(Unsafe.As<T, long>(ref value));
        if (typeof(T) == typeof(ulong))
            return new Constant<ulong>(Unsafe.As<T, ulong>(ref value));
        if (typeof(T) == typeof(double))
            return new Constant<double>(Unsafe.As<T, double>(ref value));
        if (typeof(T) == typeof(bool))
            return new Constant<bool>(Unsafe.As<T, bool>(ref value));
        if (typeof(T) == typeof(Instant))
            return new Constant<Instant>(Unsafe.As<T, Instant>(ref value));
        if (typeof(T) == typeof(ReadOnlySpan<byte>))
            return new TextConstant(Unsafe.As<T, ReadOnlySpan<byte>>(ref value).ToArray());
        return new Constant<Value>(Unsafe.As<T, Value>(ref value));
    }
}

/// <summary>A field of the row.</summary>
internal interface IField
{
    int Field { get; }
}

internal abstract class FieldNode<T> : Node<T>, IField
    where T : allows ref struct
{
    protected FieldNode(int field)
    {
        Field = field;
        ReadsRow = true;
    }

    public int Field { get; }
}

internal sealed class IntField(int field) : FieldNode<long>(field)
{
    public override bool Try(in FieldRow row, Scope? scope, out long value)
    {
        value = row.Int64(Field);
        return row.Has(Field);
    }
}

internal sealed class DoubleField(int field) : FieldNode<double>(field)
{
    public override bool Try(in FieldRow row, Scope? scope, out double value)
    {
        value = row.Double(Field);
        return row.Has(Field);
    }
}

internal sealed class BoolField(int field) : FieldNode<bool>(field)
{
    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        value = row.Bool(Field);
        return row.Has(Field);
    }
}

internal sealed class TimestampField(int field) : FieldNode<Instant>(field)
{
    public override bool Try(in FieldRow row, Scope? scope, out Instant value) =>
        Instant.TryFromMilliseconds(row.Int64(Field), out value) & row.Has(Field);
}

internal sealed class TextField(int field) : FieldNode<ReadOnlySpan<byte>>(field)
{
    public override bool Try(in FieldRow row, Scope? scope, out ReadOnlySpan<byte> value)
    {
        // The slot of a missing text may hold anything.
        var has = row.Has(Field);
        value = has ? row.Text(Field) : default;
        return has;
    }
}

internal sealed class HasField : Node<bool>
{
    private readonly int _field;

    public HasField(int field)
    {
        _field = field;
        ReadsRow = true;
    }

    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        value = row.Has(_field);
        return true;
    }
}

/// <summary>The variable of a comprehension or of cel.bind.</summary>
internal sealed class Slot : Node<Value>
{
    private readonly int _slot;

    public Slot(int slot)
    {
        _slot = slot;
        LowestSlot = slot;
        HighestSlot = slot;
        NeedsScope = true;
    }

    public override bool Try(in FieldRow row, Scope? scope, out Value value)
    {
        value = scope![_slot];
        return value.Kind != ExpressionType.Null;
    }
}

/// <summary>A number of the vector.</summary>
internal sealed class VectorNumber : Node<double>
{
    private readonly int _position;

    public VectorNumber(int position)
    {
        _position = position;
        ReadsRow = true;
        NeedsScope = true;
    }

    public override bool Try(in FieldRow row, Scope? scope, out double value) => scope!.TryNumber(_position, out value);
}

/// <summary>A text of the vector.</summary>
internal sealed class VectorText : Node<ReadOnlySpan<byte>>
{
    private readonly int _position;

    public VectorText(int position)
    {
        _position = position;
        ReadsRow = true;
        NeedsScope = true;
    }

    public override bool Try(in FieldRow row, Scope? scope, out ReadOnlySpan<byte> value) => scope!.TryText(_position, out value);
}
