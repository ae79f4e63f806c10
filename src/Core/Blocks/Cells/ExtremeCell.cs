using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>The least or the greatest number; NaN where there was none. −0 is less than 0, so that the order of arrival does not show.</summary>
internal sealed class ExtremeCell(bool greatest) : Cell
{
    public override string Description => greatest ? "max" : "min";

    public override int Size => sizeof(double);

    public override void Clear(Span<byte> state) => Memory.At<double>(state) = double.NaN;

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        ref var extreme = ref Memory.At<double>(state);
        extreme = Of(extreme, MemoryMarshal.Read<double>(value));
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from)
    {
        ref var extreme = ref Memory.At<double>(into);
        extreme = Of(extreme, Memory.At<double>(from));
    }

    public override void MergeRows(Span<byte> into, ReadOnlySpan<byte> states, int stride, int size, int count)
    {
        var extreme = Memory.At<double>(into);
        for (var row = 0; row < count; row++)
            extreme = Of(extreme, Memory.At<double>(states, row * stride));
        Memory.At<double>(into) = extreme;
    }

    public override void AddAll(Span<byte> state, ReadOnlySpan<long> times, ReadOnlySpan<byte> values, ReadOnlySpan<byte> keys)
    {
        var extreme = Memory.At<double>(state);
        foreach (var value in MemoryMarshal.Cast<byte, double>(values))
            extreme = Of(extreme, value);
        Memory.At<double>(state) = extreme;
    }

    private double Of(double left, double right) => greatest ? double.MaxNumber(left, right) : double.MinNumber(left, right);
}
