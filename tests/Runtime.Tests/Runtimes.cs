using FeatureStore.Runtime.Local;

namespace FeatureStore.Runtime.Tests;

internal static class Runtimes
{
    public static LocalRuntime New(int shards = 1, bool tracksPublishing = false) =>
        new(TestProject.Plan, new LocalRuntimeOptions { Shards = shards, TracksPublishing = tracksPublishing });

    public static void Apply(this LocalRuntime runtime, TestBatch batch) =>
        runtime.ApplyAsync(batch.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();

    /// <summary>The block of each entity; empty where there is none.</summary>
    public static Dictionary<(int Entity, string Key), byte[]> Read(this LocalRuntime runtime, IEnumerable<(int Entity, string Key)> entities)
    {
        var found = new Dictionary<(int Entity, string Key), byte[]>();
        foreach (var ofType in entities.GroupBy(entity => entity.Entity))
        {
            var (keys, blocks) = (new BlockSet(), new BlockSet());
            foreach (var (_, key) in ofType)
                keys.Add(Convert.FromHexString(key));
            runtime.ReadAsync(ofType.Key, keys, blocks, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            Assert.AreEqual(keys.Count, blocks.Count);
            for (var index = 0; index < keys.Count; index++)
                found.Add((ofType.Key, Convert.ToHexString(keys[index])), blocks[index].ToArray());
        }

        return found;
    }

    public static void AssertSame(IReadOnlyDictionary<(int Entity, string Key), byte[]> expected, IReadOnlyDictionary<(int Entity, string Key), byte[]> actual)
    {
        CollectionAssert.AreEquivalent(expected.Keys.ToList(), actual.Keys.ToList());
        foreach (var (entity, block) in expected)
            Assert.IsTrue(block.AsSpan().SequenceEqual(actual[entity]), $"The block of {entity} differs.");
    }

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
