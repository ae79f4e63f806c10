using System.Globalization;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Vectors;

namespace FeatureStore.Core.Tests.Vectors;

/// <summary>Expressions of a service over its request fields, its features and one another.</summary>
[TestClass]
public sealed class ServiceExpressionTests
{
    private static readonly RowSchema _request = new([new("amount", FieldType.Double), new("at", FieldType.Timestamp), new("text", FieldType.String), new("n", FieldType.Int64)]);

    [TestMethod]
    [DataRow("amount / mean", 2.5)]
    [DataRow("amount - empty", double.NaN)]
    [DataRow("has(empty) ? empty : -1.0", -1.0)]
    [DataRow("has(mean) ? mean : -1.0", 4.0)]
    [DataRow("empty == null ? 3.0 : empty", 3.0)]
    [DataRow("n > 2", 1.0)]
    [DataRow("mean", 4.0)]
    [DataRow("`mean` + .mean", 8.0)]
    [DataRow("{'mean': 9}.mean", 9.0)]
    [DataRow("[1.0, 2.0].map(mean, mean * 2.0)[1] + mean", 8.0)]
    [DataRow("cel.bind(x, mean, x * x)", 16.0)]
    [DataRow("[amount, mean, 1.0].filter(x, x > 3.0).size()", 2.0)]
    [DataRow("infinite > 1e300", 1.0)]
    [DataRow("upper == 'ABC' ? 1 : 0", 1.0)]
    [DataRow("upper.size() + text.size()", 6.0)]
    [DataRow("has(upper) && !has(no_text)", 1.0)]
    [DataRow("no_text + 'x' == 'x' ? 1 : 0", double.NaN)]
    [DataRow("is_big == 1.0 ? 5 : 6", 5.0)]
    [DataRow("when + 1.0", 1001.0)]
    [DataRow("whole / 2.0", 1.5)]
    [DataRow("amount_too + 0.0", 10.0)]
    [DataRow("n / 2", 1.0)]
    public void ExpressionGives(string expression, double expected)
    {
        ServiceFeatureDefinition[] entries =
        [
            new() { Name = "x", Expression = expression },
            new() { Name = "mean", Feature = "v:mean" }, new() { Name = "empty", Feature = "v:empty" }, new() { Name = "infinite", Feature = "v:infinite" },
            new() { Name = "upper", Expression = "text.upperAscii()" }, new() { Name = "no_text", Expression = "n > 100 ? text : null" },
            new() { Name = "is_big", Expression = "amount > 1.0" }, new() { Name = "when", Expression = "at" }, new() { Name = "whole", Expression = "n" },
            new() { Name = "amount_too", RequestField = "amount" }, new() { Name = "n", Expression = "n * 1000" },
        ];
        // The source has more fields than the request, in another order, and one of them is called as a feature and one as a namespace.
        var source = new RowSchema(
        [
            new("mean", FieldType.Double), new("math", FieldType.Double), new("text", FieldType.String), new("amount", FieldType.Double), new("n", FieldType.Int64), new("at", FieldType.Timestamp),
        ]);
        foreach (var rows in new[] { _request, source })
        {
            var (service, batch) = (Compile(entries), new EventBatch(rows));
            var row = batch.Add(default);
            batch.SetDouble(row, rows.IndexOf("amount"), 10);
            batch.SetInt64(row, rows.IndexOf("at"), 1000);
            batch.SetText(row, rows.IndexOf("text"), "abc"u8);
            batch.SetInt64(row, rows.IndexOf("n"), 3);
            if (rows == source)
                batch.SetDouble(row, 0, -77);
            var vectors = new VectorBatch(service);
            vectors.Reset(1);
            (vectors[0, 1], vectors[0, 3]) = (4, double.PositiveInfinity);
            new ComputedFeatures(service, rows == _request ? service.Request : rows).Fill(vectors, batch);
            Assert.AreEqual(expected, vectors[0, 0], $"{expression} over {rows.Count} fields");
            Assert.IsTrue(vectors.TryGetText(0, 4, out var upper) && upper.SequenceEqual("ABC"u8));
            Assert.AreEqual(3000.0, vectors[0, 10], "a name that is a field's is the field");
        }
    }

    /// <summary>Sums of random others, in any order of entries, against sums worked out by hand.</summary>
    [TestMethod]
    public void AnyOrderOfEntriesGivesTheSame()
    {
        for (var seed = 0; seed < 100; seed++)
        {
            var random = new Random(seed);
            var count = random.Next(1, 40);
            var uses = Enumerable.Range(0, count).Select(entry => Enumerable.Range(0, entry).Where(_ => random.Next(4) == 0).ToArray()).ToArray();
            var places = Enumerable.Range(0, count).ToArray();
            random.Shuffle(places);
            var entries = new ServiceFeatureDefinition[count];
            for (var entry = 0; entry < count; entry++)
            {
                entries[places[entry]] = random.Next(3) == 0 && uses[entry].Length == 0
                    ? new() { Name = $"e{entry}", Feature = "v:f" }
                    : new() { Name = $"e{entry}", Expression = string.Join(" + ", uses[entry].Select(used => $"e{used}").Prepend("amount")) };
            }

            var service = Compile(entries);
            var (vectors, batch) = (new VectorBatch(service), new EventBatch(service.Request));
            const int rows = 3;
            vectors.Reset(rows);
            for (var row = 0; row < rows; row++)
            {
                batch.Add(default);
                batch.SetDouble(row, 0, row + 1);
                for (var entry = 0; entry < count; entry++)
                {
                    if (entries[places[entry]].Feature is not null)
                        vectors[row, places[entry]] = random.Next(8) == 0 ? double.NaN : random.Next(100);
                }
            }

            new ComputedFeatures(service, service.Request).Fill(vectors, batch);
            for (var row = 0; row < rows; row++)
            {
                var expected = new double[count];
                for (var entry = 0; entry < count; entry++)
                {
                    expected[entry] = entries[places[entry]].Feature is not null ? vectors[row, places[entry]] : row + 1 + uses[entry].Sum(used => expected[used]);
                    Assert.AreEqual(expected[entry], vectors[row, places[entry]], $"seed {seed}, row {row}: {entries[places[entry]]}");
                }
            }
        }
    }

