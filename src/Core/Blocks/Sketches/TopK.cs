using System.Numerics;
using System.Runtime.InteropServices;
using System.Text.Unicode;

namespace FeatureStore.Core.Blocks.Sketches;

/// <summary>
/// The most frequent keys: Space-Saving (A. Metwally, D. Agrawal, A. El Abbadi, 2005). Every key has a counter while there are enough; then a new key takes over
/// the least one (of equal ones that at the lowest place: places are in the order in which keys came) with its count, which becomes the new key's possible error.
/// <para>
/// With n keys added and c counters: a key's true number is at most its count and at least count − error; every error, and the number of a key that has no
/// counter, is at most <see cref="ErrorMax"/> ≤ n/c; all is exact while there were at most c different keys. So every key above n/c is there.
/// </para>
/// <para>
/// The bounds hold after merges in any shape (as P. Agarwal et al., 2012, show for these summaries): a key that one side does not have gets that side's least count
/// as count and error, and the c greatest stay. What counts exceed the sum of both least counts by, sums over all keys to at most n − c·(that sum), so
/// the c-th greatest, the new least count, is again at most n/c.
/// </para>
/// <code>
/// int32 number of counters, int32 1 if a key was ever left out; then for each of the size's counters, part by part:
/// uint64 key, or hash of a text; int64 count; int64 error; 64 bytes text
/// </code>
/// </summary>
internal sealed class TopK : ISketch
{
    public const int TextBytesMax = TextCellBytes - 1;
    public const int CountersLimit = 8192;

    private const int HeaderBytes = 8;
    private const int TextCellBytes = 64;
    private const long CountMax = 1L << 60;

    private readonly int _k;
    private readonly TopKKey _key;
    private readonly int _counters;
    private readonly int _counterBytes;
    private readonly SizeLadder _ladder;

    /// <param name="k">Keys in an answer.</param>
    /// <param name="key">Kind of the keys.</param>
    /// <param name="counters">Counters, k to <see cref="CountersLimit"/>; 0: eight times k, at least 32.</param>
    public TopK(int k, TopKKey key, int counters = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(k);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(k, CountersLimit);
        if (counters == 0)
            counters = Math.Clamp(8 * k, 32, CountersLimit);
        ArgumentOutOfRangeException.ThrowIfLessThan(counters, k);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(counters, CountersLimit);
        (_k, _key, _counters) = (k, key, counters);
        _counterBytes = 3 * sizeof(long) + (key is TopKKey.Text ? TextCellBytes : 0);
        _ladder = new SizeLadder(HeaderBytes + _counterBytes, HeaderBytes + counters * _counterBytes);
    }

    public int SizeMin => _ladder.Min;

    public int SizeMax => _ladder.Max;

    /// <summary>Bytes of a key: 8 or 64.</summary>
    public int CellBytes => _key is TopKKey.Text ? TextCellBytes : sizeof(ulong);

    public int SizeNext(int size) => _ladder.Next(size);

    /// <summary>Makes the key of a text. What is longer than <see cref="TextBytesMax"/> is cut after its last whole character within; such texts count as one.</summary>
    /// <param name="text">Valid UTF-8.</param>
    /// <param name="cell">64 bytes.</param>
    public static void WriteCell(ReadOnlySpan<byte> text, Span<byte> cell)
    {
        var length = Math.Min(text.Length, TextBytesMax);
        // A byte 10xxxxxx goes on with a character.
        while (length < text.Length && length > 0 && (text[length] & 0xc0) == 0x80)
            length--;
        cell.Clear();
        cell[0] = (byte)length;
        text[..length].CopyTo(cell[1..]);
    }

    /// <summary>Counts a key.</summary>
    /// <param name="state">The state; changed in place.</param>
    /// <param name="cell">The key, of <see cref="CellBytes"/>.</param>
    /// <returns>False where the state must grow first.</returns>
    public bool TryAdd(Span<byte> state, ReadOnlySpan<byte> cell) =>
        _key is TopKKey.Text ? TryAdd(state, StableHash.Of(Text(cell)), cell) : TryAdd(state, MemoryMarshal.Read<ulong>(cell));

    /// <summary>Counts a number.</summary>
    /// <param name="state">The state; changed in place.</param>
    /// <param name="bits">The int64, or the bits of the double.</param>
    /// <returns>False where the state must grow first.</returns>
    public bool TryAdd(Span<byte> state, ulong bits)
    {
        const ulong MinusZero = 1UL << 63;
        return TryAdd(state, _key is TopKKey.Double && bits == MinusZero ? 0 : bits, default);
    }

