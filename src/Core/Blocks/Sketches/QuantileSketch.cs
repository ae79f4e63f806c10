using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks.Sketches;

/// <summary>
/// Quantiles within a relative error: DDSketch (C. Masson, J. Rim, H. Lee, 2019) in bounded memory by uniform collapse (UDDSketch: I. Epicoco et al., 2020).
/// A value v falls into the bucket i = ⌈log_γ |v|⌉ of its sign, γ = (1 + α)/(1 − α), or into the bucket of zero. Where there would be more buckets than
/// the bound, neighbours 2i − 1 and 2i become one, which squares γ and makes α to 2α/(1 + α²): one level up. An answer is within α of the value at
/// the asked rank; next to zero it is rounded to a multiple of the least double, and beyond the greatest to that.
/// Without removals the state depends on the multiset of values alone; a removal empties its bucket but never goes down a level.
/// <code>
/// int32 level, int32 number of buckets, then the buckets, ascending by value: 20 bits key, 44 bits count (which stays at its greatest once there)
/// </code>
/// A key is 0 for zero and ±(i + 2¹⁸) for other values, so that keys are ordered as values are.
/// </summary>
internal sealed class QuantileSketch : ISketch
{
    public const double ErrorDefault = 0.01;
    public const double ErrorMin = 0.002;
    public const double ErrorMax = 0.5;
    public const int BucketsDefault = 256;

    /// <summary>From here on every set of values fits at the last level.</summary>
    public const int BucketsMin = 8;
    public const int BucketsLimit = 4096;

    private const int HeaderBytes = 8;
    private const int CountBits = 44;
    private const ulong CountMax = (1UL << CountBits) - 1;
    private const int KeyOfZero = 1 << 19;
    private const int IndexBias = 1 << 18;

    /// <summary>Every index at level 0 is nearer to 0: |ln v| &lt; 745, and ln γ &gt; 0.004.</summary>
    private const int IndexEnd = IndexBias - 1;

    /// <summary>Here are only the indices 0 and 1, so at most five buckets.</summary>
    private const int LevelMax = 18;

    /// <summary>Buckets of a table, on the stack: at level 0 of the default error, values of one sign may differ by a factor of 10¹⁷.</summary>
    private const int TableMax = 2048;

    private readonly SizeLadder _ladder;
    private readonly double _logGamma;
    private readonly double _indicesPerLog;

