using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>What variance, skew and kurtosis come from.</summary>
internal abstract class MomentsCell : Cell
{
    /// <summary>Number of inputs, and their central sums as of now.</summary>
    public abstract (double Count, double Second, double Third, double Fourth) Sums(ReadOnlySpan<byte> state);

    /// <summary>NaN where it is undefined.</summary>
    public double Variance(ReadOnlySpan<byte> state, bool sample)
    {
        var (count, second, _, _) = Sums(state);
        return count < (sample ? 2 : 1) ? double.NaN : second / (sample ? count - 1 : count);
    }

    /// <summary>NaN where it is undefined.</summary>
    public double Skew(ReadOnlySpan<byte> state, bool sample)
    {
        var (count, second, third, _) = Sums(state);
        if (count < (sample ? 3 : 1) || second == 0)
            return double.NaN;
        var deviation = Math.Sqrt(second / count);
        var skew = third / count / deviation / deviation / deviation;
        return sample ? Math.Sqrt(count * (count - 1)) / (count - 2) * skew : skew;
    }

    /// <summary>In excess of 3; NaN where it is undefined.</summary>
    public double Kurtosis(ReadOnlySpan<byte> state, bool sample)
    {
        var (count, second, _, fourth) = Sums(state);
        if (count < (sample ? 4 : 1) || second == 0)
            return double.NaN;
        var variance = second / count;
        var kurtosis = fourth / count / variance / variance - 3;
        return sample ? (count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * kurtosis + 6) : kurtosis;
    }
}

/// <summary>Of inputs that are never taken back.</summary>
internal sealed class PlainMomentsCell : MomentsCell
{
    public override string Description => "moments";

    public override int Size => Unsafe.SizeOf<Moments<Real>>();

    public override (double Count, double Second, double Third, double Fourth) Sums(ReadOnlySpan<byte> state)
    {
        ref readonly var moments = ref Memory.At<Moments<Real>>(state);
        return (moments.Count, Math.Max(0, moments.Second.Value), moments.Third.Value, moments.Fourth.Value);
    }

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        Memory.At<Moments<Real>>(state).Add(MemoryMarshal.Read<double>(value));
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from) => MergeRows(into, from, Size, Size, 1);

    public override void MergeRows(Span<byte> into, ReadOnlySpan<byte> states, int stride, int size, int count) =>
        Memory.At<Moments<Real>>(into).MergeRows(states, stride, count);

    public override void AddAll(Span<byte> state, ReadOnlySpan<long> times, ReadOnlySpan<byte> values, ReadOnlySpan<byte> keys)
    {
        ref var moments = ref Memory.At<Moments<Real>>(state);
        foreach (var value in MemoryMarshal.Cast<byte, double>(values))
        {
            if (!double.IsNaN(value))
                moments.Add(value);
        }
    }
}

/// <summary>
/// Of inputs that can be taken back, in twice the precision. A central sum below 10⁻²⁴ of the greatest that the state had is what rounding left, and counts as 0.
/// </summary>
internal sealed class RemovableMomentsCell : MomentsCell
{
    private const double Residue = 1e-24;

    public override string Description => "removable_moments";

    public override int Size => Unsafe.SizeOf<State>();

    public override bool CanRemove => true;

    public override (double Count, double Second, double Third, double Fourth) Sums(ReadOnlySpan<byte> state)
    {
        ref readonly var it = ref Memory.At<State>(state);
        var second = it.Moments.Second.ToDouble();
        return (it.Moments.Count, second <= Residue * it.Greatest ? 0 : second, it.Moments.Third.ToDouble(), it.Moments.Fourth.ToDouble());
    }

    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        ref var it = ref Memory.At<State>(state);
        it.Moments.Add(MemoryMarshal.Read<double>(value));
        it.Greatest = Math.Max(it.Greatest, it.Moments.Second.ToDouble());
        return true;
    }

    public override bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        ref var it = ref Memory.At<State>(state);
        if (it.Moments.Count < 1)
            return false;
        if (it.Moments.Count == 1)
            it = default;
        else
            it.Moments.Remove(MemoryMarshal.Read<double>(value));
        return true;
    }

    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from) => MergeRows(into, from, Size, Size, 1);

    public override void MergeRows(Span<byte> into, ReadOnlySpan<byte> states, int stride, int size, int count)
    {
        ref var it = ref Memory.At<State>(into);
        it.Moments.MergeRows(states, stride, count);
        it.Greatest = Math.Max(it.Greatest, it.Moments.Second.ToDouble());
        for (var row = 0; row < count; row++)
            it.Greatest = Math.Max(it.Greatest, Memory.At<State>(states, row * stride).Greatest);
    }

    private struct State
    {
        public Moments<DoubleReal> Moments;
        public double Greatest;
    }
}
