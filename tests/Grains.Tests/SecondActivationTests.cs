using System.Diagnostics;
using FeatureStore.Harness;
using FeatureStore.Runtime.Tests;

namespace FeatureStore.Grains.Tests;

[TestClass]
public sealed class SecondActivationTests
{
    /// <summary>
    /// An owner stands still, is taken for dead, and reads bring its entities back elsewhere; it wakes up and completes one more checkpoint before it learns that it is dead. Its successor goes on from
    /// that one, and must not take the activations that the reads made for what is durable.
    /// </summary>
    [TestMethod]
    public void WhatReadsBroughtBackDoesNotStandForWhatIsDurable()
    {
        const int Seed = 5;
        const int Batches = 30;
        Console.WriteLine($"seed {Seed}");
        var plain = new PlainRuntime(TestProject.Plan);
        List<double[]> expected = [];
        foreach (var batch in TestProject.Batches(Seed, Batches, 200))
        {
            plain.Apply(batch);
            expected.Add(batch.Values());
        }

        TestBatch[] batches = [.. TestProject.Batches(Seed, Batches, 200)];
        var storage = new SharedStorage();
        var options = new OrleansRuntimeOptions { WriteBehind = TimeSpan.FromHours(1), WriteBehindEvents = int.MaxValue };
        using var rest = Cluster.Start(1, storage, options);
        using (var stopped = Cluster.Start(1, storage, options))
        {
            var (runtime, checkpoints) = stopped.Own(0);
            Apply(runtime, 0, 10);
            Complete(checkpoints);
            rest.Service<OrleansRuntime>(0).Read(plain.Blocks.Keys);
            var read = Stopwatch.GetTimestamp();
            Apply(runtime, 10, 20);
            Complete(checkpoints);
            Wait.Until(() => Stopwatch.GetElapsedTime(read) > TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(10), () => "");
        }

        var (successor, _) = rest.Own(0);
        Apply(successor, 20, Batches);
        Runtimes.AssertSame(plain.Blocks, successor.Read(plain.Blocks.Keys));

        void Apply(OrleansRuntime runtime, int from, int to)
        {
            for (var number = from; number < to; number++)
            {
                runtime.Apply(batches[number]);
                CollectionAssert.AreEqual(expected[number], batches[number].Values(), $"batch {number}");
            }
        }
    }

    private static void Complete(GrainCheckpoints checkpoints)
    {
        checkpoints.Begin("cluster", [], Task.CompletedTask);
        checkpoints.CompleteAsync().GetAwaiter().GetResult();
    }
}