    /// <param name="error">Relative error α at level 0; <see cref="ErrorMin"/> to <see cref="ErrorMax"/>.</param>
    /// <param name="bucketsMax">Bound of the number of buckets; <see cref="BucketsMin"/> to <see cref="BucketsLimit"/>.</param>
    public QuantileSketch(double error = ErrorDefault, int bucketsMax = BucketsDefault)
    {
        if (!(error is >= ErrorMin and <= ErrorMax))
            throw new ArgumentOutOfRangeException(nameof(error));
        ArgumentOutOfRangeException.ThrowIfLessThan(bucketsMax, BucketsMin);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bucketsMax, BucketsLimit);
        _ladder = new SizeLadder(32, HeaderBytes + bucketsMax * sizeof(ulong));
        _logGamma = StableLog.Of((1 + error) / (1 - error));
        _indicesPerLog = 1 / _logGamma;
    }

    public int SizeMin => _ladder.Min;

    public int SizeMax => _ladder.Max;

    public int SizeNext(int size) => _ladder.Next(size);

    /// <summary>Takes in a finite value.</summary>
    /// <returns>False where the state must grow first.</returns>
    public bool TryAdd(Span<byte> state, double value)
    {
        while (true)
        {
            ref var header = ref HeaderOf(state);
            var buckets = Words(state);
            var key = KeyOf(value, header.Level);
            var place = SortedSpan.PlaceOf<ulong>(buckets[..header.Count], (ulong)key << CountBits);
            if (place < header.Count && Key(buckets[place]) == key)
            {
                buckets[place] = Plus(buckets[place], 1);
                return true;
            }

            if (header.Count < buckets.Length)
            {
                buckets[place..header.Count].CopyTo(buckets[(place + 1)..]);
                buckets[place] = (ulong)key << CountBits | 1;
                header.Count++;
                return true;
            }

            if (state.Length < SizeMax)
                return false;
            Collapse(ref header, buckets);
        }
    }

    /// <summary>Takes a value out again that was added.</summary>
    /// <returns>False where its bucket is empty; nothing changes then.</returns>
    public bool TryRemove(Span<byte> state, double value)
    {
        ref var header = ref HeaderOf(state);
        var buckets = Words(state)[..header.Count];
        var key = KeyOf(value, header.Level);
        var place = SortedSpan.PlaceOf<ulong>(buckets, (ulong)key << CountBits);
        if (place == buckets.Length || Key(buckets[place]) != key)
            return false;
        var count = buckets[place] & CountMax;
        if (count > 1)
        {
            if (count < CountMax)
                buckets[place]--;
            return true;
        }

        buckets[(place + 1)..].CopyTo(buckets[place..]);
        buckets[^1] = 0;
        header.Count--;
        return true;
    }

    public void Grow(ReadOnlySpan<byte> from, Span<byte> to) => from.CopyTo(to);

    public void Merge(Span<byte> into, ReadOnlySpan<byte> from)
    {
        ref var header = ref HeaderOf(into);
        var source = MemoryMarshal.Read<Header>(from);
        var added = Words(from)[..source.Count];
        var buckets = Words(into);
        while (header.Level < source.Level)
            Collapse(ref header, buckets);
        int count;
        while ((count = CountOfUnion(buckets[..header.Count], added, header.Level - source.Level)) > buckets.Length)
            Collapse(ref header, buckets);
        MergeBackwards(buckets, header.Count, added, header.Level - source.Level, count);
        header.Count = count;
    }

    /// <remarks>In a table of all buckets side by side, where the values do not span more than that: the level and the counts do not depend on the order.</remarks>
    [SkipLocalsInit]
    public void MergeRows(Span<byte> into, ReadOnlySpan<byte> states, int stride, int size, int count)
    {
        var header = MemoryMarshal.Read<Header>(into);
        var level = header.Level;
        for (var row = 0; row < count; row++)
            level = Math.Max(level, LevelOf(states[(row * stride)..]));
        var reach = Reach.Nothing.With(Buckets(into), level - header.Level);
        for (var row = 0; row < count; row++)
            reach = reach.With(Buckets(states.Slice(row * stride, size)), level - LevelOf(states[(row * stride)..]));
        if (reach.Length > TableMax)
        {
            for (var row = 0; row < count; row++)
                Merge(into, states.Slice(row * stride, size));
            return;
        }

        Span<ulong> whole = stackalloc ulong[TableMax];
        var table = whole[..reach.Length];
        table.Clear();
        reach.Add(Buckets(into), level - header.Level, table);
        for (var row = 0; row < count; row++)
            reach.Add(Buckets(states.Slice(row * stride, size)), level - LevelOf(states[(row * stride)..]), table);
        header = new Header { Level = level, Count = reach.Gather(table) };
        var buckets = Words(into);
        while (header.Count > buckets.Length)
            Collapse(ref header, table);
        table[..header.Count].CopyTo(buckets);
        buckets[header.Count..].Clear();
        HeaderOf(into) = header;
    }

    /// <summary>Values that were added and not removed.</summary>
    public static long Count(ReadOnlySpan<byte> state)
    {
        long count = 0;
        foreach (var bucket in Buckets(state))
            count += (long)(bucket & CountMax);
        return count;
    }

    /// <summary>The value at a rank of the sorted values, within <see cref="ErrorOf"/> of it; NaN where there is none.</summary>
    /// <param name="state">The state.</param>
    /// <param name="quantile">0 to 1; see <see cref="RankOf"/>.</param>
    public double Quantile(ReadOnlySpan<byte> state, double quantile)
    {
        var rank = RankOf(quantile, Count(state));
        foreach (var bucket in Buckets(state))
        {
            rank -= (long)(bucket & CountMax);
            if (rank <= 0)
                return ValueOf(Key(bucket), LevelOf(state));
        }

        return double.NaN;
    }

    /// <summary>Greatest relative error of an answer from this state.</summary>
    public double ErrorOf(ReadOnlySpan<byte> state) => Math.Tanh(Math.ScaleB(_logGamma, LevelOf(state)) / 2);

    /// <summary>
    /// The nearest rank, 1 to <paramref name="count"/>: ⌈q·n⌉, at least the first. A product that is above a whole number by rounding alone counts as that
    /// number: the 0.07 quantile of 100 values is the 7th, though the double 0.07 is a little greater.
    /// </summary>
    public static long RankOf(double quantile, long count)
    {
        var product = quantile * count;
        return Math.Clamp((long)Math.Ceiling(product - product * 4e-16), 1, Math.Max(count, 1));
    }

    public string? Check(ReadOnlySpan<byte> state)
    {
        if (!_ladder.Contains(state.Length))
            return $"a quantile sketch never has {state.Length} bytes";
        var header = MemoryMarshal.Read<Header>(state);
        if (header.Level is < 0 or > LevelMax)
            return $"a quantile sketch has no level {header.Level}";
        if (header.Count < 0 || header.Count > Words(state).Length)
            return $"a quantile sketch of {state.Length} bytes cannot hold {header.Count} buckets";
        var (first, last) = (IndexAt(-IndexEnd, header.Level), IndexAt(IndexEnd, header.Level));
        var before = -1;
        foreach (var bucket in Buckets(state))
        {
            var key = Key(bucket);
            if (key <= before)
                return "the buckets of a quantile sketch do not ascend";
            if (key != KeyOfZero && Index(key) is var index && (index < first || index > last))
                return $"level {header.Level} of a quantile sketch has no bucket {index}";
            if ((bucket & CountMax) == 0)
                return "a bucket of a quantile sketch is empty";
            before = key;
        }

        return null;
    }

    private static ref Header HeaderOf(Span<byte> state) => ref MemoryMarshal.AsRef<Header>(state);

    private static Span<ulong> Words(Span<byte> state) => MemoryMarshal.Cast<byte, ulong>(state[HeaderBytes..]);

    private static ReadOnlySpan<ulong> Words(ReadOnlySpan<byte> state) => MemoryMarshal.Cast<byte, ulong>(state[HeaderBytes..]);

    private static ReadOnlySpan<ulong> Buckets(ReadOnlySpan<byte> state) => Words(state)[..MemoryMarshal.Read<Header>(state).Count];

    private static int LevelOf(ReadOnlySpan<byte> state) => MemoryMarshal.Read<Header>(state).Level;

    private static int Key(ulong bucket) => (int)(bucket >> CountBits);

    private static int Index(int key) => Math.Abs(key - KeyOfZero) - IndexBias;

    /// <summary>The index some levels up: ⌈index/2^levels⌉.</summary>
    private static int IndexAt(int index, int levels) => -(-index >> levels);

    private static int KeyAt(int key, int levels) => key switch
    {
        > KeyOfZero => KeyOfZero + (IndexAt(Index(key), levels) + IndexBias),
        < KeyOfZero => KeyOfZero - (IndexAt(Index(key), levels) + IndexBias),
        _ => key,
    };

    private static ulong Plus(ulong bucket, ulong count) => bucket + Math.Min(count, CountMax - (bucket & CountMax));

    private int KeyOf(double value, int level)
    {
        if (value == 0)
            return KeyOfZero;
        var index = IndexAt((int)Math.Ceiling(StableLog.Of(Math.Abs(value)) * _indicesPerLog), level) + IndexBias;
        return value > 0 ? KeyOfZero + index : KeyOfZero - index;
    }

    /// <summary>The value whose relative distance to both ends of the bucket is the same: 2γⁱ/(γ + 1), in an order that no level overflows.</summary>
    private double ValueOf(int key, int level)
    {
        if (key == KeyOfZero)
            return 0;
        var logGamma = Math.ScaleB(_logGamma, level);
        // The exponential of the least doubles is rounded only once when it is taken in two halves.
        var half = Math.Exp((Index(key) - 1) * logGamma / 2);
        var value = Math.Min(half * (2 / (1 + Math.Exp(-logGamma))) * half, double.MaxValue);
        return key > KeyOfZero ? value : -value;
    }

    /// <summary>One level up.</summary>
    private static void Collapse(ref Header header, Span<ulong> buckets)
    {
        var last = -1;
        foreach (var bucket in buckets[..header.Count])
        {
            var key = KeyAt(Key(bucket), 1);
            if (last >= 0 && Key(buckets[last]) == key)
                buckets[last] = Plus(buckets[last], bucket & CountMax);
            else
                buckets[++last] = (ulong)key << CountBits | bucket & CountMax;
        }

        buckets[(last + 1)..header.Count].Clear();
        header.Count = last + 1;
        header.Level++;
    }

    /// <summary>Number of different keys, where those of the added buckets go up some levels.</summary>
    private static int CountOfUnion(ReadOnlySpan<ulong> buckets, ReadOnlySpan<ulong> added, int levels)
    {
        var (count, i, last) = (buckets.Length, 0, -1);
        foreach (var bucket in added)
        {
            var key = KeyAt(Key(bucket), levels);
            if (key == last)
                continue;
            last = key;
            while (i < buckets.Length && Key(buckets[i]) < key)
                i++;
            if (i == buckets.Length || Key(buckets[i]) != key)
                count++;
        }

        return count;
    }

    /// <summary>From the end, so that no bucket is written over before it is read.</summary>
    private static void MergeBackwards(Span<ulong> buckets, int count, ReadOnlySpan<ulong> added, int levels, int total)
    {
        var (i, last) = (count - 1, total);
        for (var j = added.Length - 1; j >= 0; j--)
        {
            var key = KeyAt(Key(added[j]), levels);
            while (i >= 0 && Key(buckets[i]) >= key)
                buckets[--last] = buckets[i--];
            if (last == total || Key(buckets[last]) != key)
                buckets[--last] = (ulong)key << CountBits;
            buckets[last] = Plus(buckets[last], added[j] & CountMax);
        }
    }

    /// <summary>Where the buckets of some states lie in a table of their own: negative ones, zero, positive ones, each a bucket behind the one before.</summary>
    /// <param name="Least">The index next to zero.</param>
    /// <param name="Negative">The greatest index of a negative bucket; below the least: there is none.</param>
    /// <param name="Positive">The same of a positive one.</param>
    private readonly record struct Reach(int Least, int Negative, int Positive)
    {
        public static readonly Reach Nothing = new(IndexBias, -IndexBias, -IndexBias);

        public int Length => PlaceOfZero + 1 + Math.Max(0, Positive - Least + 1);

        private int PlaceOfZero => Math.Max(0, Negative - Least + 1);

        /// <summary>With the buckets of another state, which go up some levels.</summary>
        public Reach With(ReadOnlySpan<ulong> buckets, int levels)
        {
            var reach = this;
            var zero = SortedSpan.PlaceOf(buckets, (ulong)KeyOfZero << CountBits);
            if (zero > 0)
                reach = new(Math.Min(reach.Least, IndexOf(buckets[zero - 1])), Math.Max(reach.Negative, IndexOf(buckets[0])), reach.Positive);
            if (zero < buckets.Length && Key(buckets[zero]) == KeyOfZero)
                zero++;
            if (zero < buckets.Length)
                reach = new(Math.Min(reach.Least, IndexOf(buckets[zero])), reach.Negative, Math.Max(reach.Positive, IndexOf(buckets[^1])));
            return reach;

            int IndexOf(ulong bucket) => IndexAt(Index(Key(bucket)), levels);
        }

        /// <summary>Adds the counts of a state.</summary>
        public void Add(ReadOnlySpan<ulong> buckets, int levels, Span<ulong> table)
        {
            var zero = PlaceOfZero;
            foreach (var bucket in buckets)
            {
                var distance = Key(bucket) - KeyOfZero;
                var place = distance switch
                {
                    > 0 => zero + 1 + (IndexAt(distance - IndexBias, levels) - Least),
                    < 0 => zero - 1 - (IndexAt(-distance - IndexBias, levels) - Least),
                    _ => zero,
                };
                table[place] += bucket & CountMax;
            }
        }

        /// <summary>Makes buckets of all counts, from the table's first place on.</summary>
        /// <returns>How many.</returns>
        public int Gather(Span<ulong> table)
        {
            var (zero, count) = (PlaceOfZero, 0);
            for (var place = 0; place < table.Length; place++)
            {
                if (table[place] == 0)
                    continue;
                var index = IndexBias + Least + (Math.Abs(place - zero) - 1);
                var key = KeyOfZero + Math.Sign(place - zero) * index;
                table[count++] = (ulong)key << CountBits | Math.Min(table[place], CountMax);
            }

            return count;
        }
    }

    private struct Header
    {
        public int Level;
        public int Count;
    }
}
