namespace FeatureStore.Core.Blocks.Sketches;

/// <summary>
/// A bounded summary of values, as bytes inside a block. The object holds parameters only; a state is a span that its caller keeps: 8-aligned, little-endian,
/// independent of its position, of one of the sizes from <see cref="SizeMin"/> by <see cref="SizeNext"/> to <see cref="SizeMax"/>; all zero it is empty.
/// Each kind has its own TryAdd, which is false, with the state unchanged, where the state must first <see cref="Grow"/> (never at <see cref="SizeMax"/>), and
/// its own readers, which take a state of any size. Nothing allocates.
/// </summary>
internal interface ISketch
{
    /// <summary>Bytes of the least state; a multiple of 8, as all sizes are.</summary>
    int SizeMin { get; }

    /// <summary>Bytes of the greatest state, which takes in everything.</summary>
    int SizeMax { get; }

    /// <summary>The next greater size; <see cref="SizeMax"/> after the last.</summary>
    int SizeNext(int size);

    /// <summary>Copies a state into a zeroed and larger one.</summary>
    void Grow(ReadOnlySpan<byte> from, Span<byte> to);

    /// <summary>Adds all that went into another state of the same parameters.</summary>
    /// <param name="into">Of <see cref="SizeMax"/>.</param>
    /// <param name="from">Of any size.</param>
    void Merge(Span<byte> into, ReadOnlySpan<byte> from);

    /// <summary>Adds all that went into some states of one size, from the last to the first.</summary>
    /// <param name="into">Of <see cref="SizeMax"/>.</param>
    /// <param name="states">One in each <paramref name="stride"/> bytes.</param>
    /// <param name="stride">From one to the next.</param>
    /// <param name="size">Bytes of each.</param>
    /// <param name="count">How many.</param>
    void MergeRows(Span<byte> into, ReadOnlySpan<byte> states, int stride, int size, int count)
    {
        for (var row = count - 1; row >= 0; row--)
            Merge(into, states.Slice(row * stride, size));
    }

    /// <summary>Says why a state from outside is none; null where every method can work on it, though damage that passes may give wrong values.</summary>
    string? Check(ReadOnlySpan<byte> state);
}
