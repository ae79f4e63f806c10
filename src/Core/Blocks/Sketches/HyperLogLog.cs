using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FeatureStore.Core.Blocks.Sketches;

/// <summary>
/// About how many different values there were: HyperLogLog++ (S. Heule, M. Nunkesser, A. Hall, 2013) with the improved raw estimator of O. Ertl (2017,
/// "New cardinality estimation algorithms for HyperLogLog sketches"), which needs no tables. Standard error 1.04/√m with m = 2^precision registers, 2.3 % at the
/// default, with a bias of about 1/m; in the sizes below the greatest the number is exact but for collisions of 26 bits. The state depends on the set of
/// values alone.
/// <code>
/// below SizeMax: int32 number of entries; uint32 entries, ascending: 26 bits index, 6 bits rank (the position of the first 1 in the hash after the index)
/// SizeMax:       m registers of 6 bits, each the greatest rank of its index of precision bits
/// </code>
/// </summary>
internal sealed class HyperLogLog : ISketch
{
    public const int PrecisionDefault = 11;
    public const int PrecisionMin = 4;
    public const int PrecisionMax = 14;

    private const int RankBits = 6;
    private const int IndexBits = 26;
    private const int RestBits = 64 - IndexBits;
    private const ulong RegisterMask = (1 << RankBits) - 1;

    /// <summary>Of sixteen registers.</summary>
    private const int SixteenBytes = 12;

    /// <summary>Three bytes to each four, and back.</summary>
    private static Vector128<byte> Apart => Vector128.Create((byte)0, 1, 2, 255, 3, 4, 5, 255, 6, 7, 8, 255, 9, 10, 11, 255);

    private static Vector128<byte> Together => Vector128.Create((byte)0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 255, 255, 255, 255);

    private readonly int _precision;
    private readonly SizeLadder _ladder;

