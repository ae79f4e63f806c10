using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>Number of events. uint32, which stays at its greatest once there; wide: int64.</summary>
/// <param name="wide">Whether it has 64 bits.</param>
/// <param name="ofSum">Whether it belongs to a sum, and came to be with it.</param>
internal sealed class CountCell(bool wide, bool ofSum = false) : Cell
{
    public override string Description => $"{(ofSum ? "summed" : "count")}{(wide ? 64 : 32)}";

    public override int Size => wide ? sizeof(long) : sizeof(uint);

    public override bool CanRemove => true;

    public static long Value(ReadOnlySpan<byte> state) => state.Length == sizeof(long) ? MemoryMarshal.Read<long>(state) : MemoryMarshal.Read<uint>(state);

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        Plus(state, 1);
        return true;
    }

    public override bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        if (Value(state) <= 0)
            return false;
        Plus(state, -1);
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from) => Plus(into, Value(from));

    public override void MergeRows(Span<byte> into, ReadOnlySpan<byte> states, int stride, int size, int count)
    {
        var sum = 0L;
        for (var row = 0; row < count; row++)
            sum += Value(states.Slice(row * stride, size));
        Plus(into, sum);
    }

    public override void AddAll(Span<byte> state, ReadOnlySpan<long> times, ReadOnlySpan<byte> values, ReadOnlySpan<byte> keys)
    {
        if (values.IsEmpty)
            Plus(state, times.Length);
        else
            base.AddAll(state, times, values, keys);
    }

    private void Plus(Span<byte> state, long count)
    {
        if (wide)
            Memory.At<long>(state) += count;
        else
            Memory.At<uint>(state) = (uint)Math.Clamp(Memory.At<uint>(state) + count, 0, uint.MaxValue);
    }
}
