using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;

namespace FeatureStore.Core.Plans;

/// <summary>An entity, compiled: the layout of its block, its features, and how to read them.</summary>
public sealed class EntityPlan
{
    /// <summary>Longest encoded key, in bytes.</summary>
    public const int KeyBytesMax = 1024;

    public required int Index { get; init; }

    public required string Name { get; init; }

    /// <summary>Join keys with their types.</summary>
    public required IReadOnlyList<FieldDefinition> Keys { get; init; }

    /// <summary>Features of all views of the entity, in order of definition.</summary>
    public required IReadOnlyList<EntityFeature> Features { get; init; }

    /// <summary>
    /// Encodes a key, canonical and self-delimiting: int64 and timestamp as 8 bytes big-endian, bool as 1 byte, text as 2 bytes of length and UTF-8.
    /// </summary>
    /// <param name="row">Row that has the key fields.</param>
    /// <param name="fields">Index in the row of each key field.</param>
    /// <param name="key">At least <see cref="KeyBytesMax"/> bytes.</param>
    /// <returns>Bytes written; 0 where a key field is null or the key is too long.</returns>
    public int EncodeKey(in FieldRow row, ReadOnlySpan<int> fields, Span<byte> key) => throw new NotImplementedException();

    /// <summary>Reads features from a block as of a time. Null is NaN.</summary>
    /// <param name="block">A block of this entity and layout; empty: an entity never seen, for which each feature has its empty value.</param>
    /// <param name="asOfMs">Unix milliseconds.</param>
    /// <param name="features">Indexes into <see cref="Features"/>.</param>
    /// <param name="values">One a feature.</param>
    public void Read(ReadOnlySpan<byte> block, long asOfMs, ReadOnlySpan<int> features, Span<double> values) => throw new NotImplementedException();

    /// <summary>Event time (Unix ms) of the newest event that a feature's view has applied; <see cref="long.MinValue"/> where there is none.</summary>
    public long NewestMs(ReadOnlySpan<byte> block, int feature) => throw new NotImplementedException();
}

/// <summary>A feature of an entity.</summary>
/// <param name="View">The view's definition.</param>
/// <param name="Definition">The feature's definition.</param>
public sealed record EntityFeature(FeatureViewDefinition View, FeatureDefinition Definition)
{
    public string Name => Definition.Name;
}