    [TestMethod]
    [Timeout(60_000)]
    public void TheLongestChainAndTheLongestCircleNeedNoStack()
    {
        const int count = DefinitionLimits.ServiceFeaturesMax;
        var chain = Enumerable.Range(0, count).Select(index => new ServiceFeatureDefinition
        {
            Name = $"e{index}",
            Expression = index == count - 1 ? "amount" : string.Create(CultureInfo.InvariantCulture, $"{new string('(', 30)}e{index + 1}{new string(')', 30)} + 1.0"),
        }).ToArray();
        var compiled = ServiceExpressions.Compile(chain, _request);
        Assert.IsTrue(compiled.Errors.All(error => error is null));
        CollectionAssert.AreEqual(Enumerable.Range(0, count).Reverse().ToArray(), compiled.Order);

        var service = Compile(chain);
        var (vectors, batch) = (new VectorBatch(service), new EventBatch(service.Request));
        batch.Add(default);
        batch.SetDouble(0, 0, 5);
        vectors.Reset(1);
        new ComputedFeatures(service, service.Request).Fill(vectors, batch);
        Assert.AreEqual(5.0 + count - 1, vectors[0, 0]);

        chain[^1] = new() { Name = chain[^1].Name, Expression = "amount + e0" };
        var error = ServiceExpressions.Compile(chain, _request).Errors.Single(error => error is not null)!;
        Assert.AreEqual("\"e0\" uses \"e1\" uses \"e2\" uses \"e3\" uses \"e4\" uses \"e5\" uses \"e6\" uses … uses \"e999\" uses \"e0\". A value cannot be made of itself.", error.Message);
        Assert.AreEqual(9, error.Position);
    }

    [TestMethod]
    public void EveryCircleIsRefused()
    {
        for (var seed = 0; seed < 500; seed++)
        {
            var random = new Random(seed);
            var count = random.Next(1, 12);
            var uses = Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, count).Where(_ => random.Next(6) == 0).ToArray()).ToArray();
            var entries = uses.Select((used, entry) => new ServiceFeatureDefinition { Name = $"e{entry}", Expression = string.Join(" + ", used.Select(use => $"e{use}").Prepend("1.0")) }).ToArray();
            var reaches = new bool[count, count];
            for (var entry = 0; entry < count; entry++)
                Array.ForEach(uses[entry], use => reaches[entry, use] = true);
            for (var over = 0; over < count; over++)
            {
                for (var from = 0; from < count; from++)
                {
                    for (var to = 0; to < count; to++)
                        reaches[from, to] |= reaches[from, over] && reaches[over, to];
                }
            }

            var hasCircle = Enumerable.Range(0, count).Any(entry => reaches[entry, entry]);
            var compiled = ServiceExpressions.Compile(entries, _request);
            Assert.AreEqual(hasCircle, compiled.Errors.Any(error => error is not null), $"seed {seed}");
            foreach (var (entry, error) in compiled.Errors.Index().Where(pair => pair.Item is not null))
            {
                Assert.IsTrue(reaches[entry, entry], $"seed {seed}: e{entry} is in no circle.");
                StringAssert.StartsWith(entries[entry].Expression![error!.Position..], "e", StringComparison.Ordinal, $"seed {seed}");
            }
        }
    }

    [TestMethod]
    public void ComputingAllocatesNothing()
    {
        var service = Compile(
        [
            new() { Name = "a", Expression = "cel.bind(x, b - mean, x > 0.0 ? x : 0.0)" }, new() { Name = "b", Expression = "amount / mean" }, new() { Name = "mean", Feature = "v:mean" },
            new() { Name = "t", RequestField = "text" }, new() { Name = "is_t", Expression = "t == 'abc' && has(b)" },
        ]);
        var (vectors, batch, computed) = (new VectorBatch(service), new EventBatch(service.Request), new ComputedFeatures(service, service.Request));
        for (var row = 0; row < 100; row++)
        {
            batch.Add(default);
            batch.SetDouble(row, 0, row);
            batch.SetText(row, 2, "abc"u8);
        }

        for (var round = 0; round < 3; round++)
            Run();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Run();
        Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.AreEqual(1.0, vectors[5, 4]);

        void Run()
        {
            vectors.Reset(100);
            for (var row = 0; row < 100; row++)
                vectors[row, 2] = 2;
            computed.Fill(vectors, batch);
        }
    }

    private static ServicePlan Compile(IReadOnlyList<ServiceFeatureDefinition> entries)
    {
        var expressions = ServiceExpressions.Compile(entries, _request);
        Assert.IsTrue(expressions.Errors.All(error => error is null), string.Join('\n', expressions.Errors.Where(error => error is not null)));
        return new ServicePlan("s", _request, [.. entries.Select((entry, index) => entry.Feature is not null
            ? new VectorFeature(entry.Name, false, new FeatureOrigin.OfEntity(0, "v", index), [])
            : new VectorFeature(entry.Name, expressions.Compiled[index]!.Type == Core.Expressions.ExpressionType.String,
                new FeatureOrigin.OfRequest(entry.Expression ?? entry.RequestField!, expressions.Compiled[index]!), []))], expressions.Order);
    }
}
