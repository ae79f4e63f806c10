using System.Numerics;

namespace FeatureStore.Core.Blocks.Sketches;

internal static class SortedSpan
{
    /// <summary>Place of the first item that is not below; the length where there is none. Halves without a jump: whether one is below cannot be predicted.</summary>
    public static int PlaceOf<T>(ReadOnlySpan<T> items, T least)
        where T : IComparisonOperators<T, T, bool>
    {
        var (place, count) = (0, items.Length);
        while (count > 1)
        {
            var half = count / 2;
            place += half & -(items[place + half - 1] < least ? 1 : 0);
            count -= half;
        }

        return count == 1 && items[place] < least ? place + 1 : place;
    }
}
