using FeatureStore.Core.Plans;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Runtime.Tests;

[TestClass]
public sealed class LocalRuntimeTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(5)]
    public void VectorsAndBlocksAreThoseOfAPlainDictionary(int shards)
    {
        for (var seed = 1; seed <= 5; seed++)
        {
            using var runtime = Runtimes.New(shards);
            var plain = new PlainRuntime(TestProject.Plan);
            foreach (var (expected, actual) in TestProject.Batches(seed, 60, 200).Zip(TestProject.Batches(seed, 60, 200)))
            {
                plain.Apply(expected);
                runtime.Apply(actual);
                CollectionAssert.AreEqual(expected.Values(), actual.Values(), $"seed {seed}");
            }

            Runtimes.AssertSame(plain.Blocks, runtime.Read(plain.Blocks.Keys));
            Assert.AreEqual(plain.Blocks.Count, runtime.Entities);
            Assert.AreEqual(plain.Blocks.Values.Sum(block => (long)block.Length), runtime.Bytes);
        }
    }

    [TestMethod]
    public void AnEntityThatTheSourceDoesNotFeedIsReadAsItWasThen()
    {
        using var runtime = Runtimes.New(2);
        Apply(TestProject.Logins, TestProject.StartMs, "d", 500);
        Apply(TestProject.Logins, TestProject.StartMs + 1000, "d", 0);
        // access:n, AMOUNT (the caller's), spend:sum, spend:n, access:ok
        CollectionAssert.AreEqual(new[] { 2, double.NaN, 7, 1, 1 }, Apply(TestProject.Payments, TestProject.StartMs + 2000, "d", 7));
        CollectionAssert.AreEqual(new[] { 1, double.NaN, 14, 2, 0 }, Apply(TestProject.Payments, TestProject.StartMs + 30_500, "d", 7));
        CollectionAssert.AreEqual(new[] { 0, double.NaN, 21, 3, 0 }, Apply(TestProject.Payments, TestProject.StartMs + 31_000, "never seen", 7));
        CollectionAssert.AreEqual(new[] { double.NaN, double.NaN, 28, 4, double.NaN }, Apply(TestProject.Payments, TestProject.StartMs + 31_000, null, 7));
        Assert.AreEqual(2, runtime.Entities);

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
        using var runtime = Runtimes.New();
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

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void AFailureInAnyShardComesOut(int shards)
    {
        using var runtime = Runtimes.New(shards);
        var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
        for (var customer = 0; customer < 100; customer++)
            batch.Add(TestProject.StartMs, customer, null, 1);
        // Vectors without rows.
        Assert.Throws<ArgumentOutOfRangeException>(() => runtime.ApplyAsync(batch.Apply, CancellationToken.None).AsTask().Wait());
        batch.ResetVectors();
        runtime.Apply(batch);
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(65)]
    public void ShardsAreBounded(int shards) => Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Runtimes.New(shards));

    [TestMethod]
    public void ADamagedCheckpointIsRefused()
    {
        var plain = new PlainRuntime(TestProject.Plan);
        plain.Apply(TestProject.Batches(1, 1, 500).First());
        var ((entity, hexKey), block) = plain.Blocks.First(pair => pair.Key.Entity == TestProject.Customer);
        var key = Convert.FromHexString(hexKey);
        Refused(entity, key, block[..^8], $"A block of entity \"customer\" has {block.Length - 8} bytes and says {block.Length}. ");
        Refused(7, key, block, "A block is of entity 7, and there are 2. ");
        Refused(-1, key, block, "A block is of entity -1, and there are 2. ");
        Refused(entity, [1, 2, 3], block, "A block of entity \"customer\" has another key than its place. ");
        using var sound = Runtimes.New();
        sound.Restore(Runtimes.Header(), visit => visit(entity, key, block));
        Assert.AreEqual(1, sound.Entities);

        static void Refused(int entity, byte[] key, byte[] block, string message)
        {
            using var runtime = Runtimes.New();
            var exception = Assert.ThrowsExactly<InvalidDataException>(() => runtime.Restore(Runtimes.Header(), visit => visit(entity, key, block)));
            Assert.AreEqual(message + "The checkpoint is damaged; restore a copy or start with empty data.", exception.Message);
        }
    }

    /// <summary>While batches are applied, readers get whole blocks only, never an older one after a newer, and keep getting them.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void ConcurrentReadersSeeWholeBlocksAndAreNotStarved(int shards)
    {
        using var runtime = Runtimes.New(shards);
        var batches = TestProject.Batches(1, 30, 1000).Select(batch => (Batch: batch, Source: batch.Apply.Source)).ToList();
        batches.ForEach(batch => runtime.Apply(batch.Batch));
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(1.5));
        var applied = 0L;
        var readers = Enumerable.Range(0, 2).Select(_ => Task.Factory.StartNew(() => ReadUntil(runtime, stop.Token), TaskCreationOptions.LongRunning)).ToArray();
        while (!stop.IsCancellationRequested)
        {
            foreach (var (batch, _) in batches)
                runtime.Apply(batch);
            applied++;
        }

        var rounds = readers.Select(reader => reader.Result).ToArray();
        Console.WriteLine($"{applied} rounds applied, {string.Join(" and ", rounds)} rounds read");
        Assert.IsGreaterThan(0, applied);
        Assert.IsGreaterThan(20, rounds.Min());
    }

    [TestMethod]
    public void KeysSpreadOverShardsAndSlots()
    {
        Span<byte> key = stackalloc byte[8];
        var (shards, slots) = (new int[5], new int[1024]);
        for (var number = 0L; number < 102_400; number++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(key, number);
            var hash = KeyHash.Of(key);
            shards[Shard.IndexOf(hash, shards.Length)]++;
            slots[hash % (ulong)slots.Length]++;
        }

        // 20,480 a shard and 100 a slot, give or take six standard deviations.
        Assert.IsTrue(shards.All(count => Math.Abs(count - 20_480) < 6 * 128), string.Join(' ', shards));
        Assert.IsTrue(slots.All(count => Math.Abs(count - 100) < 60), $"{slots.Min()} to {slots.Max()}");
    }

    private static int ReadUntil(LocalRuntime runtime, CancellationToken stop)
    {
        var (keys, blocks) = (new BlockSet(), new BlockSet());
        for (var customer = 0L; customer < 40; customer++)
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(keys.Add(8), customer);
        var newest = new long[keys.Count];
        var rounds = 0;
        for (; !stop.IsCancellationRequested; rounds++)
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

        return rounds;
    }
}
