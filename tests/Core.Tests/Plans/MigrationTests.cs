using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Tests.Oracle;
using static FeatureStore.Core.Tests.Plans.PlanFixture;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>Blocks of one layout carried over to another.</summary>
[TestClass]
public sealed class MigrationTests
{
    private static readonly FeatureDefinition _lifetime = Feature(Aggregate.Sum, "A", null);
    private static readonly FeatureDefinition _exact = Feature(Aggregate.Mean, "A", new WindowDefinition.Sliding(Ms(1000))) with { Name = "exact" };
    private static readonly FeatureDefinition _tiled = Feature(Aggregate.Max, "A", Tiled(1000, 10)) with { Name = "tiled" };
    private static readonly FeatureDefinition _session = Feature(Aggregate.Count, null, new WindowDefinition.Session(Ms(50))) with { Name = "session" };
    private static readonly FeatureDefinition _distinct = Feature(Aggregate.CountDistinct, "A", null) with { Name = "distinct" };

    [TestMethod]
    public void WhatBothLayoutsHaveIsCarriedOver()
    {
        var old = Plan(_lifetime, _exact, _tiled, _session, _distinct);
        var events = Enumerable.Range(0, 200).Select(i => (TimeMs: 10L * i, (double?)i)).ToArray();
        var block = Block(old, events);
        // Another order, one gone, one of another length.
        var plan = Plan(_distinct, _session, _tiled with { Window = Tiled(2000, 10) }, _exact, _lifetime);
        Assert.AreNotEqual(old.LayoutFingerprint, plan.LayoutFingerprint);
        var migrated = Migrate(plan, BlockLayout.Parse(old.Layout.ToText()), block.Bytes);
        Assert.IsNull(plan.Check(migrated));
        Assert.AreEqual(200, EntityPlan.Sequence(migrated));
        Assert.AreEqual(1990, plan.NewestMs(migrated, 0));
        CollectionAssert.AreEqual(EntityPlan.Key(block.Bytes).ToArray(), EntityPlan.Key(migrated).ToArray());
        var values = new double[5];
        plan.Read(migrated, 1990, [0, 1, 2, 3, 4], values);
        var expected = block.Read(1990);
        // The longer window is right once the tiles of before are all that it lacks.
        CollectionAssert.AreEqual(new[] { expected[4], expected[3], 199, expected[1], expected[0] }, values);
        Assert.AreEqual("Whole, Whole, Part, Whole, Whole", States(old, plan));
    }

    [TestMethod]
    public void TheSameLayoutCarriesEverythingOver()
    {
        var plan = Plan(_lifetime, _exact, _tiled, _session, _distinct);
        foreach (var count in new[] { 0, 1, 10, 1000 })
        {
            var block = Block(plan, [.. Enumerable.Range(0, count).Select(i => (TimeMs: 7L * i, (double?)i))]);
            var migrated = Migrate(plan, plan.Layout, block.Bytes);
            for (var feature = 0; feature < plan.Features.Count; feature++)
                Assert.AreEqual(Json(plan, block.Bytes, 7L * count, feature), Json(plan, migrated, 7L * count, feature));
            // What is migrated has no room left over, and so nothing of it is lost.
            CollectionAssert.AreEqual(migrated, Migrate(plan, plan.Layout, migrated));
        }
    }

    /// <summary>What shares its state with others does so before and after one is added, and starts with all that can be computed.</summary>
    [TestMethod]
    [DataRow(Aggregate.Sum, "A", Aggregate.Mean, "A", "Whole", DisplayName = "A sum has its count beside it.")]
    [DataRow(Aggregate.Mean, "A", Aggregate.Sum, "A", "Whole")]
    [DataRow(Aggregate.Count, "A", Aggregate.Mean, "A", "None", DisplayName = "A count is no half of a mean.")]
    [DataRow(Aggregate.Variance, "A", Aggregate.Kurtosis, "A", "Whole")]
    [DataRow(Aggregate.Count, null, Aggregate.Max, "A", "None")]
    [DataRow(Aggregate.Sum, "A", Aggregate.Sum, "B", "None")]
    public void AddingAFeatureLeavesItsNeighboursAlone(Aggregate first, string? firstOf, Aggregate added, string addedOf, string state)
    {
        WindowDefinition[] windows = [Tiled(1000, 10), new WindowDefinition.Tumbling(Ms(1000)), new WindowDefinition.Session(Ms(1000))];
        foreach (var window in windows)
        {
            var neighbour = Feature(first, firstOf, window) with { Name = "neighbour" };
            var (old, plan) = (Plan(neighbour), Plan(Feature(added, addedOf, window), neighbour));
            var expected = window is WindowDefinition.Session && state == "None" ? "Part" : state;
            Assert.AreEqual(window is WindowDefinition.Session && addedOf == "B" ? "None, Whole" : window is WindowDefinition.Session && firstOf is null ? "None, Whole" : $"{expected}, Whole", States(old, plan), $"{window}");
            var block = Block(old, (1, 5), (2, 6), (15, 7));
            Assert.AreEqual(Json(old, block.Bytes, 20), Json(plan, Migrate(plan, old.Layout, block.Bytes), 20, 1));
        }
    }

