using FeatureStore.Runtime;

namespace FeatureStore.Storage;

internal static class CheckpointCheck
{
    /// <summary>Holds the caller to what <see cref="Checkpoint"/> says: one entity, key and block an entry.</summary>
    public static void Check(this Checkpoint checkpoint)
    {
        var count = checkpoint.Entities.Count;
        if (checkpoint.Keys.Count != count || checkpoint.Blocks.Count != count)
        {
            throw new ArgumentException(
                $"checkpoint {checkpoint.Header.Sequence} has {count} entities, {checkpoint.Keys.Count} keys and {checkpoint.Blocks.Count} blocks. Give one of each an entry.",
                nameof(checkpoint));
        }
    }
}
