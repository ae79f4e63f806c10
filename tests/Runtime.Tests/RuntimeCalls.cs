namespace FeatureStore.Runtime.Tests;

/// <summary>Calls that every runtime answers.</summary>
internal static partial class Runtimes
{
    public static void Apply(this IEntityRuntime runtime, TestBatch batch) =>
        runtime.ApplyAsync(batch.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();

    /// <summary>The block of each entity; empty where there is none.</summary>
    public static Dictionary<(int Entity, string Key), byte[]> Read(this IEntityRuntime runtime, IEnumerable<(int Entity, string Key)> entities)
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
}
