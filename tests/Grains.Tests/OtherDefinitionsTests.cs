using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Grains.Ownership;
using FeatureStore.Grains.Placement;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Tests;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Storage;

namespace FeatureStore.Grains.Tests;

/// <summary>Two silos whose definitions differ, as while new ones are rolled out: nothing of one is taken for the other's.</summary>
[TestClass]
public sealed class OtherDefinitionsTests
{
    private const int Customers = 80;

    private static readonly ProjectDefinition _definition = TestProject.Definition with
    {
        Sources = [.. TestProject.Definition.Sources.Select(source => source with { Clock = SourceClock.Stream })],
    };

    private static readonly ProjectPlan _plan = TestProject.Compile(_definition);

    /// <summary>A feature more: another layout.</summary>
    private static readonly ProjectPlan _wider = With(view => view with
    {
        Features = [.. view.Features, new FeatureDefinition { Name = "most", Aggregate = Aggregate.Max, Of = "AMOUNT" }],
    });

    /// <summary>The same state, and another value made of it: the layout is the same.</summary>
    private static readonly ProjectPlan _finishedOtherwise = With(view => view with
    {
        Features = [.. view.Features.Select(feature => feature.Name == "n" ? feature with { Aggregate = Aggregate.Rate } : feature)],
    });

    [TestMethod]
    public async Task ABlockOfAnotherLayoutIsRefusedAndNeverRead()
    {
        using var cluster = Start(_wider);
        var (runtime, _) = cluster.Own(cluster.Silo(0));
        // The owner's own go in place; those that are placed on the other silo say what they think of it.
        var (applied, refused) = Apply(runtime);
        Assert.IsTrue(applied.Count > 5 && refused.Count > 5, $"{applied.Count} applied, {refused.Count} refused");

        var other = cluster.Service<OrleansRuntime>(cluster.Silo(1));
        foreach (var customer in applied)
        {
            Assert.IsNotEmpty(await ReadAsync(runtime, customer));
            var exception = await Assert.ThrowsExactlyAsync<OtherDefinitionsException>(() => ReadAsync(other, customer));
            StringAssert.Contains(exception.Message, "runs other definitions than this one. Roll the same definitions out to all silos", StringComparison.Ordinal);
        }
    }

    [TestMethod]
    public void FeaturesOfOneNameThatAreFinishedOtherwiseAreNoSharedVectors()
    {
        Assert.AreEqual(_plan.LayoutFingerprint, _finishedOtherwise.LayoutFingerprint);
        using var cluster = Start(_finishedOtherwise);
        var (runtime, _) = cluster.Own(cluster.Silo(0));
        var (applied, refused) = Apply(runtime);
        Assert.IsTrue(applied.Count > 5 && refused.Count > 5, $"{applied.Count} applied, {refused.Count} refused");
    }

    /// <summary>Every silo finishes and scores with its own definitions, what it reads of a block with the same layout among it: then it is right on both.</summary>
    [TestMethod]
    public async Task ABlockOfTheSameLayoutIsReadByTheReadersOwnDefinitions()
    {
        using var cluster = Start(_finishedOtherwise);
        var (runtime, _) = cluster.Own(cluster.Silo(0));
        var (applied, _) = Apply(runtime);
        var other = cluster.Service<OrleansRuntime>(cluster.Silo(1));
        foreach (var customer in applied)
            CollectionAssert.AreEqual(await ReadAsync(runtime, customer), await ReadAsync(other, customer));
    }

    /// <summary>
    /// Each silo scores with its own model what its own definitions make of the state, whatever the other one runs; where that is of another layout, not at all.
    /// </summary>
    [TestMethod]
    [DataRow("model")]
    [DataRow("finish")]
    [DataRow("layout")]
    public async Task AVectorIsScoredByItsOwnVersionOrNotAtAll(string difference)
    {
        var other = difference switch { "model" => TestProject.Compile(_definition), "finish" => _finishedOtherwise, _ => _wider };
        using var cluster = Start(other);
        var (runtime, _) = cluster.Own(cluster.Silo(0));
        var (applied, refused) = Apply(runtime);
        Assert.AreEqual(difference == "model", refused.Count == 0);
        var otherRuntime = cluster.Service<OrleansRuntime>(cluster.Silo(1));
        Harness.Wait.Until(() => otherRuntime.StreamTimeMs(TestProject.Payments) == TestProject.StartMs + applied[^1], TimeSpan.FromSeconds(120), () => "The stream's time does not come.");
        await using var first = await ScoringHost.StartAsync(_plan, runtime, "1");
        await using var second = await ScoringHost.StartAsync(other, otherRuntime, "2");
        var others = 0;
        foreach (var customer in applied)
        {
            var (status, text) = await first.ScoreAsync(customer);
            Assert.AreEqual(200, status, text);
            AssertScore(text, "1", customer, 1);
            (status, text) = await second.ScoreAsync(customer);
            if (difference == "layout")
            {
                Assert.AreEqual(503, status, text);
                StringAssert.Contains(text, "urn:featurestore:problem:other-definitions", StringComparison.Ordinal);
                StringAssert.Contains(text, "runs other definitions than this one", StringComparison.Ordinal);
                others++;
                continue;
            }

            Assert.AreEqual(200, status, text);
            AssertScore(text, "2", customer, difference == "finish" ? 1.0 / 60 : 1);
        }

        Assert.AreEqual(difference == "layout" ? applied.Count : 0, others);

        static void AssertScore(string text, string version, long customer, double n)
        {
            var answer = System.Text.Json.JsonDocument.Parse(text).RootElement;
            var row = answer.GetProperty("rows")[0];
            Assert.AreEqual(version, answer.GetProperty("version").GetString());
            Assert.AreEqual(double.Parse(version, System.Globalization.CultureInfo.InvariantCulture), row.GetProperty("outputs").GetProperty("version").GetDouble());
            Assert.AreEqual(n, row.GetProperty("features").GetProperty("spend_n").GetDouble(), 1e-12, text);
            // The amount of the request, that of the event, and how many there were.
            Assert.AreEqual(5 + 100 + customer + n, row.GetProperty("outputs").GetProperty("sum").GetDouble(), 1e-9, text);
        }
    }

