using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>Counts (int64) of [bᵢ, bᵢ₊₁), with −∞ before the first bound and ∞ after the last.</summary>
internal sealed class HistogramCell(double[] bounds) : Cell
{
    public override string Description => $"histogram {string.Join(' ', bounds.Select(bound => bound.ToString("R", System.Globalization.CultureInfo.InvariantCulture)))}";

    public override int Size => (bounds.Length + 1) * sizeof(long);

    public override bool CanRemove => true;

    public static ReadOnlySpan<long> Counts(ReadOnlySpan<byte> state) => MemoryMarshal.Cast<byte, long>(state);

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        CountOf(state, value)++;
        return true;
    }

    public override bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        ref var count = ref CountOf(state, value);
        if (count <= 0)
            return false;
        count--;
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from)
    {
        var counts = MemoryMarshal.Cast<byte, long>(into);
        var added = Counts(from);
        for (var index = 0; index < counts.Length; index++)
            counts[index] += added[index];
    }

    private ref long CountOf(Span<byte> state, ReadOnlySpan<byte> value)
    {
        var at = bounds.AsSpan().BinarySearch(MemoryMarshal.Read<double>(value));
        return ref Memory.At<long>(state, sizeof(long) * (at < 0 ? ~at : at + 1));
    }
}
