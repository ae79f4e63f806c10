using FeatureStore.Runtime.Tests;

namespace FeatureStore.Grains.Tests;

/// <summary>The contract of all runtimes, on clusters of several sizes.</summary>
[TestClass]
public sealed class OneSiloContractTests : EntityRuntimeContract
{
    protected override int Seeds => 2;

    protected override RuntimeHost Start() => Hosts.Start(1);
}

[TestClass]
public sealed class ThreeSilosContractTests : EntityRuntimeContract
{
    protected override int Seeds => 1;

    protected override RuntimeHost Start() => Hosts.Start(3);
}

internal static class Hosts
{
    public static RuntimeHost Start(int silos)
    {
        var cluster = Cluster.Start(silos, new SharedStorage(), new OrleansRuntimeOptions { Placement = Placement.EntityPlacementPreference.Even });
        return new RuntimeHost(cluster.Own(0).Runtime, cluster);
    }
}
