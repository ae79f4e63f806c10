namespace FeatureStore.Core.Blocks.Sketches;

/// <summary>The sizes that a state may have, in bytes: from the least, by doubling, to the greatest. The last step is between 1¼ and 2½ times.</summary>
internal readonly struct SizeLadder
{
    /// <param name="minBytes">The least size wanted; a multiple of 8.</param>
    /// <param name="maxBytes">What the full state needs; rounded up to 8.</param>
    public SizeLadder(int minBytes, int maxBytes)
    {
        Max = maxBytes + 7 & ~7;
        Min = Math.Min(minBytes, Max);
    }

    public int Min { get; }

    public int Max { get; }

    public int Next(int size) => size * 5L / 2 >= Max ? Max : size * 2;

    public bool Contains(int size)
    {
        var rung = Min;
        while (rung < size && rung < Max)
            rung = Next(rung);
        return rung == size;
    }
}
