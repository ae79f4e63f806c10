namespace FeatureStore.Runtime.Local;

public sealed partial class LocalRuntime
{
    /// <summary>What waits for one reader of changes, in all shards.</summary>
    private sealed class ChangedEntities(LocalRuntime runtime, Outbox outbox) : IChangedEntities
    {
        public void Track(int entity, bool isTracked)
        {
            foreach (var shard in runtime._shards)
                shard.Track(entity, outbox, isTracked);
        }

        public void Take(int entity, int countMax, BlockSet keys, List<long>? sequences, BlockSet? blocks)
        {
            foreach (var shard in runtime._shards)
                shard.Take(entity, outbox, Math.Max(1, countMax / runtime._shards.Length), keys, sequences, blocks);
        }

        public void PutBack(int entity, BlockSet keys, IReadOnlyList<long> sequences, BlockSet? blocks)
        {
            for (var index = 0; index < keys.Count; index++)
                runtime.ShardOf(keys[index], out var hash).PutBack(entity, outbox, hash, keys[index], blocks is null || blocks[index].IsEmpty ? sequences[index] : 0);
        }
    }
}
