using System.Diagnostics;
using System.Runtime.InteropServices;
using FeatureStore.Core.Blocks.Containers;
using FeatureStore.Core.Blocks.Sketches;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>The input at the nearest rank of events that are all at hand; NaN where there is none. Never kept.</summary>
internal sealed class RankCell(double quantile) : Cell
{
    public override string Description => "rank";

    public override int Size => sizeof(double);

    public override void Clear(Span<byte> state) => Memory.At<double>(state) = double.NaN;

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) => throw NoState();

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from) => throw NoState();

    public override void AddAll(Span<byte> state, ReadOnlySpan<long> times, ReadOnlySpan<byte> values, ReadOnlySpan<byte> keys)
    {
        var numbers = Scratch.NumbersOfThread(times.Length);
        var count = 0;
        foreach (var value in MemoryMarshal.Cast<byte, double>(values))
        {
            if (!double.IsNaN(value))
                numbers[count++] = value;
        }

        numbers[..count].Sort();
        Memory.At<double>(state) = count == 0 ? double.NaN : numbers[(int)QuantileSketch.RankOf(quantile, count) - 1];
    }

    /// <summary>The plan gives this cell only to containers that fold single events, all at once; what is kept has a <see cref="QuantileCell"/>.</summary>
    private static UnreachableException NoState() => new("A rank is made of all events at once.");
}
