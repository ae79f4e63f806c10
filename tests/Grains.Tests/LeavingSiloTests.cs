using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Placement;
using FeatureStore.Runtime.Tests;
using Microsoft.Extensions.DependencyInjection;

namespace FeatureStore.Grains.Tests;

/// <summary>A silo has said that it leaves, and its entities are still there.</summary>
[TestClass]
public sealed class LeavingSiloTests
{
    private readonly SharedStorage _storage = new();
    private SiloAddress? _leaving;

    /// <summary>A cut need not wait until it is gone, and no entity goes back for it.</summary>
    [TestMethod]
    public void Its_entities_are_called_and_written_at_a_cut()
    {
        var options = new OrleansRuntimeOptions { WriteBehind = TimeSpan.FromHours(1), WriteBehindEvents = int.MaxValue, Placement = EntityPlacementPreference.Even, EntitiesFollow = false };
        using var cluster = Cluster.Start(
            2,
            (_, silo) =>
            {
                silo.Services.AddKeyedSingleton<Orleans.Storage.IGrainStorage>(ClusterNames.Storage, _storage);
                var before = silo.Services.Last(service => service.ServiceType == typeof(ISiloStatusOracle));
                silo.Services.AddSingleton<ISiloStatusOracle>(services => new Oracle((ISiloStatusOracle)before.ImplementationFactory!(services), this));
            },
            options, _ => TestProject.Plan);
        var (runtime, checkpoints) = cluster.Own(0);
        TestBatch[] batches = [.. TestProject.Batches(5, 6, 200)];
        runtime.Apply(batches[0]);
        runtime.Apply(batches[1]);
        Assert.IsGreaterThan(5, cluster.Service<EntityCells>(1).Count);
        var loads = 0;
        _storage.BeforeRead = _ =>
        {
            Interlocked.Increment(ref loads);
            return Task.CompletedTask;
        };
        _leaving = cluster.Silos[1].SiloAddress;
        // The same entities again: new ones would be loaded.
        runtime.Apply(batches[1]);
        checkpoints.Begin("cluster", [], Task.CompletedTask);
        checkpoints.CompleteAsync().WaitAsync(TimeSpan.FromSeconds(60)).GetAwaiter().GetResult();
        Assert.AreEqual(0, loads);
    }

    /// <summary>As Orleans' own, but for the silo that leaves.</summary>
    private sealed class Oracle(ISiloStatusOracle inner, LeavingSiloTests test) : ISiloStatusOracle
    {
        public SiloStatus CurrentStatus => inner.CurrentStatus;

        public string SiloName => inner.SiloName;

        public SiloAddress SiloAddress => inner.SiloAddress;

        public SiloStatus GetApproximateSiloStatus(SiloAddress siloAddress) => siloAddress.Equals(test._leaving) ? SiloStatus.ShuttingDown : inner.GetApproximateSiloStatus(siloAddress);

        public Dictionary<SiloAddress, SiloStatus> GetApproximateSiloStatuses(bool onlyActive = false) => inner.GetApproximateSiloStatuses(onlyActive);

        public SiloAddress[] GetActiveSilos() => [.. GetApproximateSiloStatuses(true).Keys];

        public bool TryGetSiloName(SiloAddress siloAddress, out string siloName) => inner.TryGetSiloName(siloAddress, out siloName!);

        public bool IsFunctionalDirectory(SiloAddress siloAddress) => inner.IsFunctionalDirectory(siloAddress);

        public bool IsDeadSilo(SiloAddress silo) => inner.IsDeadSilo(silo);

        public bool SubscribeToSiloStatusEvents(ISiloStatusListener observer) => inner.SubscribeToSiloStatusEvents(observer);

        public bool UnSubscribeFromSiloStatusEvents(ISiloStatusListener observer) => inner.UnSubscribeFromSiloStatusEvents(observer);
    }
}