    /// <param name="precision">Bits of the register's index; <see cref="PrecisionMin"/> to <see cref="PrecisionMax"/>.</param>
    public HyperLogLog(int precision = PrecisionDefault)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(precision, PrecisionMin);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(precision, PrecisionMax);
        _precision = precision;
        _ladder = new SizeLadder(32, (1 << precision) * RankBits / 8);
    }

    public int SizeMin => _ladder.Min;

    public int SizeMax => _ladder.Max;

    /// <summary>Standard error of the estimate, relative, at <see cref="SizeMax"/>.</summary>
    public double StandardError => 1.04 / Math.Sqrt(1 << _precision);

    public int SizeNext(int size) => _ladder.Next(size);

    /// <summary>Takes in a value by its hash.</summary>
    /// <param name="state">The state; changed in place.</param>
    /// <param name="hash">All 64 bits well mixed, as those of <see cref="StableHash"/>.</param>
    /// <returns>False where the state must grow first.</returns>
    public bool TryAdd(Span<byte> state, ulong hash)
    {
        if (state.Length == SizeMax)
        {
            AddToRegister(state, hash);
            return true;
        }

        // The bit put in after the hash bounds the rank where all of its bits are 0.
        var rank = BitOperations.LeadingZeroCount(hash << IndexBits | 1UL << (IndexBits - 1)) + 1;
        var entry = (uint)(hash >> RestBits) << RankBits | (uint)rank;
        var words = MemoryMarshal.Cast<byte, uint>(state);
        var entries = words[1..];
        var count = (int)words[0];
        var place = SortedSpan.PlaceOf<uint>(entries[..count], entry & ~(uint)RegisterMask);
        if (place < count && (entries[place] ^ entry) <= RegisterMask)
        {
            entries[place] = Math.Max(entries[place], entry);
            return true;
        }

        if (count == entries.Length)
            return false;
        entries[place..count].CopyTo(entries[(place + 1)..]);
        entries[place] = entry;
        words[0]++;
        return true;
    }

    public void Grow(ReadOnlySpan<byte> from, Span<byte> to)
    {
        if (to.Length == SizeMax)
            Merge(to, from);
        else
            from.CopyTo(to);
    }

    public void Merge(Span<byte> into, ReadOnlySpan<byte> from) => MergeRows(into, from, from.Length, from.Length, 1);

    /// <remarks>In a byte for each register.</remarks>
    public void MergeRows(Span<byte> into, ReadOnlySpan<byte> states, int stride, int size, int count)
    {
        Span<byte> ranks = stackalloc byte[1 << _precision];
        ranks.Clear();
        TakeRegisters(into, ranks);
        for (var row = 0; row < count; row++)
        {
            var state = states.Slice(row * stride, size);
            if (size == SizeMax)
                TakeRegisters(state, ranks);
            else
                TakeEntries(Entries(state), ranks);
        }

        WriteRegisters(ranks, into);
    }

    /// <summary>About how many different values were added; a whole number.</summary>
    public double Estimate(ReadOnlySpan<byte> state)
    {
        if (state.Length != SizeMax)
        {
            // How many values fill so many of 2²⁶ places, on average.
            const double Places = 1 << IndexBits;
            return Math.Round(-Places * Math.Log(1 - Entries(state).Length / Places));
        }

        var rankMax = 65 - _precision;
        Span<byte> ranks = stackalloc byte[1 << _precision];
        ranks.Clear();
        TakeRegisters(state, ranks);
        Span<int> counts = stackalloc int[rankMax + 1];
        var left = ranks.Length;
        for (var rank = 0; rank < rankMax; left -= counts[rank], rank++)
            counts[rank] = left == 0 ? 0 : ranks.Count((byte)rank);
        counts[rankMax] = left;

        double registers = 1 << _precision;
        var sum = registers * Saturated(1 - counts[rankMax] / registers);
        for (var rank = rankMax - 1; rank > 0; rank--)
            sum = (sum + counts[rank]) / 2;
        sum += registers * Untouched(counts[0] / registers);
        return Math.Round(Math.Min(registers * registers / (2 * Math.Log(2) * sum), Math.Pow(2, 64)));
    }

    public string? Check(ReadOnlySpan<byte> state)
    {
        if (!_ladder.Contains(state.Length))
            return $"a HyperLogLog of precision {_precision} never has {state.Length} bytes";
        if (state.Length == SizeMax)
            return null;
        var words = MemoryMarshal.Cast<byte, uint>(state);
        if (words[0] >= words.Length)
            return $"a HyperLogLog of {state.Length} bytes cannot hold {words[0]} entries";
        var entries = Entries(state);
        for (var i = 1; i < entries.Length; i++)
        {
            if (entries[i - 1] >> RankBits >= entries[i] >> RankBits)
                return "the entries of a HyperLogLog do not ascend";
        }

        return null;
    }

    private static ReadOnlySpan<uint> Entries(ReadOnlySpan<byte> state)
    {
        var words = MemoryMarshal.Cast<byte, uint>(state);
        return words.Slice(1, (int)words[0]);
    }

    private void AddToRegister(Span<byte> state, ulong hash)
    {
        var register = (int)(hash >> (64 - _precision));
        var rank = BitOperations.LeadingZeroCount(hash << _precision | 1UL << (_precision - 1)) + 1;
        // Four registers in three bytes: the first two lie in the first two of them, the others in the last two.
        var half = register >> 1 & 1;
        ref var pair = ref MemoryMarshal.AsRef<ushort>(state[((register >> 2) * 3 + half)..]);
        var shift = (register & 3) * RankBits - half * 8;
        if ((pair >> shift & (int)RegisterMask) < rank)
            pair = (ushort)(pair & ~((int)RegisterMask << shift) | rank << shift);
    }

    /// <summary>Raises ranks to those of a state's registers, sixteen at a time, four of them in each three bytes.</summary>
    private static void TakeRegisters(ReadOnlySpan<byte> state, Span<byte> ranks)
    {
        var sixteens = MemoryMarshal.Cast<byte, Vector128<byte>>(ranks);
        for (var at = 0; at < sixteens.Length; at++)
        {
            var bytes = state.Slice(at * SixteenBytes, SixteenBytes);
            var fours = Vector128.Shuffle(Vector128.Create(MemoryMarshal.Read<ulong>(bytes), MemoryMarshal.Read<uint>(bytes[sizeof(ulong)..])).AsByte(), Apart).AsUInt32();
            var taken = fours & Vector128.Create(0x3fu) | fours << 2 & Vector128.Create(0x3f00u) | fours << 4 & Vector128.Create(0x3f0000u) | fours << 6 & Vector128.Create(0x3f000000u);
            sixteens[at] = Vector128.Max(sixteens[at], taken.AsByte());
        }
    }

    /// <summary>Writes ranks as registers.</summary>
    private static void WriteRegisters(ReadOnlySpan<byte> ranks, Span<byte> state)
    {
        var sixteens = MemoryMarshal.Cast<byte, Vector128<uint>>(ranks);
        for (var at = 0; at < sixteens.Length; at++)
        {
            var of = sixteens[at];
            var fours = of & Vector128.Create(0x3fu) | of >> 2 & Vector128.Create(0xfc0u) | of >> 4 & Vector128.Create(0x3f000u) | of >> 6 & Vector128.Create(0xfc0000u);
            var bytes = Vector128.Shuffle(fours.AsByte(), Together);
            MemoryMarshal.Write(state[(at * SixteenBytes)..], bytes.AsUInt64()[0]);
            MemoryMarshal.Write(state[(at * SixteenBytes + sizeof(ulong))..], bytes.AsUInt32()[2]);
        }
    }

    /// <summary>Raises ranks to those of entries: what an index has beyond the register's is the beginning of a rank.</summary>
    private void TakeEntries(ReadOnlySpan<uint> entries, Span<byte> ranks)
    {
        var restBits = IndexBits - _precision;
        foreach (var entry in entries)
        {
            var rest = entry << _precision >> (RankBits + _precision);
            var rank = rest == 0 ? restBits + (entry & (uint)RegisterMask) : (uint)(BitOperations.LeadingZeroCount(rest) - (32 - restBits) + 1);
            ref var greatest = ref ranks[(int)(entry >> (32 - _precision))];
            greatest = Math.Max(greatest, (byte)rank);
        }
    }

    /// <summary>What the share of registers at 0 adds to the sum: Ertl's σ, x + Σ x^(2^k)·2^(k − 1).</summary>
    private static double Untouched(double share)
    {
        if (share >= 1)
            return double.PositiveInfinity;
        var (sum, power) = (share, share * share);
        for (var weight = 1.0; power * weight > sum * 1e-17; weight *= 2, power *= power)
            sum += power * weight;
        return sum;
    }

    /// <summary>What the share of registers that are not at the greatest rank adds: Ertl's τ, (1 − x − Σ (1 − x^(2^−k))²·2^−k)/3.</summary>
    private static double Saturated(double share)
    {
        if (share is <= 0 or >= 1)
            return 0;
        var (sum, root, weight) = (1 - share, share, 1.0);
        for (var k = 0; k < 60; k++)
        {
            root = Math.Sqrt(root);
            weight /= 2;
            sum -= (1 - root) * (1 - root) * weight;
        }

        return sum / 3;
    }
}
