namespace FeatureStore.Core.Blocks.Cells;

/// <summary>Time of the newest event there ever was, one taken back included; <see cref="long.MinValue"/> where there was none.</summary>
internal sealed class NewestCell : Cell
{
    public override string Description => "newest";

    public override int Size => sizeof(long);

    public override bool CanRemove => true;

    public static long Value(ReadOnlySpan<byte> state) => Memory.At<long>(state);

    public override void Clear(Span<byte> state) => Memory.At<long>(state) = long.MinValue;

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        ref var newest = ref Memory.At<long>(state);
        newest = Math.Max(newest, timeMs);
        return true;
    }

    public override bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) => true;

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from) => TryAdd(into, Value(from), default, default);
}
