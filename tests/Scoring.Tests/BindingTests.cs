using FeatureStore.Core.Definitions;

namespace FeatureStore.Scoring.Tests;

/// <summary>How inputs and outputs find their features and scores, and what a misfit says.</summary>
[TestClass]
public sealed class BindingTests
{
    [TestMethod]
    public void ModelsOfAFixedBatchGetPaddedParts()
    {
        using var folder = new TempFolder();
        var service = Shared.Service("a", "b");
        using var scorer = Scorers.Load(folder.Write("model.onnx", OnnxBuilder.RowSums(3, 2).Model()), service);
        double[][] rows = [.. Enumerable.Range(0, 7).Select(row => new double[] { row, 100 })];
        Scorers.AreNear([.. rows.Select(row => row[0] + 100)], scorer.Score(Shared.Batch(service, rows)), 0);
        Assert.AreEqual(0, scorer.Score(Shared.Batch(service)).Count);
    }

    [TestMethod]
    public void InputsOfSeveralTypesAreFedByName()
    {
        using var folder = new TempFolder();
        var model = new OnnxBuilder()
            .Input("count", OnnxBuilder.Int32, -1).Input("night", OnnxBuilder.Bool, -1, 1).Input("day", OnnxBuilder.Float, -1, 3)
            .Node("Neg", ["count"], ["less"]).Node("Not", ["night"], ["awake"]).Node("Cast", ["night"], ["dark"], OnnxBuilder.Attribute("to", OnnxBuilder.Int64)).Node("Identity", ["day"], ["days"])
            .Output("less", OnnxBuilder.Int32, -1).Output("awake", OnnxBuilder.Bool, -1, 1).Output("dark", OnnxBuilder.Int64, -1, 1).Output("days", OnnxBuilder.Float, -1, 3);
        var service = Shared.Service(
            ("unused", false, []),
            ("day", true, [new TransformDefinition.OneHot(["sat", "sun", "mon"])]),
            ("night", false, []),
            ("count", false, []));
        using var scorer = Scorers.Load(folder.Write("model.onnx", model.Model()), service);
        Assert.AreSequenceEqual(["less", "awake", "dark", "days[0]", "days[1]", "days[2]"], scorer.Outputs);
        var vectors = Shared.Batch(service, [double.NaN, double.NaN, 1, 7], [1, double.NaN, 0, -7], [1, double.NaN, 0.5, 1], [1, double.NaN, 1, double.NaN], [1, double.NaN, 1, 3e9]);
        vectors.SetText(0, 1, "sun"u8);
        var scores = scorer.Score(vectors);
        Assert.AreSequenceEqual([-7.0, 0, 1, 0, 1, 0], scores.Row(0).ToArray());
        Assert.AreSequenceEqual([7.0, 1, 0, 0, 0, 0], scores.Row(1).ToArray());
        Assert.AreEqual("feature \"night\" is 0.5, which the model's input \"night\" of bool cannot hold", scores.Failures[2]);
        Assert.AreEqual("feature \"count\" is null, and the model's input \"count\" of int32 cannot hold that; impute it", scores.Failures[3]);
        Assert.AreEqual("feature \"count\" is 3000000000, which the model's input \"count\" of int32 cannot hold", scores.Failures[4]);
    }

    [TestMethod]
    public void NullIsNaNToFloatInputs()
    {
        using var folder = new TempFolder();
        var model = new OnnxBuilder().Input("x", OnnxBuilder.Float, -1, 2).Node("IsNaN", ["x"], ["missing"]).Output("missing", OnnxBuilder.Bool, -1, 2);
        var service = Shared.Service("a", "b");
        using var scorer = Scorers.Load(folder.Write("model.onnx", model.Model()), service);
        var scores = scorer.Score(Shared.Batch(service, [1, double.NaN], [double.NaN, 2]));
        Assert.AreSequenceEqual([0.0, 1], scores.Row(0).ToArray());
        Assert.AreSequenceEqual([1.0, 0], scores.Row(1).ToArray());
    }

    [TestMethod]
    [DataRow("probabilities", "picks no number of \"probabilities\", which has 2 a row. Write \"probabilities[0]\" to \"probabilities[1]\"")]
    [DataRow("probabilities[2]", "picks no number of \"probabilities\"")]
    [DataRow("probabilities[-1]", "picks no number of \"probabilities\"")]
    [DataRow("probabilities[\"1\"]", "picks no number of \"probabilities\"")]
    [DataRow("probability[1]", "leads nowhere: the model has \"label\" (int64 [N]), \"probabilities\" (float [N,2]). Write \"name\", \"name[1]\" or \"name[\"class\"]\"")]
    [DataRow("", "leads nowhere")]
    public void OutputPathsThatLeadNowhereAreRefused(string path, string message) =>
        StringAssert.Contains(Scorers.Refusal(() => Scorers.Load(Shared.Model("lr.onnx"), Shared.FraudService(), path)), message);

