using System.Diagnostics;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Tests;

namespace FeatureStore.Grains.Tests;

[TestClass]
public sealed class OutOfReachTests
{
    /// <summary>An entity whose activation does not come about, as where a silo or the storage stands still: reads of it end, reads of others do not notice, and it is found as soon as it is there.</summary>
    [TestMethod]
    public async Task ReadsOfAnEntityThatIsOutOfReachEnd()
    {
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var storage = new SharedStorage();
        var far = EntityAddress.Of(TestProject.Plan.Entities[0], [2, 2, 2, 2, 2, 2, 2, 2]);
        storage.BeforeRead = id => id.Key.ToString() == far ? held.Task : Task.CompletedTask;
        using var cluster = Cluster.Start(2, storage, new OrleansRuntimeOptions { ReadMax = TimeSpan.FromSeconds(3), CallsMax = 4 });
        try
        {
            var runtime = cluster.Service<OrleansRuntime>(0);
            var start = Stopwatch.GetTimestamp();
            // More keys than calls: those that are begun late do not wait anew.
            var reading = ReadAsync(runtime, [.. Enumerable.Range(0, 40).Select(index => (byte)(index < 20 ? 2 : 3))]);
            Assert.AreEqual(1, (await ReadAsync(runtime, [1])).Count);
            Assert.IsFalse(reading.IsCompletedSuccessfully, "an entity is read before it is there");
            var failure = await Assert.ThrowsExactlyAsync<TimeoutException>(() => reading);
            Assert.AreEqual($"Entity \"{far}\" was out of reach for 3 s. Try again; if it stays so, see whether the silos and the grain storage are up.", failure.Message);
            Assert.IsLessThan(25, Stopwatch.GetElapsedTime(start).TotalSeconds, "Orleans' own time is 30 s");
            held.SetResult();
            Assert.AreEqual(1, (await ReadAsync(runtime, [2])).Count);
        }
        finally
        {
            held.TrySetResult();
        }
    }

    private static async Task<BlockSet> ReadAsync(OrleansRuntime runtime, byte[] keys)
    {
        var (wanted, blocks) = (new BlockSet(), new BlockSet());
        foreach (var key in keys)
            wanted.Add(8).Fill(key);
        await runtime.ReadAsync(0, wanted, blocks, CancellationToken.None);
        return blocks;
    }
}
