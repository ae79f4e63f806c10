using System.Globalization;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;
using FeatureStore.Core.Vectors;

namespace FeatureStore.Core.Tests.Vectors;

/// <summary>Transforms, each by table: a value, and the columns it becomes. NaN is null.</summary>
[TestClass]
public sealed class TransformTests
{
    private const double Null = double.NaN;
    private const double Infinity = double.PositiveInfinity;

    private static readonly Dictionary<string, TransformDefinition[]> _transforms = new()
    {
        ["none"] = [],
        ["standardize"] = [new TransformDefinition.Standardize(50, 4)],
        ["minmax"] = [new TransformDefinition.MinMax(-10, 30)],
        ["log1p"] = [new TransformDefinition.Log1p()],
        ["clip"] = [new TransformDefinition.Clip(-1.5, 2)],
        ["impute"] = [new TransformDefinition.Impute(7)],
        ["bucketize"] = [new TransformDefinition.Bucketize([0, 10, 100])],
        ["one_hot"] = [new TransformDefinition.OneHot(["0", "1.50", "-3e2"])],
        ["impute, clip, standardize"] = [new TransformDefinition.Impute(100), new TransformDefinition.Clip(0, 10), new TransformDefinition.Standardize(5, 2)],
        ["standardize, impute"] = [new TransformDefinition.Standardize(5, 2), new TransformDefinition.Impute(-1)],
        ["log1p, impute"] = [new TransformDefinition.Log1p(), new TransformDefinition.Impute(-9)],
        ["impute, bucketize, one_hot"] = [new TransformDefinition.Impute(50), new TransformDefinition.Bucketize([0, 10, 100]), new TransformDefinition.OneHot(["0", "1", "2", "3"])],
    };

    [TestMethod]
    [DataRow("none", 3.25, 3.25)]
    [DataRow("none", Null, Null)]
    [DataRow("standardize", 52.0, 0.5)]
    [DataRow("standardize", 50.0, 0.0)]
    [DataRow("standardize", Null, Null)]
    [DataRow("minmax", -10.0, 0.0)]
    [DataRow("minmax", 30.0, 1.0)]
    [DataRow("minmax", 50.0, 1.5)]
    [DataRow("minmax", Null, Null)]
    [DataRow("log1p", 0.0, 0.0)]
    [DataRow("log1p", -1.0, Null)]
    [DataRow("log1p", -1.5, Null)]
    [DataRow("log1p", -Infinity, Null)]
    [DataRow("log1p", Infinity, Infinity)]
    [DataRow("log1p", Null, Null)]
    [DataRow("clip", -2.0, -1.5)]
    [DataRow("clip", -1.5, -1.5)]
    [DataRow("clip", 0.25, 0.25)]
    [DataRow("clip", 2.5, 2.0)]
    [DataRow("clip", Infinity, 2.0)]
    [DataRow("clip", -Infinity, -1.5)]
    [DataRow("clip", Null, Null)]
    [DataRow("impute", Null, 7.0)]
    [DataRow("impute", 0.0, 0.0)]
    [DataRow("bucketize", -0.001, 0.0)]
    [DataRow("bucketize", -0.0, 1.0)]
    [DataRow("bucketize", 0.0, 1.0)]
    [DataRow("bucketize", 9.999, 1.0)]
    [DataRow("bucketize", 10.0, 2.0)]
    [DataRow("bucketize", 1e9, 3.0)]
    [DataRow("bucketize", Infinity, 3.0)]
    [DataRow("bucketize", -Infinity, 0.0)]
    [DataRow("bucketize", Null, Null)]
    [DataRow("one_hot", 0.0, 1.0, 0.0, 0.0)]
    [DataRow("one_hot", -0.0, 1.0, 0.0, 0.0)]
    [DataRow("one_hot", 1.5, 0.0, 1.0, 0.0)]
    [DataRow("one_hot", -300.0, 0.0, 0.0, 1.0)]
    [DataRow("one_hot", 2.0, 0.0, 0.0, 0.0)]
    [DataRow("one_hot", Null, 0.0, 0.0, 0.0)]
    [DataRow("impute, clip, standardize", Null, 2.5)]
    [DataRow("impute, clip, standardize", -4.0, -2.5)]
    [DataRow("standardize, impute", Null, -1.0)]
    [DataRow("standardize, impute", 9.0, 2.0)]
    [DataRow("log1p, impute", -1.0, -9.0)]
    [DataRow("impute, bucketize, one_hot", Null, 0.0, 0.0, 1.0, 0.0)]
    [DataRow("impute, bucketize, one_hot", -7.0, 1.0, 0.0, 0.0, 0.0)]
    [DataRow("impute, bucketize, one_hot", 100.0, 0.0, 0.0, 0.0, 1.0)]
    public void ANumberBecomesColumns(string transforms, double value, params double[] expected)
    {
        var service = Service(Number("x", _transforms[transforms]));
        var batch = new VectorBatch(service);
        batch.Reset(1);
        batch[0, 0] = value;
        CollectionAssert.AreEqual(expected, Columns(batch, 0, 1));
    }

