using System.Buffers.Binary;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime.Local;
using Microsoft.Extensions.Logging.Abstractions;

namespace FeatureStore.Runtime.Tests;

[TestClass]
public sealed class ErasingTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly FakeStore _store;
    private LocalRuntime _runtime;
    private Checkpointer _checkpointer;

    public ErasingTests()
    {
        _store = new FakeStore(_time);
        (_runtime, _checkpointer) = Start();
    }

    public void Dispose()
    {
        _runtime.Dispose();
        _store.Dispose();
    }

    [TestMethod]
    public async Task AnErasedEntityIsGoneAndBeginsAnew()
    {
        Apply(1, offset: 0);
        Apply(1, offset: 1);
        var before = EntityPlan.Sequence(Read(1));
        await EraseAsync(1);
        Assert.IsEmpty(Read(1));
        Assert.AreEqual(0, _runtime.Entities);
        Assert.AreEqual(0, _runtime.Bytes);
        Apply(1, offset: 2);
        Assert.AreEqual(1.0, Count(1));
        Assert.IsGreaterThan(before, EntityPlan.Sequence(Read(1)));
    }

    [TestMethod]
    public async Task EventsBeforeTheTombstoneStayOutAndOthersDoNot()
    {
        Apply(1, offset: 4);
        await EraseAsync(1);
        await EraseAsync(2);
        Apply(1, offset: 4);
        Apply(2, offset: 3);
        Assert.IsEmpty(Read(1));
        Assert.IsEmpty(Read(2), "Never seen, and erased all the same.");
        Apply(3, offset: 2);
        Assert.AreEqual(1.0, Count(3), "Another key.");
        Apply(1, offset: 0, partition: 1);
        Assert.AreEqual(1.0, Count(1), "A partition that nothing was read from.");
    }

    [TestMethod]
    public async Task WhatWasPublishedBeforeTheStartStaysOutToo()
    {
        _runtime.BeginSource(TestProject.Payments, [0], [10]);
        Apply(1, offset: 2);
        await EraseAsync(1);
        Apply(1, offset: 9);
        Assert.IsEmpty(Read(1));
        Apply(1, offset: 10);
        Assert.AreEqual(1.0, Count(1));
    }

    [TestMethod]
    public async Task AnErasureBeforeTheFirstCheckpointOutlivesTheProcess()
    {
        Apply(1, offset: 0);
        await EraseAsync(1);
        Restart();
        Assert.IsNull(_checkpointer.Last);
        Apply(1, offset: 0);
        Assert.IsEmpty(Read(1));
    }

    [TestMethod]
    public async Task WithoutRoomForATombstoneNothingIsErased()
    {
        using var runtime = new LocalRuntime(TestProject.Plan, new LocalRuntimeOptions { Shards = 2, TombstonesMax = 2 });
        await runtime.EraseAsync(TestProject.Customer, Key(1), CancellationToken.None);
        await runtime.EraseAsync(TestProject.Customer, Key(2), CancellationToken.None);
        await runtime.EraseAsync(TestProject.Customer, Key(2), CancellationToken.None);
        var exception = await Assert.ThrowsExactlyAsync<EraseException>(() => runtime.EraseAsync(TestProject.Customer, Key(3), CancellationToken.None).AsTask());
        Assert.AreEqual(
            "2 entities have been erased whose events the topics may still hold, and no more can be kept track of. Tombstones go at a start, once the topics' retention has passed them.",
            exception.Message);
        Assert.AreEqual(2, runtime.TombstoneCount);
    }

    [TestMethod]
    public async Task AStoreThatCannotWriteIsSaidAndTriedAgain()
    {
        Apply(1, offset: 0);
        Save();
        _store.EraseFailures.Enqueue(new IOException("The disk is full."));
        var exception = await Assert.ThrowsExactlyAsync<EraseException>(() => EraseAsync(1));
        Assert.AreEqual(
            "The entity is erased here, but not durably: The disk is full. The next checkpoint tries again; repeat the request to know that it is durable.", exception.Message);
        Assert.IsEmpty(Read(1));
        Assert.HasCount(1, _store.Blocks);
        Save();
        Assert.IsEmpty(_store.Blocks);
        Assert.HasCount(1, _store.Tombstones);
    }

    [TestMethod]
    public async Task ATombstoneGoesWhenItIsOldAndTheTopicHoldsNothingItGuardsAgainst()
    {
        Apply(1, offset: 4);
        await EraseAsync(1);
        Begin(first: 5);
        Assert.HasCount(1, _store.Tombstones, "Young.");
        _time.Advance(TimeSpan.FromDays(7).TotalSeconds);
        Begin(first: 4);
        Assert.HasCount(1, _store.Tombstones, "The topic has offset 4.");
        Begin(first: 5);
        Assert.IsEmpty(_store.Tombstones);
        Assert.AreEqual(0, _runtime.TombstoneCount);

        void Begin(long first)
        {
            Restart();
            _runtime.BeginSource(TestProject.Payments, [first], [5]);
            _runtime.BeginSource(TestProject.Logins, [], []);
            Save();
        }
    }

    [TestMethod]
    public async Task ARecreatedPartitionIsNotGuarded()
    {
        Apply(1, offset: 4);
        Apply(1, offset: 4, partition: 1);
        await EraseAsync(1);
        _runtime.RecreatePartition(TestProject.Payments, 0);
        Save();
        Restart();
        Apply(1, offset: 4, partition: 1);
        Assert.IsEmpty(Read(1));
        Apply(1, offset: 0);
        Assert.AreEqual(1.0, Count(1));
    }

    [TestMethod]
    public void ATombstoneOfNoEntityIsRefused()
    {
        var tombstone = new Tombstone { Entity = 9, Key = [1], Incarnation = default, Sequence = 1, ErasedAtMs = 0, Guards = [] };
        var exception = Assert.ThrowsExactly<InvalidDataException>(() => _runtime.Restore([tombstone]));
        Assert.AreEqual("A tombstone is of entity 9, and there are 2. The checkpoint is damaged; restore a copy or start with empty data.", exception.Message);
    }

    /// <summary>Entities that go make holes that others fill: in the index, and among the blocks.</summary>
    [TestMethod]
    public async Task ManyErasuresLeaveTheOthersAsTheyAre()
    {
        var random = new Random(3);
        var counts = new Dictionary<long, double>();
        for (var offset = 0; offset < 3000; offset++)
        {
            var customer = random.Next(400);
            if (random.Next(3) == 0)
            {
                await EraseAsync(customer);
                counts.Remove(customer);
            }
            else
            {
                Apply(customer, offset);
                counts[customer] = counts.GetValueOrDefault(customer) + 1;
            }
        }

        Assert.AreEqual(counts.Count, _runtime.Entities);
        for (var customer = 0; customer < 400; customer++)
            Assert.AreEqual(counts.GetValueOrDefault(customer), Read(customer) is [] ? 0 : Count(customer));
    }

    private (LocalRuntime Runtime, Checkpointer Checkpointer) Start()
    {
        var runtime = new LocalRuntime(TestProject.Plan, new LocalRuntimeOptions { Shards = 2, Time = _time });
        var checkpointer = new Checkpointer(TestProject.Plan, runtime, _store, new CheckpointOptions(), _time, NullLogger<Checkpointer>.Instance);
        checkpointer.Restore();
        return (runtime, checkpointer);
    }

    private void Restart()
    {
        _runtime.Dispose();
        (_runtime, _checkpointer) = Start();
    }

    private void Save()
    {
        _checkpointer.Begin("cluster", [], Task.CompletedTask);
        Wait.Until(() => _checkpointer.CompleteAsync().IsCompleted, "the checkpoint is saved");
        _checkpointer.CompleteAsync().GetAwaiter().GetResult();
    }

    private Task EraseAsync(long customer) => _runtime.EraseAsync(TestProject.Customer, Key(customer), CancellationToken.None).AsTask();

    private void Apply(long customer, long offset, int partition = 0)
    {
        var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
        batch.Add(TestProject.StartMs, customer, null, 1);
        batch.Events[0].Offset = offset;
        batch.Events[0].Partition = partition;
        batch.ResetVectors();
        _runtime.Apply(batch);
    }

    private byte[] Read(long customer) => _runtime.Read([(TestProject.Customer, Convert.ToHexString(Key(customer)))]).Single().Value;

    private double Count(long customer)
    {
        Span<double> value = stackalloc double[1];
        var plan = TestProject.Plan.Entities[TestProject.Customer];
        plan.Read(Read(customer), TestProject.StartMs, [plan.IndexOf("spend", "n")], value);
        return value[0];
    }

    private static byte[] Key(long customer)
    {
        var key = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(key, customer);
        return key;
    }
}
