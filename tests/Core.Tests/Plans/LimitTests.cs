using System.Diagnostics;
using FeatureStore.Core.Blocks.Containers;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>How blocks grow, shrink and overflow.</summary>
[TestClass]
public sealed class LimitTests
{
    [TestMethod]
    public void AFullWindowDropsTheOldestAndCountsIt()
    {
        var plan = TestEntity.Plan(
            TestEntity.Feature("count", Aggregate.Count, null, 1000, limit: 3), TestEntity.Feature("sum", Aggregate.Sum, "A", 1000, limit: 3),
            TestEntity.Feature("min", Aggregate.Min, "A", 1000, limit: 3), TestEntity.Feature("all", Aggregate.Count));
        var block = new TestBlock(plan);
        for (var i = 1; i <= 5; i++)
            block.Apply(new TestEvent(0, i) { A = i });
        CollectionAssert.AreEqual(new[] { 3.0, 12, 3, 5 }, block.Read(5));
        Assert.AreEqual(2, plan.Overflowed(block.Bytes));
        CollectionAssert.AreEqual(new[] { 1.0, 3, 3, 5 }, block.Read(3));
    }

    [TestMethod]
    public void AFullWindowDropsALateEventThatIsItsOldest()
    {
        var plan = TestEntity.Plan([TestEntity.Source(0, latenessMs: 100)], TestEntity.View("v", 0, TestEntity.Feature("sum", Aggregate.Sum, "A", 1000, limit: 2)));
        var block = new TestBlock(plan);
        foreach (var (timeMs, value) in new[] { (10, 1), (20, 2), (5, 4), (10, 8), (15, 16) })
            block.Apply(new TestEvent(0, timeMs) { A = value });
        // 5 is older than all; the second of the two at 10 follows the first, and goes when 15 comes.
        Assert.AreEqual(18, block.Read(20, 0));
        Assert.AreEqual(3, plan.Overflowed(block.Bytes));
    }

    [TestMethod]
    public void AnEventBeforeAllReachLeavesWindowsAlone()
    {
        var plan = TestEntity.Plan(
            [TestEntity.Source(0, latenessMs: 10)],
            TestEntity.View("v", 0, TestEntity.Feature("count", Aggregate.Count, null, 50), TestEntity.Feature("all", Aggregate.Count)));
        var block = new TestBlock(plan);
        block.Apply(new TestEvent(0, 1000));
        block.Apply(new TestEvent(0, 940));
        CollectionAssert.AreEqual(new[] { 1.0, 2 }, block.Read(1000));
        Assert.AreEqual(2, EntityPlan.Sequence(block.Bytes));
        Assert.AreEqual(1000, plan.NewestMs(block.Bytes, 0));
    }

    /// <summary>A burst, quiet, a burst: the block follows, and reads the same whatever its size.</summary>
    [TestMethod]
    public void ABlockGrowsAndShrinksWithItsEvents()
    {
        var plan = TestEntity.Plan(TestEntity.Feature("count", Aggregate.Count, null, 1000), TestEntity.Feature("sum", Aggregate.Sum, "A", 1000));
        var block = new TestBlock(plan);
        var timeMs = 0L;
        var lengths = new List<int>();
        foreach (var (events, gapMs) in new[] { (5000, 0L), (200, 100), (5000, 0) })
        {
            for (var i = 0; i < events; i++)
                block.Apply(new TestEvent(0, timeMs += gapMs) { A = i });
            timeMs += 2000;
            lengths.Add(block.Bytes.Length);
        }

        Assert.IsTrue(lengths[0] is > 5000 * 16 and < 5000 * 16 * 4 / 3, $"{lengths[0]}");
        Assert.IsLessThan(2000, lengths[1]);
        Assert.IsTrue(lengths[2] is > 5000 * 16 and < 5000 * 16 * 4 / 3, $"{lengths[2]}");
        CollectionAssert.AreEqual(new[] { 5000.0, 4999.0 * 5000 / 2 }, block.Read(timeMs - 2000));
    }

    /// <summary>At the limit an event costs about as much as below it: rows do not move for each.</summary>
    [TestMethod]
    public void AHundredThousandEventsAreHeldExactly()
    {
        const int Limit = 100_000;
        var plan = TestEntity.Plan(
            TestEntity.Feature("count", Aggregate.Count, null, 1_000_000), TestEntity.Feature("sum", Aggregate.Sum, "A", 1_000_000),
            TestEntity.Feature("max", Aggregate.Max, "A", 1_000_000), TestEntity.Feature("short", Aggregate.Sum, "A", 10));
        var block = new TestBlock(plan);
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < 4 * Limit; i++)
            block.Apply(new TestEvent(0, i) { A = i / 100.0 });
        var took = Stopwatch.GetElapsedTime(start);
        const double First = 3 * Limit, Last = 4 * Limit - 1;
        CollectionAssert.AreEqual(new[] { Limit, (First + Last) * Limit / 200, Last / 100, (Last - 4.5) / 10 }, block.Read((long)Last));
        Assert.AreEqual(3 * Limit, plan.Overflowed(block.Bytes));
        Assert.IsLessThanOrEqualTo(plan.EmptyLength(8) + Sliding.BytesMax(Limit, 1), block.Bytes.Length);
        Assert.IsLessThan(60, block.Resizes);
        // Moving 1.6 MB for each of 300,000 events takes at least 20 s.
        Assert.IsLessThan(10, took.TotalSeconds);
    }

    [TestMethod]
    public void AnEntityThatCouldOutgrowItsStoresIsRefused()
    {
        var features = Enumerable.Range(0, 60).Select(i => TestEntity.Feature($"f{i}", Aggregate.Sum, $"A * {i}.0", 1000, limit: 1_000_000)).ToArray();
        var project = new ProjectDefinition
        {
            Project = "test",
            Sources = [TestEntity.Source(0)],
            Entities = [new EntityDefinition { Name = "e", Keys = ["K"] }],
            FeatureViews = [TestEntity.View("v", 0, features[..50])],
        };
        Assert.IsEmpty(DefinitionValidator.Validate(project));
        var error = DefinitionValidator.Validate(project with { FeatureViews = [TestEntity.View("v", 0, features)] }).Single();
        Assert.AreEqual("entities[0]", error.Path);
        Assert.AreEqual(
            "entity \"e\": its features may come to keep 610,001,952 bytes for one key. At most 512,000,000 are allowed. Lower limit, use longer tiles, or aggregate fewer different inputs.",
            error.Message);
    }
}
