using System.Collections.Concurrent;
using FeatureStore.Runtime;

namespace FeatureStore.Scoring.Tests;

/// <summary>Many threads at once, nothing on the managed heap, and a dispose under load.</summary>
[TestClass]
public sealed class ThreadsAndMemoryTests
{
    [TestMethod]
    public void ThreadsScoreAtOnceEachWithItsOwnRows()
    {
        var service = Shared.FraudService();
        using var scorer = Scorers.Load(Shared.Model("bad/runtime_error_row.onnx"), service);
        using var forest = Scorers.Load(Shared.Model("rf.onnx"), service, "probabilities[1]");
        var expected = Shared.Expected("rf");
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, worker =>
        {
            var random = new Random(worker);
            var scores = new ScoreBatch();
            for (var round = 0; round < 30; round++)
            {
                var first = random.Next(4900);
                var rows = Shared.Rows[first..(first + random.Next(1, 100))];
                forest.Score(Shared.Batch(service, rows), scores);
                Scorers.AreNear(expected[first..(first + rows.Length)], scores, 2e-6);
                scorer.Score(Shared.Batch(service, rows), scores);
                for (var row = 0; row < rows.Length; row++)
                    Assert.AreEqual(rows[row][3] > 5, scores.Failures.ContainsKey(row));
            }
        });
    }

    [TestMethod]
    [DataRow("lr")]
    [DataRow("lr_named_inputs")]
    [DataRow("lr_zipmap")]
    [DataRow("fixed_batch")]
    public void ScoringAllocatesNothing(string model)
    {
        var service = Shared.FraudService();
        using var scorer = Scorers.Load(Shared.Model(model + ".onnx"), service, model == "lr_zipmap" ? "output_probability[1]" : "probabilities[1]");
        var batches = new[] { 1, 64, 1000 }.Select(count => Shared.Batch(service, Shared.Rows[..count])).ToArray();
        var scores = new ScoreBatch();
        foreach (var batch in batches.Reverse())
            scorer.Score(batch, scores);
        // The runtime's own background work may allocate on this thread's account once; a second try tells the two apart.
        long allocated = -1;
        for (var attempt = 0; attempt < 5 && allocated != 0; attempt++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var round = 0; round < 20; round++)
            {
                foreach (var batch in batches)
                    scorer.Score(batch, scores);
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.AreEqual(0, allocated);
    }

    [TestMethod]
    public void CallsUnderWayEndWhenAModelIsDisposed()
    {
        var service = Shared.FraudService();
        var scorer = Scorers.Load(Shared.Model("rf.onnx"), service, "probabilities[1]");
        var batch = Shared.Batch(service, Shared.Rows[..500]);
        var expected = Shared.Expected("rf")[..500];
        var unexpected = new ConcurrentBag<Exception>();
        using var started = new CountdownEvent(4);
        Thread[] threads = [.. Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            var scores = new ScoreBatch();
            var signalled = false;
            try
            {
                while (true)
                {
                    scorer.Score(batch, scores);
                    Scorers.AreNear(expected, scores, 2e-6);
                    if (!signalled)
                        signalled = started.Signal() || true;
                }
            }
            catch (ObjectDisposedException)
            {
                // The end that is wanted.
            }
            catch (Exception exception)
            {
                unexpected.Add(exception);
            }
        }))];
        foreach (var thread in threads)
            thread.Start();
        Assert.IsTrue(started.Wait(TimeSpan.FromSeconds(60)), "no thread scored");
        scorer.Dispose();
        foreach (var thread in threads)
            Assert.IsTrue(thread.Join(TimeSpan.FromSeconds(60)), "a thread goes on");
        Assert.IsEmpty(unexpected);
        scorer.Dispose();
    }
}
