using FeatureStore.Core.Events;

namespace FeatureStore.Runtime.Local;

/// <summary>
/// Puts what the shards made of a batch into one order, which is the same however many they are: pairs by the event that made them; then the events without
/// a partner by their time, side and position.
/// </summary>
internal sealed class JoinMerge
{
    private readonly List<Made> _made = [];

    public void Merge(Shard[] shards, int join, EventBatch joined)
    {
        joined.Clear();
        _made.Clear();
        for (var shard = 0; shard < shards.Length; shard++)
        {
            var table = shards[shard].JoinOf(join);
            for (var row = 0; row < table.Joined.Count; row++)
                _made.Add(Made.Of(table, shard, row));
        }

        _made.Sort();
        foreach (var made in _made)
            joined.AddCopy(shards[made.Shard].JoinOf(join).Joined, made.Row);
    }

    private readonly record struct Made(int Shard, int Row, int Cause, long TimeMs, int Origin, int Partition, long Offset) : IComparable<Made>
    {
        public static Made Of(JoinTable table, int shard, int row)
        {
            ref readonly var header = ref table.Joined[row];
            // The events of one cause are in one shard, in their order.
            return table.Causes[row] < int.MaxValue
                ? new Made(shard, row, table.Causes[row], 0, 0, 0, header.Ordinal)
                : new Made(shard, row, int.MaxValue, header.TimeMs, header.Origin, header.Partition, header.Offset);
        }

        public int CompareTo(Made other)
        {
            var order = Cause.CompareTo(other.Cause);
            order = order != 0 ? order : TimeMs.CompareTo(other.TimeMs);
            order = order != 0 ? order : Origin.CompareTo(other.Origin);
            order = order != 0 ? order : Partition.CompareTo(other.Partition);
            return order != 0 ? order : Offset.CompareTo(other.Offset);
        }
    }
}
