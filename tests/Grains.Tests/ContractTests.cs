using FeatureStore.Core.Plans;
using FeatureStore.Runtime.Tests;

namespace FeatureStore.Grains.Tests;

/// <summary>The contract of all runtimes, on clusters of several sizes.</summary>
[TestClass]
public sealed class OneSiloContractTests : EntityRuntimeContract
{
    protected override int Seeds => 2;

    protected override RuntimeHost Start(ProjectPlan plan) => new ClusterHost(plan, 1);
}

[TestClass]
public sealed class TwoSilosContractTests : EntityRuntimeContract
{
    protected override int Seeds => 1;

    protected override RuntimeHost Start(ProjectPlan plan) => new ClusterHost(plan, 2);
}

/// <summary>A cluster over storage that outlives it.</summary>
internal sealed class ClusterHost : RuntimeHost
{
    private readonly SharedStorage _storage = new();
    private readonly int _silos;
    private Cluster? _cluster;
    private GrainCheckpoints? _checkpoints;

    public ClusterHost(ProjectPlan plan, int silos)
    {
        _silos = silos;
        Open(plan);
    }

    public override void Save()
    {
        _checkpoints!.Begin("cluster", [], Task.CompletedTask);
        _checkpoints.CompleteAsync().GetAwaiter().GetResult();
    }

    public override void Restart(ProjectPlan plan)
    {
        Dispose();
        Open(plan);
    }

    public override void Dispose()
    {
        _cluster?.Dispose();
        _cluster = null;
    }

    private void Open(ProjectPlan plan)
    {
        _cluster = Cluster.Start(_silos, _storage, new OrleansRuntimeOptions { Placement = Placement.EntityPlacementPreference.Even }, plan);
        (Runtime, _checkpoints) = _cluster.Own(0);
    }
}
