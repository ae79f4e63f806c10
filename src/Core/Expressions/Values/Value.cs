using System.Diagnostics;

namespace FeatureStore.Core.Expressions;

/// <summary>
/// A value whose type is known only when the expression runs: an element of a list, a value of a map, a dynamic operand.
/// Never null: a node that has no value says so instead. Only a slot may hold <see cref="Nothing"/>.
/// </summary>
internal readonly struct Value
{
    private readonly object? _reference;
    private readonly long _bits;
    private readonly int _nanos;

    private Value(ExpressionType kind, long bits, object? reference = null, int nanos = 0)
    {
        Kind = kind;
        _bits = bits;
        _reference = reference;
        _nanos = nanos;
    }

    public ExpressionType Kind { get; }

    public bool IsNumber => Kind is ExpressionType.Int or ExpressionType.Uint or ExpressionType.Double;

    /// <summary>Of an int, or nanoseconds of a duration.</summary>
    public long Int64 => _bits;

    public ulong Uint64 => (ulong)_bits;

    public double Double => BitConverter.Int64BitsToDouble(_bits);

    public bool Bool => _bits != 0;

    public Instant Instant => new(_bits, _nanos);

    public ExpressionType TypeValue => (ExpressionType)_bits;

    /// <summary>UTF-8 of a string, or bytes.</summary>
    public byte[] Text => (byte[])_reference!;

    public Value[] List => (Value[])_reference!;

    public ValueTable Map => (ValueTable)_reference!;

    /// <summary>What a slot holds for a variable without a value.</summary>
    public static Value Nothing => new(ExpressionType.Null, 0);

    public static Value OfInt(long value) => new(ExpressionType.Int, value);

    public static Value OfUint(ulong value) => new(ExpressionType.Uint, (long)value);

    public static Value OfDouble(double value) => new(ExpressionType.Double, BitConverter.DoubleToInt64Bits(value));

    public static Value OfBool(bool value) => new(ExpressionType.Bool, value ? 1 : 0);

    public static Value OfDuration(long nanos) => new(ExpressionType.Duration, nanos);

    public static Value OfInstant(Instant value) => new(ExpressionType.Timestamp, value.Seconds, null, value.Nanos);

    public static Value OfType(ExpressionType value) => new(ExpressionType.Type, (long)value);

    /// <param name="utf8">Kept, not copied.</param>
    public static Value OfString(byte[] utf8) => new(ExpressionType.String, 0, utf8);

    /// <param name="bytes">Kept, not copied.</param>
    public static Value OfBytes(byte[] bytes) => new(ExpressionType.Bytes, 0, bytes);

    /// <param name="items">Kept, not copied.</param>
    public static Value OfList(Value[] items) => new(ExpressionType.List, 0, items);

    public static Value OfMap(ValueTable map) => new(ExpressionType.Map, 0, map);

    /// <summary>What a comprehension over a list or a map goes through.</summary>
    public bool TryEntries(out Entries entries)
    {
        entries = Kind switch
        {
            ExpressionType.List => new Entries(default, List, isMap: false),
            ExpressionType.Map => new Entries(Map.Keys, Map.Values, isMap: true),
            _ => default,
        };
        return Kind is ExpressionType.List or ExpressionType.Map;
    }

    /// <summary>The value's number; the caller knows that it is one.</summary>
    public double ToDouble()
    {
        Debug.Assert(IsNumber);
        return Kind switch
        {
            ExpressionType.Int => Int64,
            ExpressionType.Uint => Uint64,
            _ => Double,
        };
    }
}

/// <summary>The entries of a list, whose keys are its indexes, or of a map.</summary>
internal readonly ref struct Entries(ReadOnlySpan<Value> keys, ReadOnlySpan<Value> values, bool isMap)
{
    private readonly ReadOnlySpan<Value> _keys = keys;
    private readonly ReadOnlySpan<Value> _values = values;

    public int Count => _values.Length;

    public Value Key(int index) => isMap ? _keys[index] : Expressions.Value.OfInt(index);

    public Value Value(int index) => _values[index];

    /// <summary>A list's item, a map's key.</summary>
    public Value Item(int index) => isMap ? _keys[index] : _values[index];
}
