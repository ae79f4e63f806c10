namespace FeatureStore.Core.Blocks.Sketches;

/// <summary>What a <see cref="TopK"/> counts, and how equal counts are ordered.</summary>
internal enum TopKKey
{
    /// <summary>8 bytes, an int64.</summary>
    Int64,

    /// <summary>8 bytes, the bits of a double; −0 counts as 0.</summary>
    Double,

    /// <summary>64 bytes: the length, up to 63 bytes of UTF-8, zeros. Ordered by bytes.</summary>
    Text,
}
