namespace FeatureStore.Grains.Slices;

/// <summary>Who gets which slice: each silo as many as any other, but for one; and no more of them move than that takes.</summary>
internal static class SliceAssignment
{
    /// <param name="slices">How many there are.</param>
    /// <param name="silos">Those that want some, in an order that is always the same.</param>
    /// <param name="before">By slice, who had it. It may be shorter, and name silos that are gone.</param>
    /// <returns>By slice, who gets it; empty where nobody wants any.</returns>
    public static T[] Assign<T>(int slices, IReadOnlyCollection<T> silos, IReadOnlyList<T?> before)
        where T : class, IEquatable<T>
    {
        if (silos.Count == 0)
            return [];
        var owners = new T?[slices];
        List<(T Silo, int Room)> rooms = [];
        // Those that have most keep most: one more where the slices do not come out even.
        foreach (var silo in silos.OrderByDescending(silo => before.Count(silo.Equals)))
        {
            var room = slices / silos.Count + (rooms.Count < slices % silos.Count ? 1 : 0);
            for (var slice = 0; room > 0 && slice < Math.Min(slices, before.Count); slice++)
            {
                if (!silo.Equals(before[slice]))
                    continue;
                owners[slice] = silo;
                room--;
            }

            rooms.Add((silo, room));
        }

        var free = rooms.SelectMany(room => Enumerable.Repeat(room.Silo, room.Room)).GetEnumerator();
        return [.. owners.Select(owner => owner ?? (free.MoveNext() ? free.Current : throw new InvalidOperationException("There is room for every slice.")))];
    }
}
