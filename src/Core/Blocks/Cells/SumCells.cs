using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>Compensated sum of numbers.</summary>
internal sealed class SumCell : Cell
{
    public override string Description => "sum";

    public override int Size => Unsafe.SizeOf<CompensatedSum>();

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        Memory.At<CompensatedSum>(state).Add(MemoryMarshal.Read<double>(value));
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from) => Memory.At<CompensatedSum>(into).Merge(Memory.At<CompensatedSum>(from));

    public override void MergeRows(Span<byte> into, ReadOnlySpan<byte> states, int stride, int size, int count)
    {
        var sum = Memory.At<CompensatedSum>(into);
        for (var row = count - 1; row >= 0; row--)
            sum.Merge(Memory.At<CompensatedSum>(states, row * stride));
        Memory.At<CompensatedSum>(into) = sum;
    }
}

/// <summary>Sum of numbers that can be taken back, and that overflows only where its true value does. When all are taken back, so is what rounding left.</summary>
internal sealed class ExactSumCell : Cell
{
    public override string Description => "exact_sum";

    public override int Size => Unsafe.SizeOf<State>();

    public override bool CanRemove => true;

    public static double Value(ReadOnlySpan<byte> state) => Memory.At<State>(state).Sum.Total;

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        ref var it = ref Memory.At<State>(state);
        it.Sum.Add(MemoryMarshal.Read<double>(value));
        it.Count++;
        return true;
    }

    public override bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        ref var it = ref Memory.At<State>(state);
        if (it.Count <= 0)
            return false;
        if (--it.Count == 0)
            it.Sum = default;
        else
            it.Sum.Add(-MemoryMarshal.Read<double>(value));
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from)
    {
        ref var it = ref Memory.At<State>(into);
        ref readonly var other = ref Memory.At<State>(from);
        it.Sum.Merge(other.Sum);
        it.Count += other.Count;
    }

    [StructLayout(LayoutKind.Sequential, Pack = 8)]
    private struct State
    {
        public InputSum Sum;
        public long Count;
    }
}

/// <summary>Sum of integers (Int128), exact: all int64 that 2⁶⁴ events can bring fit.</summary>
internal sealed class IntegerSumCell : Cell
{
    public override string Description => "integer_sum";

    public override int Size => Unsafe.SizeOf<Int128>();

    public override bool CanRemove => true;

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        Memory.At<Int128>(state) += EventInput.Integer(value);
        return true;
    }

    public override bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        Memory.At<Int128>(state) -= EventInput.Integer(value);
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from) => Memory.At<Int128>(into) += Memory.At<Int128>(from);

    public override void MergeRows(Span<byte> into, ReadOnlySpan<byte> states, int stride, int size, int count)
    {
        var sum = Memory.At<Int128>(into);
        for (var row = 0; row < count; row++)
            sum += Memory.At<Int128>(states, row * stride);
        Memory.At<Int128>(into) = sum;
    }

    public override void AddAll(Span<byte> state, ReadOnlySpan<long> times, ReadOnlySpan<byte> values, ReadOnlySpan<byte> keys)
    {
        var sum = Memory.At<Int128>(state);
        foreach (var value in MemoryMarshal.Cast<byte, Int128>(values))
            sum += EventInput.IsNull(value) ? 0 : value;
        Memory.At<Int128>(state) = sum;
    }
}
