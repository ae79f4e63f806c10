using FeatureStore.Core.Plans;
using FeatureStore.Harness;
using FeatureStore.Runtime.Tests;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Storage;
using Orleans.TestingHost;

namespace FeatureStore.Grains.Tests;

/// <summary>Silos in this process, over storage that they share.</summary>
internal sealed class Cluster : IDisposable
{
    private readonly InProcessTestCluster _cluster;

    private Cluster(InProcessTestCluster cluster) => _cluster = cluster;

    public IReadOnlyList<InProcessSiloHandle> Silos => [.. _cluster.Silos.Where(silo => silo.IsActive)];

    /// <summary>The silo with a number.</summary>
    public InProcessSiloHandle Silo(int number) => Silos.Single(silo => NumberOf(silo.Name) == number);

    public static Cluster Start(int silos, IGrainStorage storage, OrleansRuntimeOptions? options = null, ProjectPlan? plan = null, int slices = 1, bool silosDie = false) =>
        Start(silos, silo => silo.Services.AddKeyedSingleton(ClusterNames.Storage, storage), options, plan, slices, silosDie);

    public static Cluster Start(int silos, Action<ISiloBuilder> storage, OrleansRuntimeOptions? options = null, ProjectPlan? plan = null, int slices = 1, bool silosDie = false) =>
        Start(silos, (_, silo) => storage(silo), options, _ => plan ?? TestProject.Plan, slices, silosDie);

    /// <summary>Silos that differ, by their number.</summary>
    /// <param name="silos">How many.</param>
    /// <param name="configure">Their services.</param>
    /// <param name="options">Of all.</param>
    /// <param name="planOf">Their definitions.</param>
    /// <param name="slices">Of the stream.</param>
    /// <param name="silosDie">Whether the test kills some: the others find out soon. Else none is thought dead, however busy the machine is.</param>
    public static Cluster Start(int silos, Action<int, ISiloBuilder> configure, OrleansRuntimeOptions? options, Func<int, ProjectPlan> planOf, int slices = 1, bool silosDie = false)
    {
        var builder = new InProcessTestClusterBuilder((short)silos);
        builder.Options.InitializeClientOnDeploy = false;
        builder.Options.ServiceId = "test";
        builder.Options.ConfigureFileLogging = false;
        builder.ConfigureSilo((specific, silo) =>
        {
            var number = NumberOf(specific.SiloName);
            configure(number, silo);
            silo.AddFeatureStore(new ClusterPlan(planOf(number), slices), options ?? new OrleansRuntimeOptions());
            silo.Configure<ClusterMembershipOptions>(membership =>
            {
                membership.ProbeTimeout = TimeSpan.FromSeconds(silosDie ? 0.5 : 20);
                membership.NumMissedProbesLimit = 3;
                membership.NumVotesForDeathDeclaration = 1;
                membership.TableRefreshTimeout = TimeSpan.FromSeconds(2);
            });
            silo.Services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.None));
        });
        var cluster = builder.Build();
        cluster.DeployAsync().GetAwaiter().GetResult();
        var started = new Cluster(cluster);
        Wait.Until(
            () => started.Silos.All(silo => started.Service<IClusterManifestProvider>(silo).Current.Silos.Count == silos), TimeSpan.FromSeconds(120),
            () => "Not every silo knows what all others host.");
        return started;
    }

    public T Service<T>(int silo)
        where T : notnull => Service<T>(Silos[silo]);

    public T Service<T>(InProcessSiloHandle silo)
        where T : notnull => _cluster.GetSiloServiceProvider(silo.SiloAddress).GetRequiredService<T>();

    /// <summary>Makes a silo the stream's owner.</summary>
    public (OrleansRuntime Runtime, GrainCheckpoints Checkpoints) Own(int silo) => Own(Silos[silo]);

    /// <summary>Makes a silo the stream's owner.</summary>
    public (OrleansRuntime Runtime, GrainCheckpoints Checkpoints) Own(InProcessSiloHandle silo)
    {
        var checkpoints = Service<GrainCheckpoints>(silo);
        checkpoints.AcquireAsync(CancellationToken.None).GetAwaiter().GetResult();
        return (Service<OrleansRuntime>(silo), checkpoints);
    }

    /// <summary>Ends a silo without letting it do anything more.</summary>
    public void Kill(InProcessSiloHandle silo) => _cluster.KillSiloAsync(silo).GetAwaiter().GetResult();

    /// <summary>Has a silo leave.</summary>
    public void Stop(InProcessSiloHandle silo) => _cluster.StopSiloAsync(silo).GetAwaiter().GetResult();

    /// <summary>Starts another silo; all others know of it.</summary>
    public InProcessSiloHandle Add()
    {
        var added = _cluster.StartAdditionalSiloAsync().GetAwaiter().GetResult();
        Wait.Until(
            () => Silos.All(silo => Service<IClusterManifestProvider>(silo).Current.Silos.ContainsKey(added.SiloAddress)), TimeSpan.FromSeconds(120),
            () => "Not every silo knows what the new one hosts.");
        return added;
    }

    /// <summary>Silos are called by their numbers, which are not always in the order in which they start.</summary>
    private static int NumberOf(string name)
    {
        var digits = name.Length;
        while (digits > 0 && char.IsAsciiDigit(name[digits - 1]))
            digits--;
        return digits < name.Length ? int.Parse(name.AsSpan(digits), System.Globalization.CultureInfo.InvariantCulture) : 0;
    }

    public void Dispose()
    {
        _cluster.StopAllSilosAsync().GetAwaiter().GetResult();
        _cluster.Dispose();
    }
}
