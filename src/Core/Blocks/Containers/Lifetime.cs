using FeatureStore.Core.Blocks.Cells;

namespace FeatureStore.Core.Blocks.Containers;

/// <summary>One row of small cells for all events, in the fixed section.</summary>
internal sealed partial class Lifetime(ContainerPlace place, ContainerShape shape, CellRow cells) : Container(place, shape)
{
    public override int FixedSize => cells.Size + 7 & ~7;

    public override IReadOnlyList<Store> Stores => [];

    public override void Initialize(Span<byte> block, int fixedOffset) => cells.Clear(Row(block, fixedOffset));

    public override bool Reserve(Span<byte> block, int fixedOffset, long timeMs, bool isTaken) => true;

    public override bool TryAdd(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs) => cells.TryAdd(Row(block, fixedOffset), timeMs, inputs);

    public override bool TryRemove(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs) => cells.TryRemove(Row(block, fixedOffset), timeMs, inputs);

    public override ReadOnlySpan<byte> Row(in BlockReading reading, FeatureState feature) => reading.Block.Slice(reading.FixedOffset + Offset, cells.Size);

    public override bool Holds(ReadOnlySpan<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs) => true;

    public override long AsOfMs(in BlockReading reading, ReadOnlySpan<byte> row) => Math.Max(reading.AsOfMs, NewestMs(reading.Block, reading.FixedOffset));

    public override string? Check(ReadOnlySpan<byte> block, int fixedOffset) => cells.Check(block.Slice(fixedOffset + Offset, cells.Size));

    private Span<byte> Row(Span<byte> block, int fixedOffset) => block.Slice(fixedOffset + Offset, cells.Size);
}
