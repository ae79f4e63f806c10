using FeatureStore.Runtime.Local;

namespace FeatureStore.Runtime.Tests;

internal static partial class Runtimes
{
    public static LocalRuntime New(int shards = 1, bool tracksPublishing = false) =>
        new(TestProject.Plan, new LocalRuntimeOptions { Shards = shards, TracksPublishing = tracksPublishing });

    /// <summary>Blocks of a checkpoint by entity and key; none twice.</summary>
    public static Dictionary<(int Entity, string Key), byte[]> BlocksOf(Checkpoint checkpoint)
    {
        Assert.HasCount(checkpoint.Keys.Count, checkpoint.Entities);
        Assert.AreEqual(checkpoint.Keys.Count, checkpoint.Blocks.Count);
        return Enumerable.Range(0, checkpoint.Keys.Count).ToDictionary(
            index => (checkpoint.Entities[index], Convert.ToHexString(checkpoint.Keys[index])), index => checkpoint.Blocks[index].ToArray());
    }

    public static CheckpointHeader Header(long sequence = 1) => new()
    {
        LayoutFingerprint = TestProject.Plan.LayoutFingerprint,
        Incarnation = Guid.Empty,
        Sequence = sequence,
        ClusterId = "cluster",
        Partitions = [],
        StreamTimesMs = new Dictionary<string, long>(),
    };
}