    /// <summary>In exact windows all that is made of inputs that were kept is right at once.</summary>
    [TestMethod]
    public void WhatIsMadeOfKeptEventsIsRightAtOnce()
    {
        static WindowDefinition Window(long ms) => new WindowDefinition.Sliding(Ms(ms));
        var (sum, max, other, distinct) = (Feature(Aggregate.Sum, "A", Window(100)), Feature(Aggregate.Max, "A", Window(50)) with { Name = "max" },
            Feature(Aggregate.Max, "B", Window(50)) with { Name = "other" }, Feature(Aggregate.Count, null, Window(300)) with { Name = "longer" });
        var (old, plan) = (Plan(sum), Plan(max, other, distinct, sum));
        Assert.AreEqual("Whole, None, Part, Whole", States(old, plan));
        var block = Block(old, (0, 1), (60, 9), (99, 2), (130, 3));
        var migrated = Migrate(plan, old.Layout, block.Bytes);
        CollectionAssert.AreEqual(new[] { "3", "null", "3", "14" }, Enumerable.Range(0, 4).Select(feature => Json(plan, migrated, 130, feature)).ToArray());
    }

    /// <summary>A row that is deleted takes its event out of what knows it, and is no stranger to what does not.</summary>
    [TestMethod]
    public void WhatIsNewLetsOthersTakeEventsBack()
    {
        var source = TestEntity.Source(0, 1000) with { Envelope = EventEnvelope.Debezium };
        var window = new WindowDefinition.Sliding(Ms(1000));
        FeatureDefinition[] kept = [Feature(Aggregate.Sum, "A", null), Feature(Aggregate.Sum, "A", window) with { Name = "exact" }, Feature(Aggregate.Sum, "A", Tiled(1000, 10)) with { Name = "tiled" }];
        FeatureDefinition[] added = [.. ((WindowDefinition?[])[null, window, Tiled(1000, 10), Tiled(500, 100), new WindowDefinition.Tumbling(Ms(1000)), new WindowDefinition.Session(Ms(1000)), new WindowDefinition.Last(5)])
            .SelectMany((added, index) => new[] { Feature(Aggregate.Mean, "B", added) with { Name = $"b{index}" }, Feature(Aggregate.Sum, "A", added) with { Name = $"w{index}", Where = "B > 0.0" } })];
        var (old, plan) = (Plan(source, kept), Plan(source, [.. kept, .. added]));
        var before = new TestBlock(old);
        TestEvent[] events = [new(0, 10) { A = 1, B = 2 }, new(0, 10) { A = 2, B = 3 }, new(0, 20) { A = 4, B = 5 }];
        foreach (var @event in events)
            before.Apply(@event);
        var block = new EngineBlock(plan, Migrate(plan, old.Layout, before.Bytes));
        Assert.IsTrue(block.CanRetract(events[1]));
        block.Retract(events[1]);
        CollectionAssert.AreEqual(new[] { 5.0, 5, 5 }, block.Read(20)[..3]);
        // One that never was is a stranger to what has always been there.
        block.Retract(new TestEvent(0, 10) { A = 3, B = 3 });
        CollectionAssert.AreEqual(new[] { 5.0, 5, 5 }, block.Read(20)[..3]);
    }

