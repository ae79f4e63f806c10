using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Placement;
using FeatureStore.Runtime.Tests;

namespace FeatureStore.Grains.Tests;

[TestClass]
public sealed class PlacementTests
{
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
        Assert.IsTrue(counts[1] > 5 && counts[2] > 5, string.Join(' ', counts));
    }

    [TestMethod]
    public void EvenlyMeansEvenly()
    {
        var counts = Counts(new OrleansRuntimeOptions { Placement = EntityPlacementPreference.Even });
        Assert.IsTrue(counts.All(count => count > 8), string.Join(' ', counts));
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
            var counts = Counts(cluster);
            Assert.IsGreaterThan(50, counts[owner]);
            Assert.AreEqual(counts[owner], counts.Sum(), string.Join(' ', counts));
        }
    }

    private static int[] Counts(OrleansRuntimeOptions options)
    {
        using var cluster = Cluster.Start(3, new SharedStorage(), options);
        var (runtime, _) = cluster.Own(0);
        foreach (var batch in TestProject.Batches(1, 6, 200))
            runtime.Apply(batch);
        return Counts(cluster);
    }

    private static int[] Counts(Cluster cluster) => [.. Enumerable.Range(0, 3).Select(silo => cluster.Service<EntityCells>(silo).Count)];
}
