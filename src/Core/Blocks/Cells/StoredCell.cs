using System.Diagnostics;
using FeatureStore.Core.Blocks.Sketches;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>A cell of an older layout, of which only the sizes are known: it finds states, and whoever knows their kind reads them.</summary>
internal sealed class StoredCell(int size, int sizeMax) : Cell
{
    private readonly SizeLadder _ladder = new(size, sizeMax);

    public override string Description => "stored";

    public override int Size => size;

    public override int SizeMax => sizeMax;

    public override int SizeNext(int size) => _ladder.Next(size);

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) => throw NoKind();

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from) => throw NoKind();

    private static UnreachableException NoKind() => new("An older layout is only read.");
}
