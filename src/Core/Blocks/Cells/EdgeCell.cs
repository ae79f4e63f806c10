namespace FeatureStore.Core.Blocks.Cells;

/// <summary>The input of the oldest or the newest event, by time, then by arrival: int64 time, the input.</summary>
internal sealed class EdgeCell(bool newest, int width) : Cell
{
    public override string Description => $"{(newest ? "last" : "first")}{width}";

    public override int Size => sizeof(long) + width;

    public static ReadOnlySpan<byte> Value(ReadOnlySpan<byte> state) => state[sizeof(long)..];

    public override void Clear(Span<byte> state)
    {
        Memory.At<long>(state) = newest ? long.MinValue : long.MaxValue;
        EventInput.WriteNull(state[sizeof(long)..]);
    }

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        ref var time = ref Memory.At<long>(state);
        if (newest ? timeMs < time : timeMs >= time)
            return true;
        time = timeMs;
        value.CopyTo(state[sizeof(long)..]);
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from)
    {
        if (!EventInput.IsNull(Value(from)))
            TryAdd(into, Memory.At<long>(from), Value(from), default);
    }

    /// <summary>
    /// One state decides: that of the newest or the oldest time, wherever it is, as one that was migrated from a coarser tile may hold times from before the row that it is in.
    /// Where it has the time of another's, its event came before.
    /// </summary>
    public override void MergeRows(Span<byte> into, ReadOnlySpan<byte> states, int stride, int size, int count)
    {
        var (edge, time) = (-1, newest ? long.MinValue : long.MaxValue);
        for (var index = 0; index < count; index++)
        {
            var state = states.Slice(index * stride, size);
            var other = Memory.At<long>(state);
            if ((newest ? other <= time : other > time) || EventInput.IsNull(Value(state)))
                continue;
            (edge, time) = (index, other);
        }

        if (edge >= 0)
            Merge(into, states.Slice(edge * stride, size));
    }

    public override void AddAll(Span<byte> state, ReadOnlySpan<long> times, ReadOnlySpan<byte> values, ReadOnlySpan<byte> keys)
    {
        for (var step = 0; step < times.Length; step++)
        {
            var index = newest ? times.Length - 1 - step : step;
            var value = values.Slice(index * width, width);
            if (EventInput.IsNull(value))
                continue;
            TryAdd(state, times[index], value, default);
            return;
        }
    }

    public override string? Check(ReadOnlySpan<byte> state) => EventInput.IsSound(Value(state)) ? null : "has a text that is none";
}