    /// <summary>A record that a silo with other definitions has written, and whose layout this one does not know.</summary>
    [TestMethod]
    public async Task AStoredBlockOfAnUnknownLayoutIsRefused()
    {
        var storage = new SharedStorage();
        using (var cluster = Cluster.Start(1, storage, plan: _wider))
        {
            var (runtime, checkpoints) = cluster.Own(0);
            var batch = new TestBatch(_wider, TestProject.Payments);
            batch.Add(TestProject.StartMs, 1, null, 1);
            batch.ResetVectors();
            runtime.Apply(batch);
            checkpoints.Begin("cluster", [], Task.CompletedTask);
            await checkpoints.CompleteAsync();
        }

        // The owner's record knows the layouts of before: without it, as where an old silo meets what a new one has written, nobody does.
        foreach (var (id, _) in storage.Records(ClusterNames.CheckpointState).ToList())
            await storage.ClearStateAsync(ClusterNames.CheckpointState, id, new Orleans.GrainState<Persistence.StoredState>());
        using var older = Cluster.Start(1, storage);
        var exception = await Assert.ThrowsExactlyAsync<OtherDefinitionsException>(() => ReadAsync(older.Service<OrleansRuntime>(0), 1));
        StringAssert.Contains(exception.Message, "was written under other definitions, whose layout is not known here", StringComparison.Ordinal);
    }

    [TestMethod]
    public async Task AnEntityThatItsSiloDoesNotKnowIsRefused()
    {
        var definition = TestProject.Definition;
        var fewer = TestProject.Compile(definition with
        {
            Entities = [definition.Entities[1]],
            FeatureViews = [definition.FeatureViews[1]],
            FeatureServices = [],
            Models = [],
        });
        using var cluster = Start(fewer);
        var refused = 0;
        for (var customer = 0; customer < Customers; customer++)
        {
            try
            {
                Assert.IsEmpty(await ReadAsync(cluster.Service<OrleansRuntime>(cluster.Silo(0)), customer));
            }
            catch (OtherDefinitionsException exception)
            {
                refused++;
                StringAssert.Contains(exception.Message, "runs other definitions, without \"customer\"", StringComparison.Ordinal);
            }
        }

        Assert.IsGreaterThan(5, refused);
    }

    /// <summary>Where sources are counted otherwise, each keeps its own time.</summary>
    [TestMethod]
    public void StreamTimesGoByTheSource()
    {
        var definition = TestProject.Definition;
        var turned = TestProject.Compile(definition with { Sources = [definition.Sources[1], definition.Sources[0]] });
        var owner = new OwnerView(new ClusterPlan(TestProject.Plan));
        owner.Own(1, SiloAddress.Zero, [long.MinValue, long.MinValue]);
        owner.Advance(TestProject.Payments, 11);
        owner.Advance(TestProject.Logins, 22);
        var view = new OwnerView(new ClusterPlan(turned));
        view.Learn(owner.State());
        Assert.AreEqual(22, view.StreamTimeMs(0));
        Assert.AreEqual(11, view.StreamTimeMs(1));
    }

    private static ProjectPlan With(Func<FeatureViewDefinition, FeatureViewDefinition> change) =>
        TestProject.Compile(_definition with { FeatureViews = [change(_definition.FeatureViews[0]), .. _definition.FeatureViews.Skip(1)] });

    private static Cluster Start(ProjectPlan other)
    {
        var storage = new SharedStorage();
        return Cluster.Start(
            2, (_, silo) => silo.Services.AddKeyedSingleton<IGrainStorage>(ClusterNames.Storage, storage),
            new OrleansRuntimeOptions { Placement = EntityPlacementPreference.Even }, number => number == 0 ? _plan : other);
    }

    /// <summary>Applies an event of each customer, and says who took it and who refused it.</summary>
    private static (List<long> Applied, List<long> Refused) Apply(OrleansRuntime runtime)
    {
        var (applied, refused) = (new List<long>(), new List<long>());
        for (var customer = 0L; customer < Customers; customer++)
        {
            var batch = new TestBatch(_plan, TestProject.Payments);
            batch.Add(TestProject.StartMs + customer, customer, null, 100 + customer);
            batch.ResetVectors();
            try
            {
                runtime.Apply(batch);
                applied.Add(customer);
            }
            catch (InvalidDataException exception)
            {
                StringAssert.Contains(exception.Message, "runs other definitions than this one", StringComparison.Ordinal);
                refused.Add(customer);
            }
        }

        return (applied, refused);
    }

    private static async Task<byte[]> ReadAsync(OrleansRuntime runtime, long customer)
    {
        var (keys, blocks) = (new BlockSet(), new BlockSet());
        var key = new byte[8];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(key, customer);
        keys.Add(key);
        await runtime.ReadAsync(TestProject.Customer, keys, blocks, CancellationToken.None);
        return blocks[0].ToArray();
    }
}
