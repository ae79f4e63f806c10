using FeatureStore.Harness;

namespace FeatureStore.Runtime.Tests;

[TestClass]
public sealed class AllocationTests
{
    private const int BatchEvents = 500;
    private const int Events = 100_000;

    /// <summary>Applying the fraud example's events and filling their vectors allocates nothing once all entities are known.</summary>
    [TestMethod]
    public void ApplyingAndReadingAllocateNothing()
    {
        const int Seed = 8;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var transactions = new Transaction[2 * Events];
        var timeMs = TestProject.StartMs;
        for (var id = 0; id < transactions.Length; id++)
        {
            timeMs += random.Next(20_000);
            transactions[id] = new Transaction(id, timeMs - random.Next(60_000), random.Next(500), random.Next(1000), random.Next(100_000) / 100.0, random.Next(50) == 0);
        }

        using var runtime = FraudProject.NewRuntime();
        var batch = new FraudBatch();
        Run(transactions.AsSpan(0, Events));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Run(transactions.AsSpan(Events));
        Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.AreEqual(1500, runtime.Entities);
        Assert.IsFalse(batch.Vectors.Row(BatchEvents - 1).Contains(double.NaN));

        void Run(ReadOnlySpan<Transaction> events)
        {
            for (var first = 0; first < events.Length; first += BatchEvents)
            {
                batch.Fill(events.Slice(first, BatchEvents));
                batch.Run(runtime);
            }
        }
    }

    /// <summary>What the pump asks after each batch.</summary>
    [TestMethod]
    public void AskingForUnsavedBytesAllocatesNothing()
    {
        using var runtime = Runtimes.New(3);
        long before = 0;
        for (var round = 0; round < 3; round++)
        {
            before = GC.GetAllocatedBytesForCurrentThread();
            Assert.AreEqual(0, runtime.UnsavedBytes);
        }

        Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
