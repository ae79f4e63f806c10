using System.Text;

namespace FeatureStore.Scoring.Tests;

/// <summary>What a warm-up may ask of a model that is fed values it never saw.</summary>
[TestClass]
public sealed class WarmUpTests
{
    /// <summary>A table of one: index 1 is out of bounds, index 0 is not.</summary>
    [TestMethod]
    public void ZerosAreTriedWhereOnesFail()
    {
        using var folder = new TempFolder();
        var model = new OnnxBuilder().Input("x", OnnxBuilder.Int64, -1, 1).Constant("table", 42)
            .Node("Gather", ["table", "x"], ["y"]).Output("y", OnnxBuilder.Int64, -1, 1);
        var service = Shared.Service("x");
        using var scorer = Scorers.Load(folder.Write("model.onnx", model.Model()), service);
        var scores = scorer.Score(Shared.Batch(service, [0], [1], [0]));
        Assert.AreEqual(42, scores.Row(0)[0]);
        Assert.AreEqual(42, scores.Row(2)[0]);
        Assert.HasCount(1, scores.Failures);
        StringAssert.Contains(scores.Failures[1], "indices element out of data bounds, idx=1");
    }

    /// <summary>No text is known to suit a model, so one that refuses the empty text is taken by its declared shapes.</summary>
    [TestMethod]
    public void ModelsThatRefuseTheEmptyTextStillServe()
    {
        using var folder = new TempFolder();
        var service = Shared.Service(("day", true, []));
        using var scorer = Scorers.Load(folder.Write("model.onnx", Strict().Output("hot", OnnxBuilder.Float, -1, 1, 2).Model()), service);
        Assert.AreSequenceEqual(["hot[0]", "hot[1]"], scorer.Outputs);
        var vectors = Shared.Batch(service, [0], [0], [double.NaN], [0]);
        foreach (var (row, day) in new[] { (0, "sat"), (1, "mon"), (3, "sun") })
            vectors.SetText(row, 0, Encoding.UTF8.GetBytes(day));
        var scores = scorer.Score(vectors);
        Assert.AreSequenceEqual([1, 2], scores.Failures.Keys.Order());
        StringAssert.Contains(scores.Failures[1], "Unknown Category");
        Assert.AreSequenceEqual([1.0, 0], scores.Row(0).ToArray());
        Assert.AreSequenceEqual([0.0, 1], scores.Row(3).ToArray());

        var open = Strict().Node("NonZero", ["hot"], ["places"]).Output("places", OnnxBuilder.Int64, -1, -1).Model();
        StringAssert.Contains(
            Scorers.Refusal(() => Scorers.Load(folder.Write("open.onnx", open), service)),
            "its output \"places\" (int64 [3,N]) does not say how many numbers a row has");
    }

    /// <summary>A one-hot encoder that fails on words it does not know; without its output.</summary>
    private static OnnxBuilder Strict() => new OnnxBuilder().Input("day", OnnxBuilder.Text, -1, 1)
        .MlNode("OneHotEncoder", ["day"], ["hot"], OnnxBuilder.Attribute("cats_strings", ["sat", "sun"]), OnnxBuilder.Attribute("zeros", 0));
}
