using System.Diagnostics;

namespace FeatureStore.Scoring.Tests;

/// <summary>A model that is endless on some rows costs the part of the batch that they are in, in bounded time.</summary>
[TestClass]
public sealed class DeadlineTests
{
    private const double Endless = 4e18;

    [TestMethod]
    public void OnlyThePartWithTheEndlessRowFails()
    {
        using var folder = new TempFolder();
        var service = Shared.Service("turns", "unused");
        var options = Scorers.Options with { Deadline = TimeSpan.FromSeconds(2), BatchRowsMax = 16 };
        using var scorer = Scorers.Load(folder.Write("model.onnx", OnnxBuilder.Loop().Model()), service, options: options);
        double[][] rows = [.. Enumerable.Range(0, 64).Select(row => new double[] { row == 20 ? Endless : row, 0 })];
        var watch = Stopwatch.StartNew();
        var scores = scorer.Score(Shared.Batch(service, rows));
        Assert.IsLessThan(TimeSpan.FromSeconds(60), watch.Elapsed);
        for (var row = 0; row < 64; row++)
        {
            if (row is >= 16 and < 32)
                Assert.AreEqual("the model did not end within 2 s", scores.Failures[row]);
            else
                Assert.AreEqual(row, scores.Row(row)[0]);
        }

        Assert.HasCount(16, scores.Failures);
        Assert.IsEmpty(scorer.Score(Shared.Batch(service, rows[32..])).Failures);
    }

    [TestMethod]
    public void RawInferenceEndsToo()
    {
        using var folder = new TempFolder();
        using var model = RawModel.Load(folder.Write("model.onnx", OnnxBuilder.Loop().Model()), Scorers.Options with { Deadline = TimeSpan.FromSeconds(1) });
        var features = new Runtime.TensorData { Name = "features", Datatype = "FP32", Shape = [1, 2], Doubles = [Endless, 0] };
        var failure = Assert.ThrowsExactly<Runtime.ModelRunException>(() => model.Run([features], []));
        Assert.AreEqual("The model failed: the model did not end within 1 s.", failure.Message);
        Assert.AreEqual(3, model.Run([features with { Doubles = [3, 0] }], [])[0].Doubles![0]);
    }
}
