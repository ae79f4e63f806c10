using FeatureStore.Core.Plans;
using FeatureStore.Runtime.Local;
using Microsoft.Extensions.Logging.Abstractions;

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
}

/// <summary>The contract, on one shard and on several.</summary>
[TestClass]
public sealed class LocalRuntimeContractTests : EntityRuntimeContract
{
    protected override RuntimeHost Start(ProjectPlan plan) => new LocalHost(plan, shards: 1);
}

[TestClass]
public sealed class ShardedLocalRuntimeContractTests : EntityRuntimeContract
{
    protected override RuntimeHost Start(ProjectPlan plan) => new LocalHost(plan, shards: 3);
}

/// <summary>A runtime with a store. It has another number of shards after a restart.</summary>
internal sealed class LocalHost : RuntimeHost
{
    private readonly ManualTime _time = new();
    private readonly FakeStore _store;
    private int _shards;
    private LocalRuntime? _runtime;
    private Checkpointer? _checkpointer;

    public LocalHost(ProjectPlan plan, int shards)
    {
        _store = new FakeStore(_time);
        _shards = shards;
        Open(plan);
    }

    public override void Save()
    {
        _checkpointer!.Begin("cluster", [], Task.CompletedTask);
        Wait.Until(() => _checkpointer.CompleteAsync().IsCompleted, "the checkpoint is saved");
        _checkpointer.CompleteAsync().GetAwaiter().GetResult();
    }

    public override void Restart(ProjectPlan plan)
    {
        Close();
        _shards = _shards % 3 + 1;
        Open(plan);
    }

    public override void Dispose()
    {
        Close();
        _store.Dispose();
    }

    private void Open(ProjectPlan plan)
    {
        Runtime = _runtime = new LocalRuntime(plan, new LocalRuntimeOptions { Shards = _shards, Time = _time });
        _checkpointer = new Checkpointer(plan, _runtime, _store, new CheckpointOptions(), _time, NullLogger<Checkpointer>.Instance);
        _checkpointer.Restore();
    }

    private void Close()
    {
        _checkpointer?.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _runtime?.Dispose();
    }
}
