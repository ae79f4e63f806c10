using System.Text;
using FeatureStore.Core.Cleaning;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Tests.Cleaning;

[TestClass]
public sealed class CleanerTests
{
    private static readonly FieldDefinition[] _fields =
    [
        new("amount", FieldType.Double), new("count", FieldType.Int64), new("at", FieldType.Timestamp), new("ok", FieldType.Bool), new("name", FieldType.String),
    ];

    [TestMethod]
    [DataRow(0.0, OutsideAction.DeadLetter, CleanVerdict.Keep, 0.0)]
    [DataRow(100.0, OutsideAction.DeadLetter, CleanVerdict.Keep, 100.0)]
    [DataRow(-5.0, OutsideAction.DeadLetter, CleanVerdict.DeadLetter, -5.0)]
    [DataRow(100.5, OutsideAction.Drop, CleanVerdict.Drop, 100.5)]
    [DataRow(-5.0, OutsideAction.Clip, CleanVerdict.Keep, 0.0)]
    [DataRow(1e300, OutsideAction.Clip, CleanVerdict.Keep, 100.0)]
    [DataRow(-1e-300, OutsideAction.Null, CleanVerdict.Keep, null)]
    public void Bounds_are_inside(double amount, OutsideAction outside, CleanVerdict verdict, double? after)
    {
        var batch = Batch(amount, 0);
        var result = new Cleaner(Plan(new CleanRule { Field = "amount", Below = 0, Above = 100, Outside = outside })).Clean(batch, 0);
        Assert.AreEqual(verdict, result.Verdict);
        Assert.AreEqual(after, batch.Row(0).Has(0) ? batch.Row(0).Double(0) : null);
    }

    [TestMethod]
    [DataRow(9007199254740993L, 9007199254740992.0, CleanFault.Above)]
    [DataRow(9007199254740992L, 9007199254740992.0, CleanFault.None)]
    [DataRow(9007199254740991L, 9007199254740992.0, CleanFault.None)]
    [DataRow(5L, 4.5, CleanFault.Above)]
    [DataRow(4L, 4.5, CleanFault.None)]
    [DataRow(long.MaxValue, 1e300, CleanFault.None)]
    public void Integers_are_not_rounded(long count, double above, CleanFault fault)
    {
        var cleaner = new Cleaner(Plan(new CleanRule { Field = "count", Above = above }, new CleanRule { Field = "count", Below = -above }));
        Assert.AreEqual(fault, cleaner.Clean(Batch(0, count), 0).Fault);
        Assert.AreEqual(fault == CleanFault.Above ? CleanFault.Below : CleanFault.None, cleaner.Clean(Batch(0, -count), 0).Fault);
    }

    [TestMethod]
    public void Clipping_takes_the_nearest_whole_number_inside_and_moves_event_time()
    {
        var batch = Batch(0, 10);
        new Cleaner(Plan(new CleanRule { Field = "count", Below = 0.5, Above = 4.5, Outside = OutsideAction.Clip })).Clean(batch, 0);
        Assert.AreEqual(4, batch.Row(0).Int64(1));
        batch.SetInt64(0, 1, -10);
        new Cleaner(Plan(
            new CleanRule { Field = "count", Below = 0.5, Above = 4.5, Outside = OutsideAction.Clip },
            new CleanRule { Field = "at", Below = 2000, Outside = OutsideAction.Clip })).Clean(batch, 0);
        Assert.AreEqual(1, batch.Row(0).Int64(1));
        Assert.AreEqual(2000, batch.Row(0).Int64(2));
        Assert.AreEqual(2000, batch[0].TimeMs);
    }

    [TestMethod]
    [DataRow(MissingAction.Keep, CleanVerdict.Keep, null)]
    [DataRow(MissingAction.Drop, CleanVerdict.Drop, null)]
    [DataRow(MissingAction.DeadLetter, CleanVerdict.DeadLetter, null)]
    [DataRow(MissingAction.Fill, CleanVerdict.Keep, -7.5)]
    public void Missing_is_missing_and_a_filled_value_is_not_held_against_the_rules_own_bounds(MissingAction missing, CleanVerdict verdict, double? after)
    {
        var batch = Batch(0, 0);
        batch.SetNull(0, 0);
        var result = new Cleaner(Plan(new CleanRule { Field = "amount", Missing = missing, Fill = -7.5, Below = 0 })).Clean(batch, 0);
        Assert.AreEqual(verdict, result.Verdict);
        Assert.AreEqual(after, batch.Row(0).Has(0) ? batch.Row(0).Double(0) : null);
    }

