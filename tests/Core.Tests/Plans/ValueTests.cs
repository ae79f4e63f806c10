using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using static FeatureStore.Core.Tests.Plans.PlanFixture;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>Values that are no numbers, numbers of few events, and what is taken back.</summary>
[TestClass]
public sealed class ValueTests
{
    private static readonly WindowDefinition?[] _windows =
        [null, new WindowDefinition.Sliding(Ms(1000)), Tiled(1000, 100), new WindowDefinition.Tumbling(Ms(1000)), new WindowDefinition.Session(Ms(1000)), new WindowDefinition.Last(100)];

    [TestMethod]
    public void EveryKindIsWrittenAsJson()
    {
        foreach (var window in _windows)
        {
            var text = new FeatureDefinition { Name = "", Aggregate = Aggregate.Last, Of = "S", Window = window };
            var plan = Plan(
                text with { Name = "last" }, text with { Name = "first", Aggregate = Aggregate.FirstN, N = 2 }, text with { Name = "top", Aggregate = Aggregate.TopK, K = 2 },
                text with { Name = "numbers", Aggregate = Aggregate.LastN, N = 2, Of = "A" }, text with { Name = "histogram", Aggregate = Aggregate.Histogram, Of = "A", Bounds = [2, 3] },
                text with { Name = "by", Aggregate = Aggregate.Sum, Of = "A", By = "S" }, text with { Name = "by_number", Aggregate = Aggregate.Mean, Of = "A", By = "C" },
                text with { Name = "distinct", Aggregate = Aggregate.CountDistinct }, text with { Name = "median", Aggregate = Aggregate.Quantile, Of = "A", Q = 0.5 });
            string[] nothing = ["null", "null", "null", "null", "null", "{}", "{}", "0", "null"];
            CollectionAssert.AreEqual(nothing, Texts(plan, default, 500));
            var block = new TestBlock(plan);
            CollectionAssert.AreEqual(nothing, Texts(plan, block.Bytes, 500));
            block.Apply(new TestEvent(0, 1) { A = 1, C = 2, S = "b" });
            block.Apply(new TestEvent(0, 2) { A = 2.5, C = -1, S = "ä\"" });
            block.Apply(new TestEvent(0, 3) { A = 8, C = 2, S = new string('x', 64) });
            block.Apply(new TestEvent(0, 4) { C = 2, S = "b" });
            Assert.IsNull(plan.Check(block.Bytes));
            CollectionAssert.AreEqual(
                new[] { "\"b\"", "[\"b\",\"\\u00E4\\u0022\"]", "[{\"value\":\"b\",\"count\":2},{\"value\":\"\\u00E4\\u0022\",\"count\":1}]", "[2.5,8]", "[1,1,1]", "{\"b\":1,\"\\u00E4\\u0022\":2.5}", "{\"-1\":2.5,\"2\":4.5}", "2" },
                Texts(plan, block.Bytes, 500)[..8], $"{window}");
            Assert.AreEqual(2.5, block.Read(500, 8), 0.025);
            // Only numbers are read as such.
            Assert.AreEqual(7, block.Read(500)[..7].Count(double.IsNaN));
        }
    }

    [TestMethod]
    public void ANumberReadsBackWhatItIs()
    {
        var plan = Plan(Feature(Aggregate.Last, "A", null));
        foreach (var value in new[] { Math.ScaleB(1, -25), 0.1, 1, -0.0, 1e300, double.Epsilon, Math.ScaleB(1, -24), 123456789012345680 })
        {
            var json = Json(plan, Block(plan, (1, value)).Bytes, 1);
            Assert.AreEqual(BitConverter.DoubleToInt64Bits(value), BitConverter.DoubleToInt64Bits(double.Parse(json, System.Globalization.CultureInfo.InvariantCulture)), json);
        }
    }

