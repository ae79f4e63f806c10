using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime.Local;
using Microsoft.Extensions.Logging.Abstractions;

namespace FeatureStore.Runtime.Tests;

[TestClass]
public sealed class RetentionTests
{
    private static readonly ProjectPlan _plan = PlanOf(TimeSpan.FromSeconds(30));

    /// <summary>Beside a runtime that keeps everything: no vector differs, nor any value read as of the stream's time; and the stores end with what is left.</summary>
    [TestMethod]
    [DataRow(1, 1)]
    [DataRow(2, 3)]
    public void DroppingChangesNoValue(int seed, int shards)
    {
        var time = new ManualTime();
        time.Advance((DateTimeOffset.FromUnixTimeMilliseconds(TestProject.StartMs).AddDays(1) - time.GetUtcNow()).TotalSeconds);
        using var store = new FakeStore(time);
        using var dropping = new LocalRuntime(_plan, new LocalRuntimeOptions { Shards = shards, TracksPublishing = true, Time = time });
        using var keeping = new LocalRuntime(PlanOf(null), new LocalRuntimeOptions { Shards = 1 });
        var checkpointer = new Checkpointer(_plan, dropping, store, new CheckpointOptions(), time, NullLogger<Checkpointer>.Instance);
        var hot = new Dictionary<string, (long Sequence, byte[] Block)>();
        var random = new Random(seed);
        var timeMs = TestProject.StartMs;
        var fewest = long.MaxValue;
        for (var number = 0; number < 600; number++)
        {
            var (left, right) = (new TestBatch(_plan, TestProject.Payments), new TestBatch(_plan, TestProject.Payments));
            for (var count = random.Next(1, 8); count > 0; count--)
            {
                timeMs += random.Next(2000);
                var (atMs, customer, amount) = (timeMs - random.Next(10_000), (long)random.Next(120), random.Next(100));
                left.Add(atMs, customer, null, amount);
                right.Add(atMs, customer, null, amount);
            }

            left.ResetVectors();
            right.ResetVectors();
            dropping.Apply(left);
            keeping.Apply(right);
            CollectionAssert.AreEqual(right.Values(), left.Values(), $"Vectors of batch {number}.");
            if (number % 7 == 0)
            {
                checkpointer.Begin("cluster", [], Task.CompletedTask);
                Wait.Until(() => checkpointer.CompleteAsync().IsCompleted, "the checkpoint is saved");
                Publish();
            }

            if (number > 300)
                fewest = Math.Min(fewest, dropping.Entities);
        }

        checkpointer.Begin("cluster", [], Task.CompletedTask);
        Wait.Until(() => checkpointer.CompleteAsync().IsCompleted, "the checkpoint is saved");
        Publish();
        Console.WriteLine($"{fewest} to {dropping.Entities} of {keeping.Entities} entities");
        Assert.AreEqual(120, keeping.Entities);
        Assert.IsLessThan(110, fewest);
        Assert.HasCount((int)dropping.Entities, store.Blocks);
        for (var customer = 0L; customer < 120; customer++)
        {
            var id = (TestProject.Customer, KeyOf(customer));
            var (block, kept) = (dropping.Read([id]).Single().Value, keeping.Read([id]).Single().Value);
            CollectionAssert.AreEqual(Values(kept, timeMs), Values(block, timeMs));
            Assert.IsTrue(block.AsSpan().SequenceEqual(store.Blocks.GetValueOrDefault(id, [])));
            Assert.IsTrue(block.AsSpan().SequenceEqual(hot[id.Item2].Block), "The hot store has another block.");
        }

        void Publish()
        {
            var (keys, sequences, blocks) = (new BlockSet(), new List<long>(), new BlockSet());
            dropping.ToPublish.Take(TestProject.Customer, 100_000, keys, sequences, blocks);
            for (var index = 0; index < keys.Count; index++)
            {
                var key = Convert.ToHexString(keys[index]);
                if (!hot.TryGetValue(key, out var old) || sequences[index] >= old.Sequence)
                    hot[key] = (sequences[index], blocks[index].ToArray());
            }
        }
    }

    [TestMethod]
    public void AnEntityGoesWhenNothingReachesBackToItAndNotBefore()
    {
        // ttl 30 s, window 60 s, lateness 10 s.
        Assert.AreEqual(1, EntitiesAfter(100_000));
        Assert.AreEqual(0, EntitiesAfter(100_001));

        static long EntitiesAfter(long ms)
        {
            using var runtime = new LocalRuntime(_plan, new LocalRuntimeOptions { Shards = 1 });
            foreach (var (atMs, customer) in new (long, long?)[] { (TestProject.StartMs, 1), (TestProject.StartMs + ms, null) })
            {
                var batch = new TestBatch(_plan, TestProject.Payments);
                batch.Add(atMs, customer, null, 1);
                batch.ResetVectors();
                runtime.Apply(batch);
            }

            return runtime.Entities;
        }
    }

    [TestMethod]
    public void AnEntityWithAFeatureOverEverythingStays()
    {
        var spend = TestProject.Definition.FeatureViews[0];
        foreach (var window in new WindowDefinition?[] { null, new WindowDefinition.Last(3), new WindowDefinition.Session(TimeSpan.FromMinutes(1)) { Closed = 1 } })
        {
            var view = spend with { Ttl = TimeSpan.FromSeconds(1), Features = [spend.Features[0] with { Window = window }] };
            var plan = TestProject.Compile(TestProject.Definition with { FeatureViews = [view], FeatureServices = [], Models = [] });
            Assert.IsNull(Retention.Of(plan, plan.Entities[TestProject.Customer]), $"{window}");
        }

        Assert.IsNull(Retention.Of(TestProject.Plan, TestProject.Plan.Entities[TestProject.Customer]), "without a ttl");
        Assert.IsNotNull(Retention.Of(_plan, _plan.Entities[TestProject.Customer]));
    }

    private static ProjectPlan PlanOf(TimeSpan? ttl) => TestProject.Compile(TestProject.Definition with
    {
        Sources = [.. TestProject.Definition.Sources.Select(source => source with { Align = TimeSpan.Zero })],
        FeatureViews = [.. TestProject.Definition.FeatureViews.Select(view => view with { Ttl = ttl, Features = [.. view.Features.Where(feature => feature.Window is not null)] })],
        FeatureServices = [.. TestProject.Definition.FeatureServices.Where(service => service.Name == "risk")],
        Models = [.. TestProject.Definition.Models.Where(model => model.Name == "risk")],
    });

    private static double[] Values(byte[] block, long asOfMs)
    {
        var entity = _plan.Entities[TestProject.Customer];
        var values = new double[entity.Features.Count];
        entity.Read(block, asOfMs, [.. Enumerable.Range(0, values.Length)], values);
        return values;
    }

    private static string KeyOf(long customer)
    {
        var key = new byte[8];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(key, customer);
        return Convert.ToHexString(key);
    }
}