    [TestMethod]
    [DataRow("lr_zipmap", "output_probability", "names no class of \"output_probability\", which has \"0\", \"1\". Write \"output_probability[\"class\"]\"")]
    [DataRow("lr_zipmap", "output_probability[2]", "names no class")]
    [DataRow("lr_zipmap", "output_probability[\"fraud\"]", "names no class")]
    [DataRow("lr_string_labels", "output_probability[1]", "names no class")]
    [DataRow("lr_string_labels", "output_label", "leads to no number: \"output_label\" is string [N]")]
    public void ClassesThatAreNotThereAreRefused(string model, string path, string message) =>
        StringAssert.Contains(Scorers.Refusal(() => Scorers.Load(Shared.Model(model + ".onnx"), Shared.FraudService(), path)), message);

    [TestMethod]
    public void OutputsAreAllNumbersOfTheModelByDefault()
    {
        using var lr = Scorers.Load(Shared.Model("lr.onnx"), Shared.FraudService());
        Assert.AreSequenceEqual(["label", "probabilities[0]", "probabilities[1]"], lr.Outputs);
        using var zipmap = Scorers.Load(Shared.Model("lr_zipmap.onnx"), Shared.FraudService());
        Assert.AreSequenceEqual(["output_label", "output_probability[0]", "output_probability[1]"], zipmap.Outputs);
        using var texts = Scorers.Load(Shared.Model("lr_string_labels.onnx"), Shared.FraudService());
        Assert.AreSequenceEqual(["output_probability[\"fraud\"]", "output_probability[\"genuine\"]"], texts.Outputs);
    }

    [TestMethod]
    public void FeaturesThatAreMissingAreNamed() =>
        StringAssert.Contains(
            Scorers.Refusal(() => Scorers.Load(Shared.Model("lr_columns.onnx"), Shared.Service(Shared.Features[1..]))),
            "its input \"TX_AMOUNT\" (float [N]) has no feature of its name in service \"fraud_v1\", which has \"TX_DURING_WEEKEND\"");

    [TestMethod]
    public void TextAndNumbersDoNotMix()
    {
        var path = Shared.Model("onehot_string.onnx");
        StringAssert.Contains(
            Scorers.Refusal(() => Scorers.Load(path, Shared.Service("WEEKDAY", "TX_AMOUNT"))),
            "its input \"WEEKDAY\" (string [N,1]) takes text, and the feature of its name is a number there");
        StringAssert.Contains(
            Scorers.Refusal(() => Scorers.Load(path, Shared.Service(("WEEKDAY", true, []), ("TX_AMOUNT", true, [])))),
            "its input \"TX_AMOUNT\" (float [N,1]) takes numbers, and feature \"TX_AMOUNT\" is text. Give the feature the transform \"one_hot\"");
        StringAssert.Contains(
            Scorers.Refusal(() => Scorers.Load(Shared.Model("lr.onnx"), Shared.Service([.. Shared.Features.Select(name => (name, name == "TX_AMOUNT", (IReadOnlyList<TransformDefinition>)[]))]))),
            "feature \"TX_AMOUNT\" is text");
    }

    [TestMethod]
    public void AModelThatMixesItsRowsServesNoScore()
    {
        using var folder = new TempFolder();
        var model = new OnnxBuilder().Input("x", OnnxBuilder.Float, -1, 2).Node("ReduceMean", ["x"], ["mean"], OnnxBuilder.Attribute("axes", [0])).Output("mean", OnnxBuilder.Float, 1, 2);
        var path = folder.Write("model.onnx", model.Model());
        StringAssert.Contains(Scorers.Refusal(() => Scorers.Load(path, Shared.Service("a", "b"), "mean[0]")), "\"mean\" does not have a row for each row of input");
        StringAssert.Contains(Scorers.Refusal(() => Scorers.Load(path, Shared.Service("a", "b"))), "none of its outputs has numbers for each row");
    }

    [TestMethod]
    public void InputsMustAgreeOnTheBatch()
    {
        using var folder = new TempFolder();
        var model = new OnnxBuilder().Input("a", OnnxBuilder.Float, 1, 1).Input("b", OnnxBuilder.Float, 2, 1).Node("Add", ["a", "b"], ["c"]).Output("c", OnnxBuilder.Float, 2, 1);
        StringAssert.Contains(
            Scorers.Refusal(() => Scorers.Load(folder.Write("model.onnx", model.Model()), Shared.Service("a", "b"))),
            "its inputs disagree on the batch dimension: \"a\" (float [1,1]); \"b\" (float [2,1])");
    }

    [TestMethod]
    public void VectorsOfAnotherServiceAreRefused()
    {
        using var scorer = Scorers.Load(Shared.Model("lr.onnx"), Shared.FraudService());
        Assert.ThrowsExactly<ArgumentException>(() => scorer.Score(Shared.Batch(Shared.FraudService(), Shared.Rows[0])));
    }
}
