using FeatureStore.Core.Joins;
using FeatureStore.Runtime;

namespace FeatureStore.Grains.Persistence;

/// <summary>An erased entity whose events joins may find again.</summary>
/// <param name="Entity">Its type's name.</param>
/// <param name="Key">The encoded key.</param>
/// <param name="NextOffsets">By topic and partition, the offset of the first record that counts.</param>
internal sealed record JoinErasure(string Entity, byte[] Key, IReadOnlyDictionary<string, long[]> NextOffsets)
{
    public bool IsOf(string entity, ReadOnlySpan<byte> key) => Entity == entity && key.SequenceEqual(Key);

    /// <summary>Whether nothing was read between the two.</summary>
    public bool IsRepeatedBy(JoinErasure other) =>
        IsOf(other.Entity, other.Key) && NextOffsets.Count == other.NextOffsets.Count
        && NextOffsets.All(topic => other.NextOffsets.TryGetValue(topic.Key, out var next) && topic.Value.AsSpan().SequenceEqual(next));

    /// <summary>Whether an event of a join lies before it. Whose it is does not count.</summary>
    public bool KeepsOut(JoinPlan join, in JoinEvent one) =>
        NextOffsets.TryGetValue((one.Side == 0 ? join.Left : join.Right).Definition.Kafka!.Topic, out var next) && one.Partition < next.Length && one.Offset < next[one.Partition];

    /// <summary>Whether a checkpoint lies behind all that it keeps out.</summary>
    public bool IsPassed(IReadOnlyList<PartitionCheckpoint> partitions) => NextOffsets.All(topic => topic.Value.Index().All(partition =>
        partition.Item == 0 || partitions.Any(saved => saved.Topic == topic.Key && saved.Partition == partition.Index && saved.NextOffset >= partition.Item)));

    /// <summary>The same, keeping nothing of a partition out.</summary>
    public JoinErasure Without(string topic, int partition) => NextOffsets.TryGetValue(topic, out var next) && partition < next.Length
        ? this with { NextOffsets = NextOffsets.ToDictionary(other => other.Key, other => other.Key == topic ? [.. next.Select((offset, index) => index == partition ? 0 : offset)] : other.Value) }
        : this;
}
