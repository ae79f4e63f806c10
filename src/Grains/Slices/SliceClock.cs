using FeatureStore.Runtime;

namespace FeatureStore.Grains.Slices;

/// <summary>
/// The coordinator's clock, as a silo knows it from a call: by it all silos know how old it is that a slice had nothing to read, however long messages were under way.
/// </summary>
/// <param name="Coordinator">Whose it is.</param>
/// <param name="LeastTicks">How far it is ahead of the silo's own, at least: as if the answer had taken no time,</param>
/// <param name="MostTicks">and at most: as if the call had.</param>
internal readonly record struct SliceClock(Guid Coordinator, long LeastTicks, long MostTicks)
{
    /// <summary>Has positions (<see cref="SlicePosition.Write"/>) go by it; never newer than they are.</summary>
    public void ToCoordinators(Span<long> values)
    {
        for (var source = 0; source < values.Length / SlicePosition.Length; source++)
        {
            var position = SlicePosition.Read(values, source);
            Shift(position, LeastTicks).Write(values, source);
        }
    }

    /// <summary>Has a position go by the silo's own clock; never newer than it is.</summary>
    public SlicePosition FromCoordinators(in SlicePosition position) => Shift(position, -MostTicks);

    private static SlicePosition Shift(in SlicePosition position, long ticks) =>
        position.IdleAt is long.MinValue or long.MaxValue ? position : position with { IdleAt = position.IdleAt + ticks };
}
