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

    /// <summary>The bits of a number, of which −0 is 0, or of an integer's int64.</summary>
    protected static ulong Bits(ReadOnlySpan<byte> input) =>
        input.Length == EventInput.IntegerBytes ? (ulong)EventInput.Integer(input) : BitConverter.DoubleToUInt64Bits(MemoryMarshal.Read<double>(input) + 0.0);

    /// <summary>What the inputs of a width are called.</summary>
    protected static string NameOf(int width) => width switch
    {
        EventInput.NumberBytes => "numbers",
        EventInput.IntegerBytes => "integers",
        _ => "texts",
    };
}

internal sealed class ApproxDistinctCell() : SketchCell<HyperLogLog>(new HyperLogLog(), $"hyperloglog {HyperLogLog.PrecisionDefault}")
{
    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) =>
        Sketch.TryAdd(state, value.Length == EventInput.TextBytes ? StableHash.Of(EventInput.Text(value)) : StableHash.Of(Bits(value)));
}

internal sealed class QuantileCell() : SketchCell<QuantileSketch>(new QuantileSketch(), $"quantile {QuantileSketch.BucketsDefault}")
{
    public override bool CanRemove => true;

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) =>
        Sketch.TryAdd(state, MemoryMarshal.Read<double>(value));

    public override bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) =>
        Sketch.TryRemove(state, MemoryMarshal.Read<double>(value));
}

internal sealed class TopKCell(int k, int width) : SketchCell<TopK>(new TopK(k, KeyOf(width)), $"top {k} {NameOf(width)}")
{
    public TopKKey Key { get; } = KeyOf(width);

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) =>
        Key is TopKKey.Int64 ? Sketch.TryAdd(state, Bits(value)) : Sketch.TryAdd(state, value);

    private static TopKKey KeyOf(int width) => width switch
    {
        EventInput.NumberBytes => TopKKey.Double,
        EventInput.IntegerBytes => TopKKey.Int64,
        _ => TopKKey.Text,
    };
}

/// <summary>Values that can be taken back have counts.</summary>
internal sealed class DistinctCell(int limit, int width, bool removable)
    : SketchCell<DistinctCounts>(
        new DistinctCounts(width == EventInput.TextBytes, removable, limit), $"distinct {limit} {NameOf(width)}{(removable ? " counted" : "")}")
{
    public override bool CanRemove => removable;

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) => Sketch.TryAdd(state, Number(value));

    public override bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) => Sketch.TryRemove(state, Number(value));

    private static UInt128 Number(ReadOnlySpan<byte> value) => value.Length == EventInput.TextBytes ? StableHash.Of128(EventInput.Text(value)) : Bits(value);
}