    [TestMethod]
    public void Every_type_can_be_filled()
    {
        var batch = new EventBatch(new RowSchema(_fields));
        batch.Add(default);
        CleanRule Fill(string field, object value) => new() { Field = field, Missing = MissingAction.Fill, Fill = value };
        var cleaner = new Cleaner(Plan(Fill("amount", 3), Fill("count", 5.0), Fill("at", "1970-01-01T00:00:01Z"), Fill("ok", true), Fill("name", "né")));
        Assert.AreEqual(default, cleaner.Clean(batch, 0));
        var row = batch.Row(0);
        Assert.AreEqual((3.0, 5L, 1000L, true, "né"), (row.Double(0), row.Int64(1), row.Int64(2), row.Bool(3), Encoding.UTF8.GetString(row.Text(4))));
    }

    [TestMethod]
    public void Rules_apply_in_order_to_what_the_ones_before_left()
    {
        var plan = Plan(
            new CleanRule { Field = "amount", Above = 100, Outside = OutsideAction.Null },
            new CleanRule { Field = "amount", Missing = MissingAction.Fill, Fill = -1.0 },
            new CleanRule { Field = "amount", Below = 0, Outside = OutsideAction.DeadLetter },
            new CleanRule { Field = "count", Missing = MissingAction.Drop });
        var result = new Cleaner(plan).Clean(Batch(101, 0), 0);
        Assert.AreEqual((CleanVerdict.DeadLetter, 2), (result.Verdict, result.Rule));
        Assert.AreEqual("clean[2] amount", result.RuleName(plan.Definition));
        Assert.AreEqual("field \"amount\" is -1, below 0", result.Reason(plan.Definition));
    }

    [TestMethod]
    public void Reasons_say_what_was_found_and_the_bound()
    {
        Assert.AreEqual("field \"amount\" is 0.1, above 0.05", Reason(new CleanRule { Field = "amount", Above = 0.05 }, Batch(0.1, 0)));
        Assert.AreEqual("field \"count\" is -9, below -8.5", Reason(new CleanRule { Field = "count", Below = -8.5 }, Batch(0.1, -9)));
        var batch = Batch(0, 0);
        batch.SetNull(0, 1);
        Assert.AreEqual("field \"count\" is missing", Reason(new CleanRule { Field = "count", Missing = MissingAction.DeadLetter }, batch));
    }

    [TestMethod]
    public void Unsound_rules_are_refused()
    {
        Refuse(new CleanRule { Field = "x" }, "clean[0] x: no such field.");
        Refuse(new CleanRule { Field = "name", Below = 0 }, "clean[0] name: bounds on a field of type String.");
        Refuse(new CleanRule { Field = "amount", Below = double.NaN }, "clean[0] amount: a bound is not a number.");
        Refuse(new CleanRule { Field = "count", Missing = MissingAction.Fill, Fill = 5.5 }, "clean[0] count: fill is not of type Int64.");
        Refuse(new CleanRule { Field = "count", Missing = MissingAction.Fill, Fill = 1e300 }, "clean[0] count: fill is not of type Int64.");
        Refuse(new CleanRule { Field = "name", Missing = MissingAction.Fill }, "clean[0] name: fill is not a text.");
    }

    [TestMethod]
    public void Random_rules_do_what_a_plain_reading_of_them_does()
    {
        const int Seed = 5;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var verdicts = new int[3];
        for (var i = 0; i < 20_000; i++)
        {
            var rules = Enumerable.Range(0, random.Next(5)).Select(_ => RandomRule(random)).ToArray();
            var batch = Batch(random.Next(-5, 6) / 2.0, random.Next(-3, 4));
            var values = new double?[] { batch.Row(0).Double(0), batch.Row(0).Int64(1) };
            for (var field = 0; field < 2; field++)
            {
                if (random.Next(4) > 0)
                    continue;
                batch.SetNull(0, field);
                values[field] = null;
            }

            var expected = Naive(rules, values);
            var result = new Cleaner(Plan(rules)).Clean(batch, 0);
            Assert.AreEqual(expected, (result.Verdict, result.Verdict == CleanVerdict.Keep ? -1 : result.Rule));
            Assert.AreEqual(values[0], batch.Row(0).Has(0) ? batch.Row(0).Double(0) : null);
            Assert.AreEqual(values[1], batch.Row(0).Has(1) ? batch.Row(0).Int64(1) : null);
            verdicts[(int)result.Verdict]++;
        }

        Assert.IsTrue(verdicts.All(count => count > 1000));
    }

