using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Tests.Plans;

[TestClass]
public sealed class KeyTests
{
    private static readonly FieldDefinition[] _fields =
    [
        new("TS", FieldType.Timestamp), new("N", FieldType.Int64), new("T", FieldType.Timestamp), new("B", FieldType.Bool), new("S", FieldType.String), new("S2", FieldType.String),
    ];

    [TestMethod]
    [DataRow("N", "fffffffffffffffe")]
    [DataRow("T", "0000000000000102")]
    [DataRow("B", "01")]
    [DataRow("S", "000268c3")]
    [DataRow("S N", "000268c3fffffffffffffffe")]
    [DataRow("B S T", "01000268c30000000000000102")]
    public void AKeyIsWrittenAsDocumented(string keys, string expected)
    {
        var batch = Row((1, -2L), (2, 0x102L), (3, 1L));
        batch.SetText(0, 4, [0x68, 0xc3]);
        Assert.AreEqual(expected, Convert.ToHexStringLower(Encode(PlanOf(keys), keys, batch)));
    }

    [TestMethod]
    public void DifferentKeysNeverEncodeTheSame()
    {
        const int Seed = 9;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var plan = PlanOf("S N B S2");
        var seen = new Dictionary<string, string>();
        for (var round = 0; round < 20_000; round++)
        {
            var (text, number, flag, other) = (Text(random), random.Next(3), random.Next(2), Text(random));
            var batch = Row((1, number), (3, flag));
            batch.SetText(0, 4, Encoding.UTF8.GetBytes(text));
            batch.SetText(0, 5, Encoding.UTF8.GetBytes(other));
            var key = Convert.ToHexString(Encode(plan, "S N B S2", batch));
            var values = $"{text}|{number}|{flag}|{other}";
            Assert.AreEqual(values, seen.TryGetValue(key, out var earlier) ? earlier : seen[key] = values);
        }

        Assert.HasCount(seen.Values.Distinct().Count(), seen);

        static string Text(Random random) => string.Concat(Enumerable.Range(0, random.Next(4)).Select(_ => (char)random.Next(3)));
    }

    [TestMethod]
    public void AKeyIsReadBackAsItWasWritten()
    {
        const int Seed = 10;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        foreach (var keys in new[] { "N", "T B", "S", "S N B S2", "B S T" })
        {
            var plan = PlanOf(keys);
            var rows = new EventBatch(new RowSchema(plan.Keys));
            for (var round = 0; round < 500; round++)
            {
                var batch = Row((1, random.NextInt64(long.MinValue, long.MaxValue)), (2, random.NextInt64()), (3, random.Next(2)));
                batch.SetText(0, 4, Encoding.UTF8.GetBytes(new string('ü', random.Next(5))));
                batch.SetText(0, 5, Encoding.UTF8.GetBytes(new string('x', random.Next(5))));
                var key = Encode(plan, keys, batch);
                rows.Clear();
                plan.DecodeKey(key, rows, rows.Add(default));
                var again = new byte[EntityPlan.KeyBytesMax];
                var length = plan.EncodeKey(rows.Row(0), [.. Enumerable.Range(0, plan.Keys.Count)], again);
                CollectionAssert.AreEqual(key, again[..length]);
                for (var cut = 0; cut < key.Length; cut++)
                    Assert.ThrowsExactly<ArgumentException>(() => plan.DecodeKey(key.AsSpan(0, cut), rows, 0));
                StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => plan.DecodeKey([.. key, 0], rows, 0)).Message, "1 bytes are left behind a key of entity", StringComparison.Ordinal);
            }
        }
    }

    [TestMethod]
    [DataRow("S", 1022)]
    [DataRow("S N", 1014)]
    [DataRow("S B", 1021)]
    [DataRow("S S2", 1019)]
    [DataRow("N B S T", 1005)]
    public void AKeyOfTheGreatestLengthIsTakenAndALongerOneIsNot(string keys, int textBytesMax)
    {
        var plan = PlanOf(keys);
        foreach (var (length, expected) in new[] { (textBytesMax, EntityPlan.KeyBytesMax), (textBytesMax + 1, 0), (4096, 0) })
        {
            var batch = Row((1, 5), (2, 6), (3, 1));
            batch.SetText(0, 4, new byte[length]);
            batch.SetText(0, 5, "x"u8);
            Assert.HasCount(expected, Encode(plan, keys, batch));
            Assert.AreEqual(EntityPlan.KeyBytesMax + length - textBytesMax, plan.KeyLength(batch.Row(0), FieldsOf(keys)));
        }
    }

    [TestMethod]
    public void AKeyWithANullFieldIsNone()
    {
        var plan = PlanOf("N B");
        Assert.HasCount(9, Encode(plan, "N B", Row((1, 5), (3, 0))));
        Assert.IsEmpty(Encode(plan, "N B", Row((1, 5))));
        Assert.IsEmpty(Encode(plan, "N B", Row((3, 1))));
    }

    private static EventBatch Row(params (int Field, long Value)[] values)
    {
        var batch = new EventBatch(new RowSchema(_fields));
        batch.Add(default);
        foreach (var (field, value) in values)
            batch.SetInt64(0, field, value);
        return batch;
    }

    private static byte[] Encode(EntityPlan plan, string keys, EventBatch batch)
    {
        var key = new byte[EntityPlan.KeyBytesMax];
        var length = plan.EncodeKey(batch.Row(0), FieldsOf(keys), key);
        Assert.IsTrue(length == 0 || length == plan.KeyLength(batch.Row(0), FieldsOf(keys)));
        return key[..length];
    }

    private static int[] FieldsOf(string keys) => [.. keys.Split(' ').Select(key => Array.FindIndex(_fields, field => field.Name == key))];

    private static EntityPlan PlanOf(string keys)
    {
        var project = new ProjectDefinition
        {
            Project = "test",
            Sources = [TestEntity.Source(0) with { Fields = _fields }],
            Entities = [new EntityDefinition { Name = "e", Keys = keys.Split(' ') }],
            FeatureViews = [TestEntity.View("v", 0, TestEntity.Feature("f", Aggregate.Count))],
        };
        Assert.IsEmpty(DefinitionValidator.Validate(project));
        return ProjectPlan.Compile(project).Entities[0];
    }
}