    [TestMethod]
    [DataRow("red", 1.0, 0.0, 0.0)]
    [DataRow("größer", 0.0, 1.0, 0.0)]
    [DataRow("", 0.0, 0.0, 1.0)]
    [DataRow("Red", 0.0, 0.0, 0.0)]
    [DataRow("redd", 0.0, 0.0, 0.0)]
    [DataRow(null, 0.0, 0.0, 0.0)]
    public void ATextBecomesOneColumnACategory(string? text, params double[] expected)
    {
        var batch = new VectorBatch(Service(Text("t", new TransformDefinition.OneHot(["red", "größer", ""]))));
        batch.Reset(1);
        if (text is not null)
            batch.SetText(0, 0, System.Text.Encoding.UTF8.GetBytes(text));
        CollectionAssert.AreEqual(expected, Columns(batch, 0, 1));
    }

    [TestMethod]
    public void ColumnsStandInTheOrderOfTheFeaturesAndOnlyOfTheRowsAskedFor()
    {
        var service = Service(
            Number("a", new TransformDefinition.OneHot(["1", "2"])), Text("t"), Number("b"), Text("u", new TransformDefinition.OneHot(["x", "y"])));
        Assert.AreEqual(6, service.Width);
        var batch = new VectorBatch(service);
        batch.Reset(3);
        for (var row = 0; row < 3; row++)
        {
            batch[row, 0] = row;
            batch.SetText(row, 1, "any"u8);
            batch[row, 2] = 10 * row;
            if (row > 0)
                batch.SetText(row, 3, row == 1 ? "x"u8 : "y"u8);
        }

        CollectionAssert.AreEqual(new[] { 1, 0, Null, 10, 1, 0, 0, 1, Null, 20, 0, 1 }, Columns(batch, 1, 2));
        Assert.IsFalse(batch.TryGetText(0, 3, out _));
    }

    /// <summary>Against the definition, summed as a series near 0 and taken as it is elsewhere.</summary>
    [TestMethod]
    public void Log1pLosesNothing()
    {
        const int Seed = 4;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var batch = new VectorBatch(Service(Number("x", new TransformDefinition.Log1p())));
        batch.Reset(1);
        double[] edges = [double.Epsilon, -double.Epsilon, 1e-300, 1e-17, -1e-17, 1e-16, double.MaxValue, -1 + 1.2e-16, Math.BitIncrement(-1), 0.5, -0.5, -0.9999];
        for (var round = 0; round < 100_000; round++)
        {
            var x = round < edges.Length ? edges[round]
                : random.Next(2) == 0 ? Math.ScaleB(random.NextDouble() * 2 - 1, -random.Next(1, 300))
                : Math.ScaleB(random.NextDouble(), random.Next(-1, 1000)) - (random.Next(2) == 0 ? 0.99 : 0);
            if (x <= -1)
                continue;
            batch[0, 0] = x;
            var expected = Math.Abs(x) < 0.1 ? Series(x) : Math.Log(1 + x);
            Assert.AreEqual(expected, Columns(batch, 0, 1)[0], Math.Abs(expected) * 1e-14, x.ToString("R", CultureInfo.InvariantCulture));
        }

        static double Series(double x)
        {
            var sum = 0.0;
            for (var n = 20; n > 0; n--)
                sum = x * ((n % 2 == 1 ? 1.0 : -1.0) / n + sum);
            return sum;
        }
    }

    [TestMethod]
    public void ColumnsAreWrittenWithoutAllocation()
    {
        var service = Service([.. _transforms.Select(transforms => Number(transforms.Key, transforms.Value)), Text("t", new TransformDefinition.OneHot(["a", "b"]))]);
        var batch = new VectorBatch(service);
        var columns = new double[100 * service.Width];
        for (var round = 0; round < 5; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            batch.Reset(100);
            for (var row = 0; row < 100; row++)
            {
                batch.Row(row).Fill(row);
                batch.SetText(row, service.Features.Count - 1, "b"u8);
            }

            service.WriteColumns(batch, 0, 100, columns);
            if (round > 1)
                Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }

    [TestMethod]
    public void TextsOfEveryLengthThatAnExpressionMakesAreKept()
    {
        var batch = new VectorBatch(Service(Text("t")));
        int[] lengths = [0, 1, 4096, 65_535, 65_536, 0, 3];
        for (var round = 0; round < 2; round++)
        {
            batch.Reset(lengths.Length + 1);
            for (var row = 0; row < lengths.Length; row++)
            {
                var text = new byte[lengths[row]];
                text.AsSpan().Fill((byte)(row + round));
                batch.SetText(row, 0, text);
            }

            for (var row = 0; row < lengths.Length; row++)
            {
                Assert.IsTrue(batch.TryGetText(row, 0, out var text));
                Assert.AreEqual(lengths[row], text.Length);
                Assert.IsFalse(text.ContainsAnyExcept((byte)(row + round)));
            }

            Assert.IsFalse(batch.TryGetText(lengths.Length, 0, out _));
        }
    }

    private static double[] Columns(VectorBatch batch, int first, int count)
    {
        var columns = new double[count * batch.Service.Width];
        batch.Service.WriteColumns(batch, first, count, columns);
        return columns;
    }

    private static ServicePlan Service(params VectorFeature[] features) => new("s", new RowSchema([]), features);

    private static VectorFeature Number(string name, params TransformDefinition[] transforms) => new(name, false, new FeatureOrigin.OfEntity(0, "v", 0), transforms);

    private static VectorFeature Text(string name, params TransformDefinition[] transforms)
    {
        var expression = CompiledExpression.CompileSound("'x'", new RowSchema([]));
        return new VectorFeature(name, expression.Type == ExpressionType.String, new FeatureOrigin.OfRequest("'x'", expression), transforms);
    }
}