    [TestMethod]
    public void Cleaning_allocates_nothing()
    {
        var cleaner = new Cleaner(Plan(
            new CleanRule { Field = "amount", Missing = MissingAction.Drop, Below = 0, Above = 1e6 },
            new CleanRule { Field = "count", Above = 3, Outside = OutsideAction.Clip },
            new CleanRule { Field = "name", Missing = MissingAction.Fill, Fill = "none" }));
        var batch = Batch(5, 9);
        cleaner.Clean(batch, 0);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            batch.SetInt64(0, 1, 9);
            cleaner.Clean(batch, 0);
        }

        Assert.AreEqual(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static CleanRule RandomRule(Random random) => new()
    {
        Field = random.Next(2) == 0 ? "amount" : "count",
        Missing = (MissingAction)random.Next(4),
        Fill = (long)random.Next(-4, 5),
        Below = random.Next(2) == 0 ? null : random.Next(-4, 1) / 2.0,
        Above = random.Next(2) == 0 ? null : random.Next(0, 5) / 2.0,
        Outside = (OutsideAction)random.Next(4),
    };

    private static (CleanVerdict Verdict, int Rule) Naive(CleanRule[] rules, double?[] values)
    {
        for (var index = 0; index < rules.Length; index++)
        {
            var rule = rules[index];
            var field = rule.Field == "amount" ? 0 : 1;
            if (values[field] is not { } value)
            {
                if (rule.Missing is MissingAction.Drop or MissingAction.DeadLetter)
                    return (rule.Missing == MissingAction.Drop ? CleanVerdict.Drop : CleanVerdict.DeadLetter, index);
                if (rule.Missing == MissingAction.Fill)
                    values[field] = (long)rule.Fill!;
                continue;
            }

            if (!(value < rule.Below) && !(value > rule.Above))
                continue;
            if (rule.Outside is OutsideAction.Drop or OutsideAction.DeadLetter)
                return (rule.Outside == OutsideAction.Drop ? CleanVerdict.Drop : CleanVerdict.DeadLetter, index);
            var nearer = value < rule.Below ? rule.Below.Value : rule.Above!.Value;
            if (field == 1)
                nearer = value < rule.Below ? Math.Ceiling(nearer) : Math.Floor(nearer);
            values[field] = rule.Outside == OutsideAction.Null ? null : nearer;
        }

        return (CleanVerdict.Keep, -1);
    }

    private static string Reason(CleanRule rule, EventBatch batch)
    {
        var plan = Plan(rule);
        var result = new Cleaner(plan).Clean(batch, 0);
        Assert.AreEqual(CleanVerdict.DeadLetter, result.Verdict);
        return result.Reason(plan.Definition);
    }

    private static void Refuse(CleanRule rule, string message) =>
        Assert.AreEqual($"{message} Validate the definitions before they are compiled.", Assert.ThrowsExactly<ArgumentException>(() => new Cleaner(Plan(rule))).Message);

    private static EventBatch Batch(double amount, long count)
    {
        var batch = new EventBatch(new RowSchema(_fields));
        batch.Add(new EventHeader { TimeMs = 1000 });
        batch.SetDouble(0, 0, amount);
        batch.SetInt64(0, 1, count);
        batch.SetInt64(0, 2, 1000);
        batch.SetText(0, 4, "a"u8);
        return batch;
    }

    private static SourcePlan Plan(params CleanRule[] rules) => new()
    {
        Index = 0,
        Definition = new SourceDefinition
        {
            Name = "s",
            Kafka = new KafkaTopicDefinition { Topic = "t" },
            Timestamp = "at",
            Fields = _fields,
            Clean = rules,
        },
        Schema = new RowSchema(_fields),
        TimestampField = 2,
        IdField = -1,
    };
}
