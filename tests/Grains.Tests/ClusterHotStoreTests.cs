using System.Buffers.Binary;
using System.Collections.Concurrent;
using FeatureStore.Grains.Placement;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Tests;
using Microsoft.Extensions.DependencyInjection;

namespace FeatureStore.Grains.Tests;

/// <summary>What the silos of a cluster publish to the hot store that they share.</summary>
[TestClass]
public sealed class ClusterHotStoreTests
{
    [TestMethod]
    public void EverySiloPublishesWhatItHosts()
    {
        var store = new FencedStore();
        using var cluster = Start(store);
        var (runtime, _) = cluster.Own(0);
        AssertPublished(store, Apply(runtime, seed: 1));
    }

    /// <summary>What is durable is not sent again: it has been published before the silo that had it dies.</summary>
    [TestMethod]
    public void WhatIsDurableIsPublishedThoughItsSiloDies()
    {
        var store = new FencedStore();
        using var cluster = Start(store, interval: TimeSpan.FromHours(1));
        var (runtime, checkpoints) = cluster.Own(0);
        var plain = Apply(runtime, seed: 2);
        checkpoints.Begin("cluster", [], Task.CompletedTask);
        checkpoints.CompleteAsync().GetAwaiter().GetResult();
        cluster.Kill(cluster.Silos[2]);
        AssertPublished(store, plain);
    }

    [TestMethod]
    public async Task AnErasedEntityIsHiddenWhenTheCallReturns()
    {
        var store = new FencedStore();
        using var cluster = Start(store);
        var (runtime, _) = cluster.Own(0);
        long[] customers = [.. Enumerable.Range(0, 30).Select(customer => (long)customer)];
        Apply(runtime, customers);
        ChangeFeedContract.Eventually(() => store.Blocks.Count == 30, "all are published");
        foreach (var customer in customers.Take(10))
        {
            await runtime.EraseAsync(TestProject.Customer, Key(customer), CancellationToken.None);
            Assert.IsEmpty(store.Blocks[(TestProject.Customer, Convert.ToHexString(Key(customer)))].Block);
        }

        Apply(runtime, customers);
        ChangeFeedContract.Eventually(() => store.Blocks.Values.All(entry => entry.Block.Length > 0), "they begin anew");
    }

    [TestMethod]
    public void WhatTheStoreDoesNotTakeIsPublishedLater()
    {
        var store = new FencedStore { Failure = new IOException("connection lost") };
        using var cluster = Start(store);
        var (runtime, checkpoints) = cluster.Own(0);
        Apply(runtime, [.. Enumerable.Range(0, 30).Select(customer => (long)customer)]);
        ChangeFeedContract.Eventually(() => store.Failed > 3, "it is tried");
        // Nor does it hold up what is to be durable.
        checkpoints.Begin("cluster", [], Task.CompletedTask);
        checkpoints.CompleteAsync().GetAwaiter().GetResult();
        Assert.IsTrue(store.Blocks.IsEmpty);
        store.Failure = null;
        ChangeFeedContract.Eventually(() => store.Blocks.Count == 30, "all are published");
    }

    private static Cluster Start(FencedStore store, TimeSpan? interval = null)
    {
        var storage = new SharedStorage();
        return Cluster.Start(
            3,
            silo =>
            {
                silo.Services.AddKeyedSingleton<Orleans.Storage.IGrainStorage>(ClusterNames.Storage, storage);
                silo.AddHotStore(store, new HotPublisherOptions { Interval = interval ?? TimeSpan.FromMilliseconds(20) });
            },
            new OrleansRuntimeOptions { Placement = EntityPlacementPreference.Even }, silosDie: true);
    }

    private static void AssertPublished(FencedStore store, PlainRuntime plain) => ChangeFeedContract.Eventually(
        () => store.Blocks.Count == plain.Blocks.Count && plain.Blocks.All(entity => store.Blocks.TryGetValue(entity.Key, out var found) && entity.Value.AsSpan().SequenceEqual(found.Block)),
        "the newest blocks of all are published");

    private static PlainRuntime Apply(OrleansRuntime runtime, int seed)
    {
        var plain = new PlainRuntime(TestProject.Plan);
        foreach (var (expected, actual) in TestProject.Batches(seed, 10, 200).Zip(TestProject.Batches(seed, 10, 200)))
        {
            plain.Apply(expected);
            runtime.Apply(actual);
        }

        return plain;
    }

    private static void Apply(OrleansRuntime runtime, params long[] customers)
    {
        var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
        foreach (var customer in customers)
            batch.Add(TestProject.StartMs, customer, null, 1);
        batch.ResetVectors();
        runtime.Apply(batch);
    }

    private static byte[] Key(long customer)
    {
        var key = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(key, customer);
        return key;
    }

    /// <summary>Takes a block where its incarnation and sequence are not less than those that it has, as the contract says.</summary>
    private sealed class FencedStore : IHotStore
    {
        private volatile int _failed;

        public ConcurrentDictionary<(int Entity, string Key), (long Incarnation, long Sequence, byte[] Block)> Blocks { get; } = new();

        public Exception? Failure { get; set; }

        public int Failed => _failed;

        public ValueTask PublishAsync(HotBlocks blocks, CancellationToken cancellationToken)
        {
            if (Failure is { } failure)
            {
                Interlocked.Increment(ref _failed);
                throw failure;
            }

            Assert.IsGreaterThan(0, blocks.Incarnation);
            for (var index = 0; index < blocks.Keys.Count; index++)
            {
                var entry = (blocks.Incarnation, blocks.Sequences[index], blocks.Blocks[index].ToArray());
                Blocks.AddOrUpdate(
                    (blocks.Entity, Convert.ToHexString(blocks.Keys[index])), entry,
                    (_, old) => (entry.Incarnation, entry.Item2).CompareTo((old.Incarnation, old.Sequence)) >= 0 ? entry : old);
            }

            return ValueTask.CompletedTask;
        }

        public ValueTask GetAsync(int entity, BlockSet keys, BlockSet blocks, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask PublishStreamTimeAsync(string source, long streamTimeMs, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask<long> GetStreamTimeAsync(string source, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
