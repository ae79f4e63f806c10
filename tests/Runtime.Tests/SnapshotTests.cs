namespace FeatureStore.Runtime.Tests;

[TestClass]
public sealed class SnapshotTests
{
    /// <summary>A snapshot is copied while batches go on, and holds what changed since the last one as it was when it began.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(5)]
    public void ASnapshotIsTheStateAtItsBeginning(int shards)
    {
        using var runtime = Runtimes.New(shards);
        var plain = new PlainRuntime(TestProject.Plan);
        var saved = new Dictionary<(int Entity, string Key), byte[]>();
        var overtaken = 0;
        var batches = TestProject.Batches(2, 400, 100).GetEnumerator();
        Dictionary<(int Entity, string Key), byte[]> atLast = [];
        for (var sequence = 1; sequence <= 40; sequence++)
        {
            ApplySome(5);
            var frozen = Copy(plain.Blocks);
            runtime.BeginSnapshot();
            Assert.AreEqual(0, runtime.UnsavedBytes);
            var copying = Task.Run(() => runtime.CopySnapshot(Runtimes.Header(sequence)));
            ApplySome(5);
            var blocks = Runtimes.BlocksOf(copying.Result);

            var changed = frozen.Where(block => !atLast.TryGetValue(block.Key, out var before) || !before.AsSpan().SequenceEqual(block.Value)).ToDictionary();
            Runtimes.AssertSame(changed, blocks);
            overtaken += blocks.Count(block => !block.Value.AsSpan().SequenceEqual(plain.Blocks[block.Key]));
            atLast = frozen;
            foreach (var (entity, block) in blocks)
                saved[entity] = block;
            Runtimes.AssertSame(frozen, saved);
        }

        // Else nothing was tested: every block was copied before it changed.
        Assert.IsGreaterThan(100, overtaken);

        using var restored = Runtimes.New(shards % 3 + 1);
        restored.Restore(Runtimes.Header(), visit =>
        {
            foreach (var ((entity, key), block) in saved)
                visit(entity, Convert.FromHexString(key), block);
        });
        Runtimes.AssertSame(saved, restored.Read(saved.Keys));
        Assert.AreEqual(0, restored.UnsavedBytes);
        restored.BeginSnapshot();
        Assert.AreEqual(0, restored.CopySnapshot(Runtimes.Header()).Blocks.Count);

        void ApplySome(int count)
        {
            for (; count > 0 && batches.MoveNext(); count--)
            {
                runtime.Apply(batches.Current);
                plain.Apply(batches.Current);
            }
        }
    }

    [TestMethod]
    public void ARestoredRuntimeGoesOnAsTheOldOneWould()
    {
        using var runtime = Runtimes.New(2);
        foreach (var batch in TestProject.Batches(3, 30, 100))
            runtime.Apply(batch);
        runtime.BeginSnapshot();
        var checkpoint = runtime.CopySnapshot(Runtimes.Header() with { StreamTimesMs = new Dictionary<string, long> { ["logins"] = 77 } });
        using var restored = Runtimes.New(3);
        restored.Restore(checkpoint.Header, visit =>
        {
            for (var index = 0; index < checkpoint.Keys.Count; index++)
                visit(checkpoint.Entities[index], checkpoint.Keys[index], checkpoint.Blocks[index]);
        });
        Assert.AreEqual(77, restored.StreamTimeMs(TestProject.Logins));
        Assert.AreEqual(long.MinValue, restored.StreamTimeMs(TestProject.Payments));
        foreach (var (expected, actual) in TestProject.Batches(4, 30, 100).Zip(TestProject.Batches(4, 30, 100)))
        {
            runtime.Apply(expected);
            restored.Apply(actual);
            CollectionAssert.AreEqual(expected.Values(), actual.Values());
        }

        var all = Runtimes.BlocksOf(checkpoint).Keys;
        Runtimes.AssertSame(runtime.Read(all), restored.Read(all));
    }

    [TestMethod]
    public void UnsavedBytesCountWhatChanged()
    {
        using var runtime = Runtimes.New();
        Assert.AreEqual(0, runtime.UnsavedBytes);
        var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
        batch.Add(TestProject.StartMs, 1, null, 1);
        batch.ResetVectors();
        runtime.Apply(batch);
        var once = runtime.UnsavedBytes;
        Assert.IsGreaterThan(0, once);
        runtime.Apply(batch);
        Assert.AreEqual(once, runtime.UnsavedBytes);
    }

    private static Dictionary<(int Entity, string Key), byte[]> Copy(IReadOnlyDictionary<(int Entity, string Key), byte[]> blocks) =>
        blocks.ToDictionary(block => block.Key, block => block.Value.ToArray());
}
