using System.Data.Common;
using FeatureStore.Grains.Persistence;
using FeatureStore.Harness;
using FeatureStore.Runtime.Tests;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Orleans.Storage;

namespace FeatureStore.Grains.Tests;

/// <summary>What the cluster needs of a grain storage provider.</summary>
public abstract class GrainStorageContract
{
    protected abstract void Configure(ISiloBuilder silo);

    /// <summary>Starts a server; skips the test where the machine does not have it.</summary>
    protected static T StartOrSkip<T>(Func<T> start)
    {
        try
        {
            return start();
        }
        catch (FixtureMissingException missing)
        {
            Assert.Inconclusive(missing.Message);
            throw;
        }
    }

    /// <summary>All silos end; a new cluster over the same storage goes on from the checkpoint.</summary>
    [TestMethod]
    public void ANewClusterGoesOnFromWhatWasStored()
    {
        var plain = new PlainRuntime(TestProject.Plan);
        var batches = TestProject.Batches(1, 20, 100).ToList();
        for (var half = 0; half < 2; half++)
        {
            using var cluster = Cluster.Start(half + 1, Configure);
            var (runtime, checkpoints) = cluster.Own(0);
            Assert.AreEqual(half == 0 ? null : 1, checkpoints.Last?.Sequence);
            Assert.AreEqual(half == 0 ? long.MinValue : checkpoints.Last!.StreamTimesMs["payments"], runtime.StreamTimeMs(TestProject.Payments));
            Runtimes.AssertSame(plain.Blocks, runtime.Read(plain.Blocks.Keys));
            foreach (var batch in batches.Skip(half * 10).Take(10))
            {
                plain.Apply(batch);
                var expected = batch.Values();
                batch.ResetVectors();
                runtime.Apply(batch);
                CollectionAssert.AreEqual(expected, batch.Values());
            }

            checkpoints.Begin("cluster", [], Task.CompletedTask);
            checkpoints.CompleteAsync().Wait();
        }
    }

    /// <summary>Of two activations of one entity the later writer is told so.</summary>
    [TestMethod]
    public async Task AWriteOverAnotherOneIsRefused()
    {
        using var cluster = Cluster.Start(1, Configure);
        var storage = cluster.Service<IServiceProvider>(0).GetRequiredKeyedService<IGrainStorage>(ClusterNames.Storage);
        var id = GrainId.Create("featurestore-entity", "customer/00ff");
        var (first, second) = (new GrainState<StoredState>(new StoredState()), new GrainState<StoredState>(new StoredState()));
        await storage.ReadStateAsync(ClusterNames.EntityState, id, first);
        await storage.ReadStateAsync(ClusterNames.EntityState, id, second);
        Assert.IsFalse(first.RecordExists);
        first.State = new StoredState { Bytes = [1, 0, 2] };
        await storage.WriteStateAsync(ClusterNames.EntityState, id, first);
        second.State = new StoredState { Bytes = [3] };
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync(ClusterNames.EntityState, id, second));
        first.State = new StoredState { Bytes = [4, 0] };
        await storage.WriteStateAsync(ClusterNames.EntityState, id, first);
        var read = new GrainState<StoredState>(new StoredState());
        await storage.ReadStateAsync(ClusterNames.EntityState, id, read);
        CollectionAssert.AreEqual(new byte[] { 4, 0 }, read.State!.Bytes);
    }
}

[TestClass]
public sealed class PostgreSqlStorageTests : GrainStorageContract
{
    private PostgreSqlServer _server = null!;

    [TestInitialize]
    public void Start()
    {
        DbProviderFactories.RegisterFactory("Npgsql", NpgsqlFactory.Instance);
        _server = StartOrSkip(PostgreSqlServer.Start);
    }

    [TestCleanup]
    public void Stop() => _server?.Dispose();

    protected override void Configure(ISiloBuilder silo)
    {
        silo.AddAdoNetGrainStorage(ClusterNames.Storage, adoNet => (adoNet.Invariant, adoNet.ConnectionString) = ("Npgsql", _server.Connection));
    }
}

[TestClass]
public sealed class RedisStorageTests : GrainStorageContract
{
    private RedisServer _server = null!;

    [TestInitialize]
    public void Start() => _server = StartOrSkip(RedisServer.Start);

    [TestCleanup]
    public void Stop() => _server?.Dispose();

    protected override void Configure(ISiloBuilder silo)
    {
        silo.AddRedisGrainStorage(ClusterNames.Storage, redis => redis.ConfigurationOptions = StackExchange.Redis.ConfigurationOptions.Parse(_server.Address));
    }
}
