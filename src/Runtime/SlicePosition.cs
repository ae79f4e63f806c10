namespace FeatureStore.Runtime;

/// <summary>
/// How far slices are in one source: what they may still bring is not before it, but for events that come late. Each bound is a place: an event time, Unix ms, and then a slice's number, so that slices are in one order also where times
/// are equal. <see cref="long.MaxValue"/> is behind every event; <see cref="long.MinValue"/> is not known.
/// </summary>
/// <param name="Certain">Of all partitions: the next event, or the newest one where none is at hand.</param>
/// <param name="Active">As <paramref name="Certain"/>, but for partitions that had nothing to read at <paramref name="IdleAt"/>.</param>
/// <param name="IdleAt">When that was, ticks of a clock that starts anywhere; <see cref="long.MaxValue"/> where there are no such partitions.</param>
public readonly record struct SlicePosition(long Certain, long Active, long IdleAt)
{
    /// <summary>How many numbers it is written as.</summary>
    public const int Length = 3;

    private const int SliceBits = 8;

    /// <summary>That of a slice nothing is known of: it holds all others.</summary>
    public static SlicePosition Unknown { get; } = new(long.MinValue, long.MinValue, long.MaxValue);

    /// <summary>That of no slice: it holds nobody.</summary>
    public static SlicePosition None { get; } = new(long.MaxValue, long.MaxValue, long.MaxValue);

    /// <summary>The least of each.</summary>
    public static SlicePosition Least(in SlicePosition left, in SlicePosition right) =>
        new(Math.Min(left.Certain, right.Certain), Math.Min(left.Active, right.Active), Math.Min(left.IdleAt, right.IdleAt));

    /// <summary>The place of an event time, Unix ms, of a slice below <see cref="Slice.CountMax"/>.</summary>
    public static long Place(long timeMs, int slice) => timeMs is long.MinValue or long.MaxValue ? timeMs : (timeMs << SliceBits) + slice;

    /// <summary>
    /// Latest event time, Unix ms, that a slice may let through while others are at a place: less than the alignment ahead; and where that is 0, also at the same time if it comes first.
    /// </summary>
    /// <param name="place">The least of the others.</param>
    /// <param name="slice">The slice that asks.</param>
    /// <param name="alignMs">How far ahead of them it may be.</param>
    /// <param name="isBehind">Whether the others come second where times are equal; null: the slice with the lower number comes first.</param>
    public static long BoundMs(long place, int slice, long alignMs, bool? isBehind)
    {
        if (place is long.MinValue or long.MaxValue)
            return place;
        var other = (int)(place & ((1 << SliceBits) - 1));
        return (place >> SliceBits) + alignMs - (alignMs == 0 && (isBehind ?? slice < other) ? 0 : 1);
    }

    /// <summary>What <see cref="Write"/> wrote; unknown where that is not whole.</summary>
    public static SlicePosition Read(ReadOnlySpan<long> values, int source) =>
        values.Length < (source + 1) * Length ? Unknown : new(values[source * Length], values[source * Length + 1], values[source * Length + 2]);

    /// <summary>Writes it as numbers, at the place of a source.</summary>
    public void Write(Span<long> values, int source) => (values[source * Length], values[source * Length + 1], values[source * Length + 2]) = (Certain, Active, IdleAt);

    /// <summary>Whether it says something else than an earlier one did, were it only that an end is known again.</summary>
    /// <param name="earlier">The earlier one.</param>
    /// <param name="idleTicks">Difference of <see cref="IdleAt"/> that is worth mentioning.</param>
    public bool HasMoved(in SlicePosition earlier, long idleTicks) =>
        (Certain, Active) != (earlier.Certain, earlier.Active) || IdleAt / 2 - earlier.IdleAt / 2 > idleTicks / 2;
}
