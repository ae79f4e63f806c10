using System.Numerics;
using System.Runtime.InteropServices;

namespace FeatureStore.Core.Blocks.Sketches;

/// <summary>
/// The exact number of different values, up to a limit; with a count for each, values can be taken out again. Values are 64 bits (a number's own) or
/// 128 bits (<see cref="StableHash.Of128(ReadOnlySpan{byte})"/> of a text: two of 10⁹ texts are equal with a probability below 10⁻²⁰). Beyond the limit a new
/// value is not taken in, and the state says so from then on. Until then it depends on the multiset of values alone. Sorted, because that takes the fewest bytes,
/// and nobody can choose values that make it slow.
/// <code>
/// int32 number of values, int32 1 if truncated; the values, ascending, and room for as many as the size holds; uint32 counts (which stay at their greatest once there)
/// </code>
/// </summary>
internal sealed class DistinctCounts : ISketch
{
    public const int LimitDefault = 1000;
    public const int LimitMax = 1 << 16;

    private const int HeaderBytes = 8;

    private readonly bool _wide;
    private readonly bool _counted;
    private readonly int _limit;
    private readonly int _entryBytes;
    private readonly SizeLadder _ladder;

    /// <param name="wide">Values of 128 bits; else of 64.</param>
    /// <param name="counted">A count a value, for <see cref="TryRemove"/>.</param>
    /// <param name="limit">Most values; 1 to <see cref="LimitMax"/>.</param>
    public DistinctCounts(bool wide, bool counted, int limit = LimitDefault)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, LimitMax);
        (_wide, _counted, _limit) = (wide, counted, limit);
        _entryBytes = (wide ? 16 : 8) + (counted ? sizeof(uint) : 0);
        _ladder = new SizeLadder(32, HeaderBytes + limit * _entryBytes);
    }

    public int SizeMin => _ladder.Min;

    public int SizeMax => _ladder.Max;

    public int SizeNext(int size) => _ladder.Next(size);

    /// <summary>Takes in a value.</summary>
    /// <returns>False where the state must grow first.</returns>
    public bool TryAdd(Span<byte> state, UInt128 value) => _wide ? TryAdd(state, value, 1) : TryAdd(state, (ulong)value, 1);

    /// <summary>Takes a value out again that was added.</summary>
    /// <returns>False where it is not there, or where values have no count; nothing changes then.</returns>
    public bool TryRemove(Span<byte> state, UInt128 value) => _counted && (_wide ? TryRemove<UInt128>(state, value) : TryRemove(state, (ulong)value));

    public void Grow(ReadOnlySpan<byte> from, Span<byte> to)
    {
        var valueBytes = Count(from) * ValueBytes;
        from[..(HeaderBytes + valueBytes)].CopyTo(to);
        Counts(from).CopyTo(Counts(to));
    }

    /// <remarks>Where the union is above the limit, the other state's values go in from the least on until it is reached.</remarks>
    public void Merge(Span<byte> into, ReadOnlySpan<byte> from)
    {
        if (_wide)
            Merge<UInt128>(into, from);
        else
            Merge<ulong>(into, from);
        if (IsTruncated(from))
            HeaderOf(into).IsTruncated = 1;
    }

    /// <summary>Number of different values; at most the limit.</summary>
    public static int Count(ReadOnlySpan<byte> state) => MemoryMarshal.Read<Header>(state).Count;

    /// <summary>Whether a value was left out because the limit was reached.</summary>
    public static bool IsTruncated(ReadOnlySpan<byte> state) => MemoryMarshal.Read<Header>(state).IsTruncated != 0;

    public string? Check(ReadOnlySpan<byte> state)
    {
        if (!_ladder.Contains(state.Length))
            return $"a list of at most {_limit} values never has {state.Length} bytes";
        var header = MemoryMarshal.Read<Header>(state);
        if (header.Count < 0 || header.Count > Capacity(state))
            return $"a list of {state.Length} bytes cannot hold {header.Count} values";
        if (header.IsTruncated is not (0 or 1))
            return "a list of values is neither truncated nor complete";
        if (!(_wide ? Ascends(Values<UInt128>(state)[..header.Count]) : Ascends(Values<ulong>(state)[..header.Count])))
            return "the values of a list do not ascend";
        return _counted && Counts(state)[..header.Count].Contains(0u) ? "a listed value has no count" : null;
    }

    private int ValueBytes => _wide ? 16 : 8;

    private int Capacity(ReadOnlySpan<byte> state) => Math.Min(_limit, (state.Length - HeaderBytes) / _entryBytes);

    private static ref Header HeaderOf(Span<byte> state) => ref MemoryMarshal.AsRef<Header>(state);

    private Span<T> Values<T>(ReadOnlySpan<byte> state)
        where T : unmanaged =>
        Writable(MemoryMarshal.Cast<byte, T>(state.Slice(HeaderBytes, Capacity(state) * ValueBytes)));

    private Span<uint> Counts(ReadOnlySpan<byte> state) =>
        _counted ? Writable(MemoryMarshal.Cast<byte, uint>(state.Slice(HeaderBytes + Capacity(state) * ValueBytes, Capacity(state) * sizeof(uint)))) : default;

    /// <summary>One way to find the parts of a state, for those who read and those who write.</summary>
    private static Span<T> Writable<T>(ReadOnlySpan<T> span) => MemoryMarshal.CreateSpan(ref MemoryMarshal.GetReference(span), span.Length);

    private bool TryAdd<T>(Span<byte> state, T value, uint count)
        where T : unmanaged, IComparisonOperators<T, T, bool>
    {
        ref var header = ref HeaderOf(state);
        var values = Values<T>(state);
        var counts = Counts(state);
        var place = SortedSpan.PlaceOf<T>(values[..header.Count], value);
        if (place < header.Count && values[place] == value)
        {
            if (_counted)
                counts[place] = Plus(counts[place], count);
            return true;
        }

        if (header.Count == values.Length)
        {
            if (state.Length < SizeMax)
                return false;
            header.IsTruncated = 1;
            return true;
        }

        values[place..header.Count].CopyTo(values[(place + 1)..]);
        values[place] = value;
        if (_counted)
        {
            counts[place..header.Count].CopyTo(counts[(place + 1)..]);
            counts[place] = count;
        }

        header.Count++;
        return true;
    }

    private bool TryRemove<T>(Span<byte> state, T value)
        where T : unmanaged, IComparisonOperators<T, T, bool>
    {
        ref var header = ref HeaderOf(state);
        var values = Values<T>(state)[..header.Count];
        var counts = Counts(state)[..header.Count];
        var place = SortedSpan.PlaceOf<T>(values, value);
        if (place == values.Length || values[place] != value)
            return false;
        if (counts[place] > 1)
        {
            if (counts[place] < uint.MaxValue)
                counts[place]--;
            return true;
        }

        values[(place + 1)..].CopyTo(values[place..]);
        values[^1] = default;
        counts[(place + 1)..].CopyTo(counts[place..]);
        counts[^1] = 0;
        header.Count--;
        return true;
    }

    private void Merge<T>(Span<byte> into, ReadOnlySpan<byte> from)
        where T : unmanaged, IComparisonOperators<T, T, bool>
    {
        ref var header = ref HeaderOf(into);
        var values = Values<T>(into);
        var counts = Counts(into);
        var added = Values<T>(from)[..Count(from)];
        var addedCounts = Counts(from);
        var total = CountOfUnion<T>(values[..header.Count], added);
        if (total > values.Length)
        {
            for (var j = 0; j < added.Length; j++)
                TryAdd(into, added[j], _counted ? addedCounts[j] : 0);
            return;
        }

        // From the end, so that no value is written over before it is read.
        var (i, last) = (header.Count - 1, total);
        for (var j = added.Length - 1; j >= 0; j--)
        {
            for (; i >= 0 && values[i] > added[j]; i--)
            {
                values[--last] = values[i];
                if (_counted)
                    counts[last] = counts[i];
            }

            values[--last] = added[j];
            var isInBoth = i >= 0 && values[i] == added[j];
            if (_counted)
                counts[last] = isInBoth ? Plus(counts[i], addedCounts[j]) : addedCounts[j];
            if (isInBoth)
                i--;
        }

        header.Count = total;
    }

    private static uint Plus(uint count, uint added) => count + Math.Min(added, uint.MaxValue - count);

    private static int CountOfUnion<T>(ReadOnlySpan<T> values, ReadOnlySpan<T> added)
        where T : unmanaged, IComparisonOperators<T, T, bool>
    {
        var (count, i) = (values.Length, 0);
        foreach (var value in added)
        {
            while (i < values.Length && values[i] < value)
                i++;
            if (i == values.Length || values[i] != value)
                count++;
        }

        return count;
    }

    private static bool Ascends<T>(ReadOnlySpan<T> values)
        where T : unmanaged, IComparisonOperators<T, T, bool>
    {
        for (var i = 1; i < values.Length; i++)
        {
            if (values[i - 1] >= values[i])
                return false;
        }

        return true;
    }

    private struct Header
    {
        public int Count;
        public int IsTruncated;
    }
}
