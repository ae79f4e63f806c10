using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>The least or the greatest input; null where there was none. −0 is less than 0, so that the order of arrival does not show.</summary>
/// <typeparam name="T">What the inputs are: double, or Int128.</typeparam>
/// <param name="greatest">Whether it is the greatest.</param>
internal sealed class ExtremeCell<T>(bool greatest) : Cell
    where T : unmanaged, INumber<T>
{
    private static readonly T _null = NullOf();

    public override string Description => $"{(typeof(T) == typeof(double) ? "" : "integer_")}{(greatest ? "max" : "min")}";

    public override int Size => Unsafe.SizeOf<T>();

    public override void Clear(Span<byte> state) => Memory.At<T>(state) = _null;

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        ref var extreme = ref Memory.At<T>(state);
        extreme = Of(extreme, MemoryMarshal.Read<T>(value));
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from)
    {
        ref var extreme = ref Memory.At<T>(into);
        extreme = Of(extreme, Memory.At<T>(from));
    }

    public override void MergeRows(Span<byte> into, ReadOnlySpan<byte> states, int stride, int size, int count)
    {
        var extreme = Memory.At<T>(into);
        for (var row = 0; row < count; row++)
            extreme = Of(extreme, Memory.At<T>(states, row * stride));
        Memory.At<T>(into) = extreme;
    }

    public override void AddAll(Span<byte> state, ReadOnlySpan<long> times, ReadOnlySpan<byte> values, ReadOnlySpan<byte> keys)
    {
        var extreme = Memory.At<T>(state);
        foreach (var value in MemoryMarshal.Cast<byte, T>(values))
            extreme = Of(extreme, value);
        Memory.At<T>(state) = extreme;
    }

    private T Of(T left, T right)
    {
        // Of doubles, the null is no number, and goes by itself.
        if (typeof(T) == typeof(Int128) && IsNull(left))
            return right;
        if (typeof(T) == typeof(Int128) && IsNull(right))
            return left;
        return greatest ? T.MaxNumber(left, right) : T.MinNumber(left, right);
    }

    private static bool IsNull(T integer) => EventInput.IsNull(Unsafe.BitCast<T, Int128>(integer));

    private static T NullOf()
    {
        Span<byte> input = stackalloc byte[Unsafe.SizeOf<T>()];
        EventInput.WriteNull(input);
        return MemoryMarshal.Read<T>(input);
    }
}
