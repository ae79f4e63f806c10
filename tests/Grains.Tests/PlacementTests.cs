using System.Diagnostics.Metrics;
using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Placement;
using FeatureStore.Runtime.Local;
using FeatureStore.Runtime.Tests;

namespace FeatureStore.Grains.Tests;

[TestClass]
public sealed class PlacementTests
{
    /// <summary>Which silo has which is up to the silos' addresses, which are others in every run: with so many, none has less than half of its third.</summary>
    private const int Customers = 300;

    [TestMethod]
    [DataRow(EntityPlacementPreference.Owner)]
    [DataRow(EntityPlacementPreference.Caller)]
    public void EntitiesAreWhereTheirStreamIs(EntityPlacementPreference placement)
    {
        var counts = Counts(new OrleansRuntimeOptions { Placement = placement });
        Assert.IsGreaterThan(50, counts[0]);
        Assert.AreEqual(0, counts[1] + counts[2], string.Join(' ', counts));
    }

    [TestMethod]
    public void WhatTheOwnerHasNoRoomForGoesToAll()
    {
        var counts = Counts(new OrleansRuntimeOptions { OwnerEntitiesMax = 20, CallsMax = 1 });
        Assert.IsGreaterThanOrEqualTo(20, counts[0]);
        Assert.IsTrue(counts[1] > Customers / 6 && counts[2] > Customers / 6, string.Join(' ', counts));
    }

    [TestMethod]
    public void EvenlyMeansEvenly()
    {
        var counts = Counts(new OrleansRuntimeOptions { Placement = EntityPlacementPreference.Even });
        Assert.IsTrue(counts.All(count => count > Customers / 6), string.Join(' ', counts));
    }

    /// <summary>Another silo takes the stream over: the entities that it calls come to it.</summary>
    [TestMethod]
    public void EntitiesFollowANewOwner()
    {
        using var cluster = Cluster.Start(3, new SharedStorage());
        foreach (var owner in new[] { 0, 1 })
        {
            var (runtime, checkpoints) = cluster.Own(owner);
            foreach (var batch in TestProject.Batches(1, 6, 200))
                runtime.Apply(batch);
            checkpoints.Begin("", [], Task.CompletedTask);
            checkpoints.CompleteAsync().GetAwaiter().GetResult();
            // The other's is gone a moment after the one that has come answers; and of some the move may come to nothing.
            int[] counts = [];
            Harness.Wait.Until(() => (counts = Counts(cluster))[owner] > 0.9 * counts.Sum(), TimeSpan.FromSeconds(60), () => string.Join(' ', counts));
            Assert.IsGreaterThan(50, counts[owner]);
        }
    }

    /// <summary>What many entities of a silo get of a batch is one call, once it is known where they are.</summary>
    [TestMethod]
    public void EntitiesOfOneSiloAreCalledTogether()
    {
        using var cluster = Cluster.Start(3, new SharedStorage(), new OrleansRuntimeOptions { Placement = EntityPlacementPreference.Even });
        var (runtime, _) = cluster.Own(0);
        using var local = new LocalRuntime(TestProject.Plan, new LocalRuntimeOptions { Shards = 1 });
        var calls = 0L;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, to) =>
        {
            if (instrument.Name == "featurestore.grains.calls")
                to.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, count, _, _) => Interlocked.Add(ref calls, count));
        listener.Start();
        foreach (var expected in new long[] { Customers, 2 })
        {
            calls = 0;
            var batch = OfEachCustomer();
            local.Apply(batch);
            var values = batch.Values();
            batch.ResetVectors();
            runtime.Apply(batch);
            CollectionAssert.AreEqual(values, batch.Values());
            Assert.AreEqual(expected, Interlocked.Read(ref calls));
        }
    }

    private static int[] Counts(OrleansRuntimeOptions options)
    {
        using var cluster = Cluster.Start(3, new SharedStorage(), options);
        var (runtime, _) = cluster.Own(0);
        runtime.Apply(OfEachCustomer());
        return Counts(cluster);
    }

    private static TestBatch OfEachCustomer()
    {
        var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
        for (var customer = 0; customer < Customers; customer++)
            batch.Add(TestProject.StartMs, customer, null, 1);
        batch.ResetVectors();
        return batch;
    }

    private static int[] Counts(Cluster cluster) => [.. Enumerable.Range(0, 3).Select(silo => cluster.Service<EntityCells>(silo).Count)];
}