    [TestMethod]
    public void ALayoutOfAnotherVersionIsRefused() => Assert.AreEqual(
        "A block layout is of version 1, and this program reads version 2.",
        Assert.ThrowsExactly<NotSupportedException>(() => BlockLayout.Parse("block layout 1\n0123456789abcdef 8\n")).Message);

    [TestMethod]
    public void AnInputOfAnotherTypeIsAnotherInput()
    {
        var plan = Plan(_lifetime);
        var source = TestEntity.Source(0);
        var other = Plan(source with { Fields = [.. source.Fields.Select(field => field.Name == "A" ? field with { Type = FieldType.Int64 } : field)] }, _lifetime);
        var migrated = Migrate(other, plan.Layout, Block(plan, (1, 5)).Bytes);
        var values = new double[1];
        other.Read(migrated, 1, [0], values);
        Assert.AreEqual(0, values[0]);
    }

    [TestMethod]
    public void ABlockOfAnotherLayoutOrWithDamageIsRefused()
    {
        var (old, plan) = (Plan(_tiled, _session), Plan(_tiled));
        var block = Block(old, (1, 1), (20, 2)).Bytes.ToArray();
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Migrate(plan, plan.Layout, block)).Message, "has not the layout that it is stored under");
        var random = new Random(5);
        for (var round = 0; round < 20_000; round++)
        {
            var damaged = block.ToArray();
            BitConverter.TryWriteBytes(damaged.AsSpan(4 * random.Next(damaged.Length / 4)), random.Next(3) switch { 0 => random.Next(), 1 => -1, _ => random.Next(200) });
            try
            {
                Assert.IsNull(plan.Check(Migrate(plan, old.Layout, damaged)));
            }
            catch (InvalidDataException exception)
            {
                StringAssert.Contains(exception.Message, "Rebuild its state from the sources.");
            }
        }
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("block layout\n")]
    [DataRow("block layout 2\n0123456789abcdef\n")]
    [DataRow("block layout 2\n0123456789abcdef 7\n")]
    [DataRow("block layout 2\n0123456789abcdef -8\n")]
    [DataRow("block layout 2\n0123456789abcdeg 8\n")]
    [DataRow("block layout 2\n0123456789abcdef 8 0\n")]
    [DataRow("block layout 2\n0123456789abcdef 16 time\n")]
    [DataRow("block layout 2\n0123456789abcdef 48 last 5,0 \n")]
    [DataRow("block layout 2\n0123456789abcdef 48 pictures 5,0  \n")]
    [DataRow("block layout 2\n0123456789abcdef 40 last 5,0  \n")]
    [DataRow("block layout 2\n0123456789abcdef 8 newest\n0123456789abcdef 48 last 5,0  \n")]
    [DataRow("block layout 2\n0123456789abcdef 8 newest\n0123456789abcdef 40 last 0,0  \n")]
    [DataRow("block layout 2\n0123456789abcdef 8 newest\n0123456789abcdef 40 last 5,0 0123456789abcdef/7 \n")]
    [DataRow("block layout 2\n0123456789abcdef 8 newest\n0123456789abcdef 40 tiles 0,5  \n")]
    [DataRow("block layout 2\n0123456789abcdef 8 newest\n0123456789abcdef 40 tiles 20,5,30,5  \n")]
    [DataRow("block layout 2\n0123456789abcdef 8 newest\n0123456789abcdef 40 tiles 20,5,x  \n")]
    [DataRow("block layout 2\n0123456789abcdef 8 newest\n0123456789abcdef 40 tiles 20,5  0123456789abcdef/8/16,0123456789abcdef/8/8\n")]
    [DataRow("block layout 2\n0123456789abcdef 8 newest\n0123456789abcdef 32 tumbling 0,0,0  \n")]
    [DataRow("block layout 2\n0123456789abcdef 999999992\n")]
    [DataRow("block layout 2\n0123456789abcdef 8")]
    public void ALayoutThatIsNoneIsRefused(string text) =>
        StringAssert.StartsWith(Assert.ThrowsExactly<FormatException>(() => BlockLayout.Parse(text)).Message, "A block layout");

    private static string States(EntityPlan from, EntityPlan to) =>
        string.Join(", ", Enumerable.Range(0, to.Features.Count).Select(new BlockMigration(BlockLayout.Parse(from.Layout.ToText()), to).StateOf));
}