    public void Grow(ReadOnlySpan<byte> from, Span<byte> to)
    {
        var source = ViewOf(from);
        var target = ViewOf(to);
        from[..HeaderBytes].CopyTo(to);
        source.Tags.CopyTo(target.Tags);
        source.Counts.CopyTo(target.Counts);
        source.Errors.CopyTo(target.Errors);
        source.Cells.CopyTo(target.Cells);
    }

    public void Merge(Span<byte> into, ReadOnlySpan<byte> from)
    {
        ref var header = ref HeaderOf(into);
        var target = ViewOf(into);
        var source = ViewOf(from);
        var sourceCount = MemoryMarshal.Read<Header>(from).Count;
        var (targetError, sourceError) = (ErrorMax(into), ErrorMax(from));
        Span<ulong> isInBoth = stackalloc ulong[(sourceCount + 63) / 64];
        isInBoth.Clear();
        for (var i = 0; i < header.Count; i++)
        {
            var j = Find(source, sourceCount, target.Tags[i], Cell(target, i));
            if (j >= 0)
                isInBoth[j / 64] |= 1UL << j;
            target.Counts[i] += j >= 0 ? source.Counts[j] : sourceError;
            target.Errors[i] += j >= 0 ? source.Errors[j] : sourceError;
        }

        var least = header.Count == _counters ? LeastOf(target.Counts) : 0;
        for (var j = 0; j < sourceCount; j++)
        {
            if ((isInBoth[j / 64] >> j & 1) != 0)
                continue;
            var (count, error) = (source.Counts[j] + targetError, source.Errors[j] + targetError);
            if (header.Count < _counters)
            {
                Set(target, header.Count++, source.Tags[j], Cell(source, j), count, error);
                least = header.Count == _counters ? LeastOf(target.Counts) : 0;
                continue;
            }

            header.HasLeftOut = 1;
            if (count <= least)
                continue;
            Set(target, target.Counts.IndexOf(least), source.Tags[j], Cell(source, j), count, error);
            least = LeastOf(target.Counts);
        }

        header.HasLeftOut |= MemoryMarshal.Read<Header>(from).HasLeftOut;
    }

    /// <summary>Finds the most frequent keys: by count descending, then by key ascending.</summary>
    /// <param name="state">The state.</param>
    /// <param name="places">Receives their places, for <see cref="KeyOf"/>, <see cref="CountOf"/> and <see cref="ErrorOf"/>.</param>
    /// <returns>Number of keys: at most k, and at most the length of <paramref name="places"/>.</returns>
    public int Top(ReadOnlySpan<byte> state, Span<int> places)
    {
        var view = ViewOf(state);
        var (found, most) = (0, Math.Min(_k, places.Length));
        for (var place = 0; place < MemoryMarshal.Read<Header>(state).Count; place++)
        {
            if (found == most && (most == 0 || !IsBefore(view, place, places[found - 1])))
                continue;
            if (found < most)
                found++;
            var at = found - 1;
            for (; at > 0 && IsBefore(view, place, places[at - 1]); at--)
                places[at] = places[at - 1];
            places[at] = place;
        }

        return found;
    }

    /// <summary>The key at a place: 8 bytes, or the bytes of the text.</summary>
    public ReadOnlySpan<byte> KeyOf(ReadOnlySpan<byte> state, int place) =>
        _key is TopKKey.Text ? Text(Cell(ViewOf(state), place)) : state.Slice(HeaderBytes + place * sizeof(ulong), sizeof(ulong));

    /// <summary>The int64, or the bits of the double, at a place.</summary>
    public ulong NumberOf(ReadOnlySpan<byte> state, int place) => ViewOf(state).Tags[place];

    /// <summary>How often the key came, at most.</summary>
    public long CountOf(ReadOnlySpan<byte> state, int place) => ViewOf(state).Counts[place];

    /// <summary>By how much the count may be too great.</summary>
    public long ErrorOf(ReadOnlySpan<byte> state, int place) => ViewOf(state).Errors[place];

    /// <summary>Bound of every error, and of the number of any key that has no counter; 0 while all is exact.</summary>
    public long ErrorMax(ReadOnlySpan<byte> state)
    {
        var header = MemoryMarshal.Read<Header>(state);
        return header.HasLeftOut == 0 || header.Count == 0 ? 0 : LeastOf(ViewOf(state).Counts[..header.Count]);
    }

    public string? Check(ReadOnlySpan<byte> state)
    {
        if (!_ladder.Contains(state.Length))
            return $"a summary of {_counters} counters never has {state.Length} bytes";
        var header = MemoryMarshal.Read<Header>(state);
        var view = ViewOf(state);
        if (header.Count < 0 || header.Count > view.Tags.Length)
            return $"a summary of {state.Length} bytes cannot hold {header.Count} counters";
        if (header.HasLeftOut is not (0 or 1) || header.HasLeftOut == 1 && header.Count < _counters)
            return "a summary left a key out while it had room";
        for (var place = 0; place < header.Count; place++)
        {
            var (count, error) = (view.Counts[place], view.Errors[place]);
            if (error < 0 || error >= count || count > CountMax)
                return $"a counter cannot be at {count} with an error of {error}";
            if (_key is TopKKey.Text && (Cell(view, place)[0] > TextBytesMax || !Utf8.IsValid(Text(Cell(view, place)))))
                return "a key of a summary is no text";
        }

        return null;
    }

