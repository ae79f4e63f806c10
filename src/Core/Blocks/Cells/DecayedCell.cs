using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>
/// Sum of inputs, or number of events, each worth half after each half-life: int64 k, then Σ v·2^(tᵢ/h − k) with k the greatest ⌊tᵢ/h⌋. Only whole powers of two
/// are ever multiplied afterwards, so nothing is rounded twice and what is taken back leaves nothing.
/// </summary>
/// <param name="halfLife">More than 0.</param>
/// <param name="ofValues">False: of ones.</param>
internal sealed class DecayedCell(TimeSpan halfLife, bool ofValues) : Cell
{
    public override string Description => $"decayed_{(ofValues ? "sum" : "count")} {halfLife.Ticks}";

    public override int Size => Unsafe.SizeOf<State>();

    public override bool CanRemove => true;

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        Add(ref Memory.At<State>(state), timeMs, ofValues ? MemoryMarshal.Read<double>(value) : 1);
        return true;
    }

    public override bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        Add(ref Memory.At<State>(state), timeMs, ofValues ? -MemoryMarshal.Read<double>(value) : -1);
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from)
    {
        ref var sum = ref Memory.At<State>(into);
        var other = Memory.At<State>(from);
        if (other.Sum.IsZero)
            return;
        MoveTo(ref sum, other.HalfLives);
        MoveTo(ref other, sum.HalfLives);
        sum.Sum.Merge(other.Sum);
    }

    /// <summary>The sum as of a time.</summary>
    public double Value(ReadOnlySpan<byte> state, long asOfMs)
    {
        ref readonly var sum = ref Memory.At<State>(state);
        var (halfLives, fraction) = Split(asOfMs);
        return Math.ScaleB(sum.Sum.Total * Math.Pow(2, -fraction), Exponent(sum.HalfLives - halfLives));
    }

    /// <summary>Decayed sum ÷ decayed count: neither has to be scaled to a time, at which both could be too small for a double.</summary>
    public static double Ratio(ReadOnlySpan<byte> sums, ReadOnlySpan<byte> counts)
    {
        ref readonly var sum = ref Memory.At<State>(sums);
        ref readonly var count = ref Memory.At<State>(counts);
        return sum.Sum.IsZero ? 0 / count.Sum.Total : Math.ScaleB(sum.Sum.Total / count.Sum.Total, Exponent(sum.HalfLives - count.HalfLives));
    }

    private void Add(ref State sum, long timeMs, double value)
    {
        var (halfLives, fraction) = Split(timeMs);
        MoveTo(ref sum, halfLives);
        sum.Sum.Add(Math.ScaleB(value * Math.Pow(2, fraction), Exponent(halfLives - sum.HalfLives)));
    }

    private static void MoveTo(ref State sum, long halfLives)
    {
        if (sum.Sum.IsZero)
            sum.HalfLives = halfLives;
        if (halfLives <= sum.HalfLives)
            return;
        var exponent = Exponent(sum.HalfLives - halfLives);
        sum.Sum.Sum = Math.ScaleB(sum.Sum.Sum, exponent);
        sum.Sum.Error = Math.ScaleB(sum.Sum.Error, exponent);
        sum.HalfLives = halfLives;
    }

    private (long HalfLives, double Fraction) Split(long timeMs)
    {
        var (quotient, remainder) = Math.DivRem(timeMs * TimeSpan.TicksPerMillisecond, halfLife.Ticks);
        return remainder >= 0 ? (quotient, (double)remainder / halfLife.Ticks) : (quotient - 1, (double)(remainder + halfLife.Ticks) / halfLife.Ticks);
    }

    private static int Exponent(long halfLives) => (int)Math.Clamp(halfLives, -5000, 5000);

    private struct State
    {
        public long HalfLives;
        public CompensatedSum Sum;
    }
}