    [TestMethod]
    public void MomentsOfFewEventsAreNull()
    {
        Aggregate[] aggregates = [Aggregate.Variance, Aggregate.Skew, Aggregate.Kurtosis];
        foreach (var window in _windows)
        {
            var plan = Plan([.. aggregates.Select(aggregate => Feature(aggregate, "A", window) with { Name = $"{aggregate}" }),
                .. aggregates.Select(aggregate => Feature(aggregate, "A", window) with { Name = $"sample{aggregate}", Sample = true })]);
            CollectionAssert.AreEqual(new[] { 0, double.NaN, double.NaN, double.NaN, double.NaN, double.NaN }, Block(plan, (1, 5)).Read(1));
            CollectionAssert.AreEqual(new[] { 0, double.NaN, double.NaN, 0, double.NaN, double.NaN }, Block(plan, (1, 0.1), (2, 0.1), (300, 0.1), (301, 0.1)).Read(301));
            var values = Block(plan, (1, 1), (150, 2), (300, 4), (450, 9)).Read(450);
            double[] expected = [9.5, 0.768417, -1, 9.5 * 4 / 3, 1.330938, 1.5];
            for (var index = 0; index < values.Length; index++)
                Assert.AreEqual(expected[index], values[index], 1e-5, $"{window} {plan.Features[index].Name}");
        }
    }

    [TestMethod]
    public void WhatIsTakenBackLeavesNothing()
    {
        var source = TestEntity.Source(0, latenessMs: 1000) with { Envelope = EventEnvelope.Debezium };
        foreach (var window in _windows)
        {
            var sum = Feature(Aggregate.Sum, "A", window);
            var plan = Plan(source, sum, sum with { Name = "variance", Aggregate = Aggregate.Variance }, sum with { Name = "by", By = "C" }, sum with { Name = "distinct", Aggregate = Aggregate.CountDistinct });
            var block = new TestBlock(plan);
            TestEvent[] events = [new(0, 1) { A = 0.1, C = 1 }, new(0, 2) { A = 1e9, C = 2 }, new(0, 3) { A = 0.2, C = 1 }];
            foreach (var @event in events)
                block.Apply(@event);
            Assert.IsTrue(plan.CanRetract(block.Bytes, 0, 2));
            Assert.IsTrue(block.Retract(events[1]));
            Assert.AreEqual(0.1 + 0.2, block.Read(3, 0), 1e-14);
            Assert.AreEqual(0.0025, block.Read(3, 1), 1e-12);
            Assert.StartsWith("{\"1\":0.3", Json(plan, block.Bytes, 3, 2));
            Assert.AreEqual(2, block.Read(3, 3));
            Assert.AreEqual(4, EntityPlan.Sequence(block.Bytes));
            // What was not there changes nothing.
            Assert.IsFalse(block.Retract(new TestEvent(0, 777_000) { A = 1, C = 1 }) && window is not null);
            Assert.IsTrue(block.Retract(events[0]) & block.Retract(events[2]));
            if (window is not null)
                CollectionAssert.AreEqual(new[] { "0", "null", "{}", "0" }, Texts(plan, block.Bytes, 3), $"{window}");
            Assert.IsNull(plan.Check(block.Bytes));
        }
    }

    [TestMethod]
    public void WhatASessionOrTheLastHasSettledCannotBeTakenBack()
    {
        var source = TestEntity.Source(0, latenessMs: 10) with { Envelope = EventEnvelope.Debezium };
        foreach (var window in new WindowDefinition[] { new WindowDefinition.Session(Ms(5)), new WindowDefinition.Last(5) })
        {
            var plan = Plan(source, Feature(Aggregate.Max, "A", window));
            Assert.IsFalse(plan.CanRetract(default, 0, 0));
            var block = Block(plan, (80, 3), (100, 1), (110, 2));
            Assert.IsTrue(plan.CanRetract(block.Bytes, 0, 100));
            Assert.IsFalse(plan.CanRetract(block.Bytes, 0, 99));
        }
    }

    private static string[] Texts(EntityPlan plan, ReadOnlySpan<byte> block, long asOfMs)
    {
        var texts = new string[plan.Features.Count];
        for (var feature = 0; feature < texts.Length; feature++)
            texts[feature] = Json(plan, block, asOfMs, feature);
        return texts;
    }
}