    private static ReadOnlySpan<byte> Text(ReadOnlySpan<byte> cell) => cell.Slice(1, cell[0]);

    private static ref Header HeaderOf(Span<byte> state) => ref MemoryMarshal.AsRef<Header>(state);

    private bool TryAdd(Span<byte> state, ulong tag, ReadOnlySpan<byte> cell)
    {
        ref var header = ref HeaderOf(state);
        var view = ViewOf(state);
        var place = Find(view, header.Count, tag, cell);
        if (place >= 0)
        {
            view.Counts[place]++;
            return true;
        }

        if (header.Count < view.Tags.Length)
        {
            Set(view, header.Count++, tag, cell, 1, 0);
            return true;
        }

        if (state.Length < SizeMax)
            return false;
        header.HasLeftOut = 1;
        var least = LeastOf(view.Counts);
        Set(view, view.Counts.IndexOf(least), tag, cell, least + 1, least);
        return true;
    }

    private int Find(View view, int count, ulong tag, ReadOnlySpan<byte> cell)
    {
        for (var at = 0; at < count; at++)
        {
            var step = view.Tags[at..count].IndexOf(tag);
            if (step < 0)
                return -1;
            at += step;
            if (Cell(view, at).SequenceEqual(cell))
                return at;
        }

        return -1;
    }

    /// <summary>The text of a place; nothing where keys are numbers.</summary>
    private ReadOnlySpan<byte> Cell(View view, int place) => _key is TopKKey.Text ? view.Cells.Slice(place * TextCellBytes, TextCellBytes) : default;

    private static void Set(View view, int place, ulong tag, ReadOnlySpan<byte> cell, long count, long error)
    {
        view.Tags[place] = tag;
        view.Counts[place] = count;
        view.Errors[place] = error;
        cell.CopyTo(view.Cells[(place * cell.Length)..]);
    }

    private static long LeastOf(ReadOnlySpan<long> counts)
    {
        var vectors = MemoryMarshal.Cast<long, Vector<long>>(counts);
        var least = long.MaxValue;
        if (vectors.Length > 0)
        {
            var leastOfLane = vectors[0];
            foreach (var vector in vectors[1..])
                leastOfLane = Vector.Min(leastOfLane, vector);
            for (var lane = 0; lane < Vector<long>.Count; lane++)
                least = Math.Min(least, leastOfLane[lane]);
        }

        foreach (var count in counts[(vectors.Length * Vector<long>.Count)..])
            least = Math.Min(least, count);
        return least;
    }

    private bool IsBefore(View view, int left, int right)
    {
        var order = view.Counts[right].CompareTo(view.Counts[left]);
        if (order != 0)
            return order < 0;
        var (leftTag, rightTag) = (view.Tags[left], view.Tags[right]);
        order = _key switch
        {
            TopKKey.Int64 => ((long)leftTag).CompareTo((long)rightTag),
            TopKKey.Double => BitConverter.UInt64BitsToDouble(leftTag).CompareTo(BitConverter.UInt64BitsToDouble(rightTag)),
            _ => Text(Cell(view, left)).SequenceCompareTo(Text(Cell(view, right))),
        };
        return order < 0;
    }

    /// <summary>The parts of a state, for those who read and those who write.</summary>
    private View ViewOf(ReadOnlySpan<byte> state)
    {
        var capacity = Math.Min(_counters, (state.Length - HeaderBytes) / _counterBytes);
        var bytes = MemoryMarshal.CreateSpan(ref MemoryMarshal.GetReference(state), state.Length)[HeaderBytes..];
        var wordBytes = capacity * sizeof(ulong);
        return new View
        {
            Tags = MemoryMarshal.Cast<byte, ulong>(bytes[..wordBytes]),
            Counts = MemoryMarshal.Cast<byte, long>(bytes.Slice(wordBytes, wordBytes)),
            Errors = MemoryMarshal.Cast<byte, long>(bytes.Slice(2 * wordBytes, wordBytes)),
            Cells = _key is TopKKey.Text ? bytes.Slice(3 * wordBytes, capacity * TextCellBytes) : default,
        };
    }

    private ref struct View
    {
        public Span<ulong> Tags;
        public Span<long> Counts;
        public Span<long> Errors;
        public Span<byte> Cells;
    }

    private struct Header
    {
        public int Count;
        public int HasLeftOut;
    }
}
