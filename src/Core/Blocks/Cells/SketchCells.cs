using System.Runtime.InteropServices;
using FeatureStore.Core.Blocks.Sketches;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>A sketch as a cell.</summary>
internal abstract class SketchCell<T>(T sketch, string description) : Cell
    where T : ISketch
{
    public T Sketch => sketch;

    public override string Description => description;

    public override int Size => sketch.SizeMin;

    public override int SizeMax => sketch.SizeMax;

    public override int SizeNext(int size) => sketch.SizeNext(size);

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from) => sketch.Merge(into, from);

    public override void MergeRows(Span<byte> into, ReadOnlySpan<byte> states, int stride, int size, int count) => sketch.MergeRows(into, states, stride, size, count);

    public override void Grow(ReadOnlySpan<byte> from, Span<byte> to)
    {
        if (from.Length == to.Length)
            from.CopyTo(to);
        else
            sketch.Grow(from, to);
    }

    public override string? Check(ReadOnlySpan<byte> state) => sketch.Check(state);

    /// <summary>The bits of a number; −0 is 0.</summary>
    protected static ulong Bits(ReadOnlySpan<byte> number) => BitConverter.DoubleToUInt64Bits(MemoryMarshal.Read<double>(number) + 0.0);
}

internal sealed class ApproxDistinctCell() : SketchCell<HyperLogLog>(new HyperLogLog(), $"hyperloglog {HyperLogLog.PrecisionDefault}")
{
    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) =>
        Sketch.TryAdd(state, value.Length == EventInput.NumberBytes ? StableHash.Of(Bits(value)) : StableHash.Of(EventInput.Text(value)));
}

internal sealed class QuantileCell() : SketchCell<QuantileSketch>(new QuantileSketch(), $"quantile {QuantileSketch.BucketsDefault}")
{
    public override bool CanRemove => true;

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) =>
        Sketch.TryAdd(state, MemoryMarshal.Read<double>(value));

    public override bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) =>
        Sketch.TryRemove(state, MemoryMarshal.Read<double>(value));
}

internal sealed class TopKCell(int k, bool ofTexts) : SketchCell<TopK>(new TopK(k, ofTexts ? TopKKey.Text : TopKKey.Double), $"top {k} {(ofTexts ? "texts" : "numbers")}")
{
    public bool OfTexts => ofTexts;

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) => Sketch.TryAdd(state, value);
}

/// <summary>Values that can be taken back have counts.</summary>
internal sealed class DistinctCell(int limit, bool ofTexts, bool removable)
    : SketchCell<DistinctCounts>(
        new DistinctCounts(ofTexts, removable, limit), $"distinct {limit} {(ofTexts ? "texts" : "numbers")}{(removable ? " counted" : "")}")
{
    public override bool CanRemove => removable;

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) => Sketch.TryAdd(state, Number(value));

    public override bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) => Sketch.TryRemove(state, Number(value));

    private UInt128 Number(ReadOnlySpan<byte> value) => ofTexts ? StableHash.Of128(EventInput.Text(value)) : Bits(value);
}
