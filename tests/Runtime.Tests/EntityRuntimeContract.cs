using System.Diagnostics;
using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime.Tests;

/// <summary>What every runtime does, wherever it keeps its blocks.</summary>
public abstract partial class EntityRuntimeContract
{
    /// <summary>Starts a runtime without any state.</summary>
    protected abstract RuntimeHost Start(ProjectPlan plan);

    private RuntimeHost Start() => Start(TestProject.Plan);

    [TestMethod]
    public void VectorsAndBlocksAreThoseOfAPlainDictionary()
    {
        for (var seed = 1; seed <= Seeds; seed++)
        {
            using var host = Start();
            var plain = new PlainRuntime(TestProject.Plan);
            foreach (var (expected, actual) in TestProject.Batches(seed, 60, 200).Zip(TestProject.Batches(seed, 60, 200)))
            {
                plain.Apply(expected);
                host.Runtime.Apply(actual);
                CollectionAssert.AreEqual(expected.Values(), actual.Values(), $"seed {seed}");
            }

            Runtimes.AssertSame(plain.Blocks, host.Runtime.Read(plain.Blocks.Keys));
        }
    }

    [TestMethod]
    public void AnEntityNeverSeenHasAnEmptyBlock()
    {
        using var host = Start();
        var (keys, blocks) = (new BlockSet(), new BlockSet());
        for (var customer = 0L; customer < 3; customer++)
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(keys.Add(8), customer);
        for (var round = 0; round < 2; round++)
        {
            blocks.Clear();
            host.Runtime.ReadAsync(TestProject.Customer, keys, blocks, CancellationToken.None).AsTask().Wait();
            Assert.AreEqual(3, blocks.Count);
            Assert.AreEqual(0, blocks.TotalLength);
        }
    }

    [TestMethod]
    public void AnEntityThatTheSourceDoesNotFeedIsReadAsItWasThen()
    {
        using var host = Start();
        var runtime = host.Runtime;
        Apply(TestProject.Logins, TestProject.StartMs, "d", 500);
        Apply(TestProject.Logins, TestProject.StartMs + 1000, "d", 0);
        // access:n, AMOUNT (the caller's), spend:sum, spend:n, access:ok
        CollectionAssert.AreEqual(new[] { 2, double.NaN, 7, 1, 1 }, Apply(TestProject.Payments, TestProject.StartMs + 2000, "d", 7));
        CollectionAssert.AreEqual(new[] { 1, double.NaN, 14, 2, 0 }, Apply(TestProject.Payments, TestProject.StartMs + 30_500, "d", 7));
        CollectionAssert.AreEqual(new[] { 0, double.NaN, 21, 3, 0 }, Apply(TestProject.Payments, TestProject.StartMs + 31_000, "never seen", 7));
        CollectionAssert.AreEqual(new[] { double.NaN, double.NaN, 28, 4, double.NaN }, Apply(TestProject.Payments, TestProject.StartMs + 31_000, null, 7));

        double[] Apply(int source, long timeMs, string? device, double amount)
        {
            var batch = new TestBatch(TestProject.Plan, source);
            batch.Add(timeMs, 1, device, amount);
            batch.ResetVectors();
            runtime.Apply(batch);
            return batch.Vectors.Length == 0 ? [] : batch.Vectors[0].Row(0).ToArray();
        }
    }

    [TestMethod]
    public void StreamTimeIsTheGreatestOfTheSource()
    {
        using var host = Start();
        var runtime = host.Runtime;
        Assert.AreEqual(long.MinValue, runtime.StreamTimeMs(TestProject.Payments));
        foreach (var times in new long[][] { [5, 9, 7], [8], [] })
        {
            var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
            foreach (var timeMs in times)
                batch.Add(timeMs, null, null, 0);
            batch.ResetVectors();
            runtime.Apply(batch);
            Assert.AreEqual(9, runtime.StreamTimeMs(TestProject.Payments));
            Assert.AreEqual(long.MinValue, runtime.StreamTimeMs(TestProject.Logins));
        }
    }

    /// <summary>While batches are applied, one after the other, readers get whole blocks only, never an older one after a newer, and keep getting them.</summary>
    [TestMethod]
    public void ConcurrentReadersSeeWholeBlocksAndAreNotStarved()
    {
        using var host = Start();
        var runtime = host.Runtime;
        foreach (var batch in TestProject.Batches(1, 30, 1000))
            runtime.Apply(batch);
        using var stop = new CancellationTokenSource();
        var (applied, rounds) = (0L, new int[2]);
        var readers = rounds.Select((_, reader) => Task.Factory.StartNew(() => ReadUntil(runtime, ref rounds[reader], stop.Token), TaskCreationOptions.LongRunning)).ToArray();
        var start = Stopwatch.GetTimestamp();
        // As long as it takes on a busy machine: a reader that starves, or a writer, would get nowhere in a minute.
        while (!readers.Any(reader => reader.IsCompleted) && Stopwatch.GetElapsedTime(start) is var passed
            && (passed < TimeSpan.FromSeconds(1) || (applied < 3 || rounds.Min() <= 20) && passed < TimeSpan.FromMinutes(1)))
        {
            foreach (var batch in TestProject.Batches((int)applied + 2, 10, 1000))
                runtime.Apply(batch);
            applied++;
        }

        stop.Cancel();
        Task.WaitAll(readers);
        Console.WriteLine($"{applied} rounds applied, {string.Join(" and ", rounds)} rounds read");
        Assert.IsGreaterThanOrEqualTo(3, applied);
        Assert.IsGreaterThan(20, rounds.Min());
    }

    /// <summary>How many random streams are tried.</summary>
    protected virtual int Seeds => 5;

    private static void ReadUntil(IEntityRuntime runtime, ref int rounds, CancellationToken stop)
    {
        var (keys, blocks) = (new BlockSet(), new BlockSet());
        for (var customer = 0L; customer < 40; customer++)
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(keys.Add(8), customer);
        var newest = new long[keys.Count];
        for (; !stop.IsCancellationRequested; Volatile.Write(ref rounds, rounds + 1))
        {
            blocks.Clear();
            runtime.ReadAsync(TestProject.Customer, keys, blocks, CancellationToken.None).AsTask().Wait(CancellationToken.None);
            for (var index = 0; index < keys.Count; index++)
            {
                var block = blocks[index];
                Assert.IsNull(TestProject.Plan.Entities[TestProject.Customer].Check(block));
                Assert.IsTrue(EntityPlan.Key(block).SequenceEqual(keys[index]));
                Assert.IsGreaterThanOrEqualTo(newest[index], EntityPlan.Sequence(block));
                newest[index] = EntityPlan.Sequence(block);
            }
        }
    }
}

/// <summary>A runtime, and what its state is kept in.</summary>
public abstract class RuntimeHost : IDisposable
{
    public IEntityRuntime Runtime { get; protected set; } = null!;

    /// <summary>Makes the state durable as it is now.</summary>
    public abstract void Save();

    /// <summary>Ends the runtime without a word, and starts another one with what is durable, maybe under other definitions.</summary>
    public abstract void Restart(ProjectPlan plan);

    public abstract void Dispose();
}
