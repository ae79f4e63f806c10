using FeatureStore.Runtime.Tests;

namespace FeatureStore.Grains.Tests;

[TestClass]
public sealed class AllocationTests
{
    private const int BatchEvents = 500;
    private const int Customers = 300;

    /// <summary>
    /// Events of entities on the owner's own silo, from the fourth interval on: grains, links and what keeps the events are there. Less than a byte an event: unoptimized, the states of a
    /// batch's async methods are objects; one object an event, or an entity, would be many times as much.
    /// </summary>
    [TestMethod]
    public void ApplyingInPlaceAllocatesNothing()
    {
        const int Seed = 21;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        using var cluster = Cluster.Start(1, new SharedStorage(), new OrleansRuntimeOptions { WriteBehind = TimeSpan.FromHours(1), WriteBehindEvents = int.MaxValue });
        var (runtime, checkpoints) = cluster.Own(0);
        var timeMs = TestProject.StartMs;
        for (var interval = 0; interval < 3; interval++)
        {
            Apply(60);
            checkpoints.Begin("cluster", [], Task.CompletedTask);
            checkpoints.CompleteAsync().GetAwaiter().GetResult();
        }

        Apply(10);
        Assert.IsLessThan(40L * BatchEvents, Apply(40));
        Assert.IsGreaterThan(0, runtime.UnsavedBytes);

        long Apply(int batches)
        {
            var allocated = 0L;
            for (var number = 0; number < batches; number++)
            {
                var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
                for (var row = 0; row < BatchEvents; row++)
                    batch.Add(timeMs += random.Next(500), random.Next(Customers), $"device {random.Next(25)}", random.Next(100_000) / 100.0);
                batch.ResetVectors();
                var before = GC.GetAllocatedBytesForCurrentThread();
                runtime.ApplyAsync(batch.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();
                allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            }

            return allocated;
        }
    }
}
