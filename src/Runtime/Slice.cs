namespace FeatureStore.Runtime;

/// <summary>
/// A share of a project's stream: of every topic, the partitions whose number leaves the slice's when divided by the count. The default is the whole stream.
/// </summary>
/// <param name="Number">From 0.</param>
/// <param name="Count">How many slices there are; 0 or 1: this is the whole.</param>
public readonly record struct Slice(int Number, int Count)
{
    /// <summary>Most slices that a stream is divided into.</summary>
    public const int CountMax = 256;

    /// <summary>Whether there is but one.</summary>
    public bool IsWhole => Count <= 1;

    /// <summary>Whether the slice has a partition.</summary>
    public bool Has(int partition) => IsWhole || partition % Count == Number;
}
