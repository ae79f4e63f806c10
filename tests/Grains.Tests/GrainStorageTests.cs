using System.Data.Common;
using FeatureStore.Grains.Persistence;
using FeatureStore.Harness;
using FeatureStore.Runtime.Tests;
using FeatureStore.Storage.Sqlite;
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

    /// <summary>A record that is cleared is as one that never was, and whoever knew it does not write over what comes after.</summary>
    [TestMethod]
    public async Task AClearedRecordIsGone()
    {
        using var cluster = Cluster.Start(1, Configure);
        var storage = cluster.Service<IServiceProvider>(0).GetRequiredKeyedService<IGrainStorage>(ClusterNames.Storage);
        var id = GrainId.Create("featurestore-entity", "customer/00ff");
        var (state, known) = (new GrainState<StoredState>(new StoredState { Bytes = [1] }), new GrainState<StoredState>(new StoredState()));
        await storage.WriteStateAsync(ClusterNames.EntityState, id, state);
        await storage.ReadStateAsync(ClusterNames.EntityState, id, known);
        await storage.ClearStateAsync(ClusterNames.EntityState, id, state);
        Assert.IsFalse(state.RecordExists);
        var read = new GrainState<StoredState>(new StoredState { Bytes = [9] });
        await storage.ReadStateAsync(ClusterNames.EntityState, id, read);
        Assert.IsFalse(read.RecordExists);
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync(ClusterNames.EntityState, id, known));
        state.State = new StoredState { Bytes = [2] };
        await storage.WriteStateAsync(ClusterNames.EntityState, id, state);
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync(ClusterNames.EntityState, id, known));
        await storage.ReadStateAsync(ClusterNames.EntityState, id, read);
        CollectionAssert.AreEqual(new byte[] { 2 }, read.State!.Bytes);
    }

    [TestMethod]
    public async Task ALargeRecordIsStored()
    {
        using var cluster = Cluster.Start(1, Configure);
        var storage = cluster.Service<IServiceProvider>(0).GetRequiredKeyedService<IGrainStorage>(ClusterNames.Storage);
        var id = GrainId.Create("featurestore-join", "project/1/0");
        var bytes = new byte[3 << 20];
        new Random(1).NextBytes(bytes);
        var state = new GrainState<StoredState>(new StoredState { Bytes = bytes });
        await storage.WriteStateAsync(ClusterNames.JoinState, id, state);
        var read = new GrainState<StoredState>(new StoredState());
        await storage.ReadStateAsync(ClusterNames.JoinState, id, read);
        CollectionAssert.AreEqual(bytes, read.State!.Bytes);
    }
}

[TestClass]
public sealed class PostgreSqlStorageTests : GrainStorageContract
{
    private static PostgreSqlServer? _server;

    /// <summary>The tests share a server, which is long in coming; each begins without records.</summary>
    [TestInitialize]
    public void Start()
    {
        DbProviderFactories.RegisterFactory("Npgsql", NpgsqlFactory.Instance);
        _server ??= StartOrSkip(PostgreSqlServer.Start);
        using var source = NpgsqlDataSource.Create(_server.Connection);
        using var clear = source.CreateCommand("TRUNCATE Records");
        clear.ExecuteNonQuery();
    }

    [ClassCleanup]
    public static void Stop() => _server?.Dispose();

    protected override void Configure(ISiloBuilder silo)
    {
        silo.AddAdoNetGrainStorage(ClusterNames.Storage, adoNet => (adoNet.Invariant, adoNet.ConnectionString) = ("Npgsql", _server!.Connection));
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

[TestClass]
public sealed class SqliteStorageTests : GrainStorageContract
{
    private readonly string _folder = Workspace.NewFolder("cluster");
    private readonly List<SqliteRecordStore> _stores = [];

    [TestCleanup]
    public void Stop()
    {
        _stores.ForEach(store => store.Dispose());
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Each silo has a store of its own on the file, as a process has.</summary>
    protected override void Configure(ISiloBuilder silo)
    {
        var store = new SqliteRecordStore(Path.Combine(_folder, "cluster.db"), "test");
        lock (_stores)
            _stores.Add(store);
        silo.AddRecordStorage(store);
    }
}

[TestClass]
public sealed class AzureStorageTests : GrainStorageContract
{
    private AzuriteServer _server = null!;

    [TestInitialize]
    public void Start() => _server = StartOrSkip(AzuriteServer.Start);

    [TestCleanup]
    public void Stop() => _server?.Dispose();

    protected override void Configure(ISiloBuilder silo)
    {
#if ORLEANS_AZURE
        silo.AddAzureBlobGrainStorage(ClusterNames.Storage, azure => azure.BlobServiceClient = new Azure.Storage.Blobs.BlobServiceClient(_server.Connection));
#else
        Assert.Inconclusive("This machine's package sources do not have Orleans' Azure providers: they are left out of the build. eng/feed.sh says what is missing.");
#endif
    }
}
