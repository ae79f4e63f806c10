using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>
/// Sum of inputs, or number of events, each worth half after each half-life: int64 k, number of inputs (int64), and Σ v·2^(tᵢ/h − k) with k the greatest ⌊tᵢ/h⌋ + 1. Only whole powers of two
/// are ever multiplied afterwards, so nothing is rounded twice; when all inputs are taken back, so is what rounding left.
/// </summary>
/// <param name="halfLife">More than 0.</param>
/// <param name="ofValues">False: of ones.</param>
/// <param name="ofMean">Whether it belongs to a mean, and came to be with the other half of it.</param>
internal sealed class DecayedCell(TimeSpan halfLife, bool ofValues, bool ofMean = false) : Cell
{
    public override string Description => $"decayed_{(ofMean ? "mean_" : "")}{(ofValues ? "sum" : "count")} {halfLife.Ticks}";

    public override int Size => Unsafe.SizeOf<State>();

    public override bool CanRemove => true;

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        ref var sum = ref Memory.At<State>(state);
        Add(ref sum, timeMs, ofValues ? MemoryMarshal.Read<double>(value) : 1);
        sum.Count++;
        return true;
    }

    public override bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        ref var sum = ref Memory.At<State>(state);
        if (sum.Count <= 0)
            return false;
        if (--sum.Count == 0)
            sum = default;
        else
            Add(ref sum, timeMs, ofValues ? -MemoryMarshal.Read<double>(value) : -1);
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from)
    {
        ref var sum = ref Memory.At<State>(into);
        var other = Memory.At<State>(from);
        sum.Count += other.Count;
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
        return Math.ScaleB(sum.Sum.Total * Math.Pow(2, -fraction - 1), Exponent(sum.HalfLives - halfLives + 1));
    }

    /// <summary>Decayed sum ÷ decayed count: neither has to be scaled to a time, at which both could be too small for a double.</summary>
    public static double Ratio(ReadOnlySpan<byte> sums, ReadOnlySpan<byte> counts)
    {
        ref readonly var sum = ref Memory.At<State>(sums);
        ref readonly var count = ref Memory.At<State>(counts);
        if (sum.Count <= 0)
            return double.NaN;
        return sum.Sum.IsZero ? 0 : Math.ScaleB(sum.Sum.Total / count.Sum.Total, Exponent(sum.HalfLives - count.HalfLives));
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

    /// <summary>A time as k half-lives and a fraction of at least −1 and less than 0 of one: no input grows, and overflows, before its time.</summary>
    private (long HalfLives, double Fraction) Split(long timeMs)
    {
        var (quotient, remainder) = Math.DivRem(timeMs * TimeSpan.TicksPerMillisecond, halfLife.Ticks);
        return remainder >= 0 ? (quotient + 1, (double)remainder / halfLife.Ticks - 1) : (quotient, (double)remainder / halfLife.Ticks);
    }

    private static int Exponent(long halfLives) => (int)Math.Clamp(halfLives, -5000, 5000);

    private struct State
    {
        public long HalfLives;
        public long Count;
        public CompensatedSum Sum;
    }
}
