using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Vectors;
using FeatureStore.Runtime;

namespace FeatureStore.Scoring.Tests;

/// <summary>Every reference model gives its expected scores, in batches and row by row.</summary>
[TestClass]
public sealed class GoodModelTests
{
    [TestMethod]
    [DataRow("lr", "probabilities[1]", 2e-6)]
    [DataRow("lr_zipmap", "output_probability[1]", 2e-6)]
    [DataRow("lr_zipmap", "output_probability[\"1\"]", 2e-6)]
    [DataRow("lr_double", "probabilities[1]", 1e-12)]
    [DataRow("lr_named_inputs", "probabilities[1]", 2e-6)]
    [DataRow("lr_columns", "score", 2e-6)]
    [DataRow("fixed_batch", "probabilities[1]", 2e-6)]
    [DataRow("rf", "probabilities[1]", 2e-6)]
    [DataRow("xgb", "probabilities[1]", 2e-6)]
    [DataRow("lgbm", "probabilities[1]", 2e-6)]
    [DataRow("mlp", "probabilities[1]", 2e-6)]
    [DataRow("external", "probabilities[1]", 2e-6)]
    public void ModelsOverTheFraudFeaturesGiveTheirScores(string model, string score, double tolerance)
    {
        var service = Shared.FraudService();
        using var scorer = Scorers.Load(Shared.Model(model == "external" ? "external/model.onnx" : model + ".onnx"), service, score);
        var expected = Shared.Expected(model);
        var rows = model == "lr_double" ? Shared.DoubleRows() : Shared.Rows;
        Scorers.AreNear(expected, scorer.Score(Shared.Batch(service, rows)), tolerance);
        for (var row = 0; row < 50; row++)
            Scorers.AreNear(expected[row..(row + 1)], scorer.Score(Shared.Batch(service, rows[row])), tolerance);
    }

    [TestMethod]
    public void ClassesThatAreTextsAreNamed()
    {
        var service = Shared.FraudService();
        var path = Shared.Model("lr_string_labels.onnx");
        using var all = Scorers.Load(path, service);
        Assert.HasCount(2, all.Outputs);
        var fraud = all.Outputs.Single(output => output.Contains("fraud", StringComparison.Ordinal));
        using var scorer = Scorers.Load(path, service, fraud);
        var vectors = Shared.Batch(service, Shared.Rows);
        var scores = scorer.Score(vectors);
        Scorers.AreNear(Shared.Expected("lr_string_labels"), scores, 2e-6);
        Assert.AreEqual(scores.Row(7)[0], all.Score(vectors).Row(7)[all.Outputs.ToList().IndexOf(fraud)]);
    }

    [TestMethod]
    [DataRow("lr_raw", "lr_unscaled.json", "probabilities[1]", 2e-6)]
    [DataRow("mlp_float16", "mlp_float16.json", "probability", 5e-3)]
    public void TheServiceStandardizesForModelsThatDoNot(string model, string scales, string score, double tolerance)
    {
        var scaleOf = Shared.Scales(scales);
        var service = Shared.Service(Shared.Features, name => [new TransformDefinition.Standardize(scaleOf[name].Mean, scaleOf[name].Scale)]);
        using var scorer = Scorers.Load(Shared.Model(model + ".onnx"), service, score);
        Scorers.AreNear(Shared.Expected(model), scorer.Score(Shared.Batch(service, Shared.Rows)), tolerance);
    }

    [TestMethod]
    public void ReconstructionAndErrorAreScoresByTheirOwnNames()
    {
        var service = Shared.FraudService();
        using var scorer = Scorers.Load(Shared.Model("autoencoder.onnx"), service);
        Assert.AreSequenceEqual([.. Enumerable.Range(0, 15).Select(i => $"reconstruction[{i}]"), "error"], scorer.Outputs);
        using var error = Scorers.Load(Shared.Model("autoencoder.onnx"), service, "error");
        var vectors = Shared.Batch(service, Shared.Rows);
        var scores = error.Score(vectors);
        Scorers.AreNear(Shared.Expected("autoencoder"), scores, 1e-5, relativeAboveOne: true);
        Assert.AreEqual(scores.Row(11)[0], scorer.Score(vectors).Row(11)[15]);
    }

