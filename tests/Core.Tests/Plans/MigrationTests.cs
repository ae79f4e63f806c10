using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
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
        CollectionAssert.AreEqual(new[] { expected[4], expected[3], double.NaN, expected[1], expected[0] }, values);
    }

    [TestMethod]
    public void TheSameLayoutCarriesEverythingOver()
    {
        var plan = Plan(_lifetime, _exact, _tiled, _session, _distinct);
        foreach (var count in new[] { 0, 1, 10, 1000 })
        {
            var block = Block(plan, [.. Enumerable.Range(0, count).Select(i => (TimeMs: 7L * i, (double?)i))]);
            CollectionAssert.AreEqual(block.Bytes.ToArray(), Migrate(plan, plan.Layout, block.Bytes));
        }
    }

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
    [DataRow("block layout 2\n")]
    [DataRow("block layout 1\n0123456789abcdef\n")]
    [DataRow("block layout 1\n0123456789abcdef 7\n")]
    [DataRow("block layout 1\n0123456789abcdef -8\n")]
    [DataRow("block layout 1\n0123456789abcdeg 8\n")]
    [DataRow("block layout 1\n0123456789abcdef 8 0\n")]
    [DataRow("block layout 1\n0123456789abcdef 40 16\n")]
    [DataRow("block layout 1\n0123456789abcdef 999999992\n")]
    [DataRow("block layout 1\n0123456789abcdef 8")]
    public void ALayoutThatIsNoneIsRefused(string text) =>
        StringAssert.StartsWith(Assert.ThrowsExactly<FormatException>(() => BlockLayout.Parse(text)).Message, "A block layout");
}
