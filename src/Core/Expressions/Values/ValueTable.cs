using System.Buffers.Binary;
using System.Numerics;

namespace FeatureStore.Core.Expressions;

/// <summary>Keys, each with a value, found by hash: a map, or the items of a constant list. Keys are scalars; numbers are equal by value whatever their types.</summary>
internal sealed class ValueTable
{
    /// <summary>Index of a key, plus one; 0 is free. A power of two in length, at most half full.</summary>
    private readonly int[] _buckets;

    /// <param name="keys">Scalars. Of equal keys the first is found.</param>
    /// <param name="values">One a key; empty for a set.</param>
    public ValueTable(Value[] keys, Value[] values)
    {
        Keys = keys;
        Values = values;
        _buckets = new int[BitOperations.RoundUpToPowerOf2((uint)Math.Max(4, keys.Length * 2))];
        for (var i = 0; i < keys.Length; i++)
        {
            var bucket = (int)Hash(keys[i]) & (_buckets.Length - 1);
            while (_buckets[bucket] != 0)
                bucket = (bucket + 1) & (_buckets.Length - 1);
            _buckets[bucket] = i + 1;
        }
    }

    public Value[] Keys { get; }

    public Value[] Values { get; }

    public static bool CanHold(in Value key) => key.Kind is not (ExpressionType.List or ExpressionType.Map);

    /// <summary>Index of a key, or −1.</summary>
    public int Find(in Value key)
    {
        if (!CanHold(key))
            return -1;
        var bucket = (int)Hash(key) & (_buckets.Length - 1);
        for (; _buckets[bucket] != 0; bucket = (bucket + 1) & (_buckets.Length - 1))
        {
            if (Ordering.ScalarEquals(Keys[_buckets[bucket] - 1], key))
                return _buckets[bucket] - 1;
        }
        return -1;
    }

    /// <summary>Index of a text key, or −1.</summary>
    public int FindText(ReadOnlySpan<byte> utf8, ExpressionType kind)
    {
        var bucket = (int)HashText(utf8) & (_buckets.Length - 1);
        for (; _buckets[bucket] != 0; bucket = (bucket + 1) & (_buckets.Length - 1))
        {
            ref readonly var key = ref Keys[_buckets[bucket] - 1];
            if (key.Kind == kind && utf8.SequenceEqual(key.Text))
                return _buckets[bucket] - 1;
        }
        return -1;
    }

    private static uint Hash(in Value value)
    {
        switch (value.Kind)
        {
            case ExpressionType.String or ExpressionType.Bytes:
                return HashText(value.Text);
            case ExpressionType.Double when Math.Floor(value.Double) == value.Double && value.Double is >= long.MinValue and < ulong.MaxValue:
                // As the int or uint that it equals. (The bounds round to −2^63 and 2^64.)
                return Mix(value.Double < 0 ? (ulong)(long)value.Double : (ulong)value.Double);
            default:
                return Mix(value.Uint64);
        }
    }

    private static uint Mix(ulong bits) => (uint)((bits ^ bits >> 32) * 0x9E3779B97F4A7C15 >> 32);

    private static uint HashText(ReadOnlySpan<byte> utf8)
    {
        var hash = (ulong)utf8.Length;
        for (; utf8.Length >= 8; utf8 = utf8[8..])
            hash = BitOperations.RotateLeft(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(utf8), 29) * 0x9E3779B97F4A7C15;
        foreach (var b in utf8)
            hash = (hash ^ b) * 0x100000001B3;
        return Mix(hash);
    }
}
