namespace FeatureStore.Core.Blocks.Cells;

/// <summary>
/// What an aggregate keeps of some events: a monoid over bytes with identity (<see cref="Clear"/>), add and merge, and with subtraction where the mathematics
/// allows. The object holds parameters only. Cells see no nulls. A state has <see cref="Size"/> bytes, or on its way to <see cref="SizeMax"/> a size of the ladder
/// that <see cref="SizeNext"/> says.
/// </summary>
internal abstract class Cell
{
    /// <summary>Kind and parameters: equal where states are interchangeable, and the same in every version.</summary>
    public abstract string Description { get; }

    /// <summary>Bytes of the least state.</summary>
    public abstract int Size { get; }

    public virtual int SizeMax => Size;

    public bool Grows => SizeMax > Size;

    /// <summary>Whether single events can be taken back.</summary>
    public virtual bool CanRemove => false;

    public virtual int SizeNext(int size) => Size;

    /// <summary>Makes a state that has seen nothing.</summary>
    public virtual void Clear(Span<byte> state) => state.Clear();

    /// <summary>Takes in an event.</summary>
    /// <param name="state">Changed in place.</param>
    /// <param name="timeMs">Event time.</param>
    /// <param name="value">Its input, not null; empty where the cell needs none.</param>
    /// <param name="key">What its value is kept by; empty for all cells but maps.</param>
    /// <returns>False, and nothing changed, where the state must grow first.</returns>
    public abstract bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key);

    /// <summary>Takes an event back that was added.</summary>
    /// <returns>False, and nothing changed, where the state shows that it was not.</returns>
    public virtual bool TryRemove(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key) => false;

    /// <summary>Adds what another state has seen, all of it older or all of it newer.</summary>
    /// <param name="into">Of <see cref="SizeMax"/>.</param>
    /// <param name="from">Of any size.</param>
    public abstract void Merge(Span<byte> into, ReadOnlySpan<byte> from);

    /// <summary>Merges one state a row, from the newest to the oldest.</summary>
    /// <param name="into">Of <see cref="SizeMax"/>.</param>
    /// <param name="states">Begins with the oldest row's state; one in each <paramref name="stride"/> bytes.</param>
    /// <param name="stride">Bytes of a row.</param>
    /// <param name="size">Bytes of a state.</param>
    /// <param name="count">Rows.</param>
    public virtual void MergeRows(Span<byte> into, ReadOnlySpan<byte> states, int stride, int size, int count)
    {
        for (var row = count - 1; row >= 0; row--)
            Merge(into, states.Slice(row * stride, size));
    }

    /// <summary>Takes in events in order of time. Nulls among them are skipped.</summary>
    /// <param name="state">Of <see cref="SizeMax"/>.</param>
    /// <param name="times">One an event.</param>
    /// <param name="values">Their inputs one after the other; empty where the cell needs none.</param>
    /// <param name="keys">As the values.</param>
    public virtual void AddAll(Span<byte> state, ReadOnlySpan<long> times, ReadOnlySpan<byte> values, ReadOnlySpan<byte> keys)
    {
        if (times.IsEmpty)
            return;
        var (valueBytes, keyBytes) = (values.Length / times.Length, keys.Length / times.Length);
        for (var index = 0; index < times.Length; index++)
        {
            var value = values.Slice(index * valueBytes, valueBytes);
            var key = keys.Slice(index * keyBytes, keyBytes);
            if ((valueBytes == 0 || !EventInput.IsNull(value)) && (keyBytes == 0 || !EventInput.IsNull(key)))
                TryAdd(state, times[index], value, key);
        }
    }

    /// <summary>Copies a state into a larger one.</summary>
    /// <param name="from">The state.</param>
    /// <param name="to">Zeroed.</param>
    public virtual void Grow(ReadOnlySpan<byte> from, Span<byte> to) => from.CopyTo(to);

    /// <summary>Says what is wrong with a state from outside; null where every method can work on it.</summary>
    public virtual string? Check(ReadOnlySpan<byte> state) => null;
}
