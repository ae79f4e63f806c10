using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>The inputs of the oldest or the newest n events, by time, then by arrival: int64 number, then times (int64), then inputs, both oldest first.</summary>
internal sealed class ListCell(bool newest, int n, int width) : Cell
{
    private const int TimesOffset = sizeof(long);

    public override string Description => $"{(newest ? "last" : "first")}_{n}x{width}";

    public override int Size => TimesOffset + n * (sizeof(long) + width);

    public static int Count(ReadOnlySpan<byte> state) => (int)Memory.At<long>(state);

    public ReadOnlySpan<byte> Value(ReadOnlySpan<byte> state, int index) => state.Slice(ValuesOffset + index * width, width);

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        ref var count = ref Memory.At<long>(state);
        var times = Times(state);
        var values = state[ValuesOffset..];
        var at = (int)count;
        while (at > 0 && times[at - 1] > timeMs)
            at--;
        if (count < n)
        {
            times[at..(int)count].CopyTo(times[(at + 1)..]);
            values[(at * width)..((int)count * width)].CopyTo(values[((at + 1) * width)..]);
            count++;
        }
        else if (newest && at > 0)
        {
            at--;
            times[1..(at + 1)].CopyTo(times);
            values[width..((at + 1) * width)].CopyTo(values);
        }
        else if (!newest && at < n)
        {
            times[at..(n - 1)].CopyTo(times[(at + 1)..]);
            values[(at * width)..((n - 1) * width)].CopyTo(values[((at + 1) * width)..]);
        }
        else
        {
            return true;
        }

        times[at] = timeMs;
        value.CopyTo(values[(at * width)..]);
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from)
    {
        var times = Times(from);
        for (var index = 0; index < Count(from); index++)
            TryAdd(into, times[index], Value(from, index), default);
    }

    public override string? Check(ReadOnlySpan<byte> state)
    {
        var count = Memory.At<long>(state);
        if (count < 0 || count > n)
            return $"has a list of more than {n}";
        for (var index = 0; index < count; index++)
        {
            if (!EventInput.IsSound(Value(state, index)))
                return "has a text that is none";
        }

        return null;
    }

    private int ValuesOffset => TimesOffset + n * sizeof(long);

    private Span<long> Times(ReadOnlySpan<byte> state) =>
        MemoryMarshal.CreateSpan(ref Memory.At<long>(state.Slice(TimesOffset, n * sizeof(long))), n);
}