    [TestMethod]
    public void IntegerInputsTakeWholeNumbersOnly()
    {
        int[] columns = [0, 1, 2, 3, 5, 7, 9, 11, 13];
        var service = Shared.Service([.. columns.Select(column => Shared.Features[column])]);
        using var scorer = Scorers.Load(Shared.Model("int_inputs.onnx"), service, "probabilities[1]");
        double[][] rows = [.. Shared.Rows.Select(row => columns.Select(column => column == 0 ? Math.Round(row[0] * 100) : row[column]).ToArray())];
        var expected = Shared.Expected("int_inputs");
        Scorers.AreNear(expected, scorer.Score(Shared.Batch(service, rows)), 2e-6);

        double[][] some = [rows[0], [.. rows[1]], rows[2], [.. rows[3]], rows[4], [.. rows[5]]];
        some[1][0] = double.NaN;
        some[3][4] = 2.5;
        some[5][8] = 1e19;
        var scores = scorer.Score(Shared.Batch(service, some));
        Assert.AreEqual("feature \"TX_AMOUNT\" is null, and the model's input \"integers\" of int64 cannot hold that; impute it", scores.Failures[1]);
        Assert.AreEqual("feature \"CUSTOMER_ID_NB_TX_7DAY_WINDOW\" is 2.5, which the model's input \"integers\" of int64 cannot hold", scores.Failures[3]);
        Assert.AreEqual("feature \"TERMINAL_ID_NB_TX_30DAY_WINDOW\" is 1E+19, which the model's input \"integers\" of int64 cannot hold", scores.Failures[5]);
        Assert.HasCount(3, scores.Failures);
        foreach (var row in new[] { 0, 2, 4 })
            Assert.AreEqual(expected[row], scores.Row(row)[0], 2e-6);
        Assert.AreEqual(double.NaN, scores.Row(1)[0]);
    }

    [TestMethod]
    public void TextFeaturesFeedStringInputs()
    {
        var service = Shared.Service(("TX_AMOUNT", false, []), ("WEEKDAY", true, []));
        using var scorer = Scorers.Load(Shared.Model("onehot_string.onnx"), service, "probabilities[1]");
        var lines = Shared.Csv("expected/onehot_string.csv.gz").Skip(1).ToList();
        var vectors = new VectorBatch(service);
        vectors.Reset(lines.Count);
        for (var row = 0; row < lines.Count; row++)
        {
            vectors[row, 0] = Shared.Number(lines[row][1]);
            if (lines[row][0].Length > 0)
                vectors.SetText(row, 1, Encoding.UTF8.GetBytes(lines[row][0]));
        }

        Scorers.AreNear([.. lines.Select(line => Shared.Number(line[2]))], scorer.Score(vectors), 2e-6);
    }

    [TestMethod]
    public void SequencesGoThroughRawInference()
    {
        var lines = Shared.Csv("expected/gru.csv.gz").Skip(1).ToList();
        // A service cannot express a history; any service will do for the load, and this one does not fit.
        StringAssert.Contains(Scorers.Refusal(() => Scorers.Load(Shared.Model("gru.onnx"), Shared.FraudService())), "\"history\" (float [N,10,2])");
        using var served = RawModel.Load(Shared.Model("gru.onnx"));
        var result = served.Run(
            [
                new TensorData { Name = "length", Datatype = "INT32", Shape = [lines.Count], Integers = [.. lines.Select(line => (long)Shared.Number(line[0]))] },
                new TensorData { Name = "history", Datatype = "FP32", Shape = [lines.Count, 10, 2], Doubles = [.. lines.SelectMany(line => line.Skip(1).Take(20).Select(Shared.Number))] },
            ],
            []).Single();
        Assert.AreEqual("score", result.Name);
        Assert.AreSequenceEqual([lines.Count, 1L], result.Shape);
        for (var row = 0; row < lines.Count; row++)
            Assert.AreEqual(Shared.Number(lines[row][21]), result.Doubles![row], 2e-6);
    }
}
