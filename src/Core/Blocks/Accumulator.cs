using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks;

/// <summary>What a lifetime feature keeps of all events: a few numbers at a fixed place of the block.</summary>
internal sealed class Accumulator(AccumulatorKind kind, int offset)
{
    public AccumulatorKind Kind => kind;

    public static int SizeOf(AccumulatorKind kind) => kind switch
    {
        AccumulatorKind.Events => sizeof(long),
        AccumulatorKind.Sum => Unsafe.SizeOf<InputSum>(),
        AccumulatorKind.Min or AccumulatorKind.Max => sizeof(double),
        AccumulatorKind.Last => Unsafe.SizeOf<LastState>(),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    /// <summary>Prepares a zeroed block.</summary>
    public void Initialize(Span<byte> block, int fixedOffset)
    {
        if (kind is AccumulatorKind.Min or AccumulatorKind.Max)
            State<double>(block, fixedOffset) = double.NaN;
        if (kind is AccumulatorKind.Last)
            State<LastState>(block, fixedOffset) = new LastState { TimeMs = long.MinValue, Value = double.NaN };
    }

    /// <summary>Takes in an event. NaN is null and skipped, except where events are counted.</summary>
    public void Add(Span<byte> block, int fixedOffset, long timeMs, double value)
    {
        if (kind is AccumulatorKind.Events)
        {
            State<long>(block, fixedOffset)++;
            return;
        }

        if (double.IsNaN(value))
            return;
        switch (kind)
        {
            case AccumulatorKind.Sum:
                State<InputSum>(block, fixedOffset).Add(value);
                break;
            case AccumulatorKind.Min:
                ref var least = ref State<double>(block, fixedOffset);
                least = double.IsNaN(least) ? value : Math.Min(least, value);
                break;
            case AccumulatorKind.Max:
                ref var greatest = ref State<double>(block, fixedOffset);
                greatest = double.IsNaN(greatest) ? value : Math.Max(greatest, value);
                break;
            case AccumulatorKind.Last:
                ref var last = ref State<LastState>(block, fixedOffset);
                if (timeMs >= last.TimeMs)
                    last = new LastState { TimeMs = timeMs, Value = value };
                break;
        }
    }

    public void Subtract(Span<byte> block, int fixedOffset, double value)
    {
        if (kind is AccumulatorKind.Events)
            State<long>(block, fixedOffset)--;
        else if (kind is AccumulatorKind.Sum && !double.IsNaN(value))
            State<InputSum>(block, fixedOffset).Subtract(value);
    }

    /// <summary>Number of events or of non-null inputs.</summary>
    public long Count(ReadOnlySpan<byte> block, int fixedOffset) =>
        kind is AccumulatorKind.Events ? State<long>(block, fixedOffset) : State<InputSum>(block, fixedOffset).Count;

    public double Sum(ReadOnlySpan<byte> block, int fixedOffset) => State<InputSum>(block, fixedOffset).Total;

    /// <summary>The least, greatest or last input; NaN where there was none.</summary>
    public double Value(ReadOnlySpan<byte> block, int fixedOffset) =>
        kind is AccumulatorKind.Last ? State<LastState>(block, fixedOffset).Value : State<double>(block, fixedOffset);

    private ref T State<T>(ReadOnlySpan<byte> block, int fixedOffset)
        where T : struct =>
        ref Unsafe.As<byte, T>(ref MemoryMarshal.GetReference(block.Slice(fixedOffset + offset, Unsafe.SizeOf<T>())));

    private struct LastState
    {
        public long TimeMs;
        public double Value;
    }
}

internal enum AccumulatorKind
{
    /// <summary>Number of events.</summary>
    Events,

    /// <summary>Number and sum of the non-null inputs.</summary>
    Sum,
    Min,
    Max,
    Last,
}
