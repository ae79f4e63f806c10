using FeatureStore.Runtime;

namespace FeatureStore.Scoring.Tests;

/// <summary>Raw tensors in and out, and what is refused before it reaches native code.</summary>
[TestClass]
public sealed class RawInferenceTests
{
    [TestMethod]
    public void MetadataIsInTheProtocolsTerms()
    {
        using var scorer = Scorers.Load(Shared.Model("lr_string_labels.onnx"), Shared.FraudService());
        Assert.AreEqual(("fraud", "1", "onnxruntime_onnx"), (scorer.Metadata.Name, scorer.Metadata.Version, scorer.Metadata.Platform));
        Assert.AreEqual("features FP32 [-1,15]", Describe(scorer.Metadata.Inputs.Single()));
        Assert.AreSequenceEqual(["output_label BYTES [-1]", "output_probability FP32 [-1,2] fraud,genuine"], scorer.Metadata.Outputs.Select(Describe));
    }

    [TestMethod]
    public void MapsAndTextsComeBackAsTensors()
    {
        using var scorer = Scorers.Load(Shared.Model("lr_string_labels.onnx"), Shared.FraudService());
        var results = scorer.Infer([Features(Shared.Rows[..20])], []);
        Assert.AreSequenceEqual(["output_label", "output_probability"], results.Select(result => result.Name));
        Assert.AreSequenceEqual([20L, 2], results[1].Shape);
        var expected = Shared.Expected("lr_string_labels");
        for (var row = 0; row < 20; row++)
        {
            Assert.AreEqual(expected[row], results[1].Doubles![2 * row], 2e-6);
            Assert.AreEqual(expected[row] > 0.5 ? "fraud" : "genuine", results[0].Texts![row]);
        }
    }

    [TestMethod]
    public void OutputsComeInTheOrderAskedFor()
    {
        using var scorer = Scorers.Load(Shared.Model("lr.onnx"), Shared.FraudService());
        var results = scorer.Infer([Features(Shared.Rows[..3])], ["probabilities", "label"]);
        Assert.AreEqual("FP32", results[0].Datatype);
        Assert.AreSequenceEqual([3L, 2], results[0].Shape);
        Assert.AreEqual("INT64", results[1].Datatype);
        Assert.AreSequenceEqual([0L, 0, 0], results[1].Integers!);
        Assert.AreEqual(1, results[0].Doubles![0] + results[0].Doubles![1], 1e-6);
        Assert.AreSequenceEqual([0L, 2], scorer.Infer([Features([])], ["probabilities"])[0].Shape);
    }

    [TestMethod]
    public void TextsGoInWhole()
    {
        using var scorer = Scorers.Load(Shared.Model("onehot_string.onnx"), Shared.Service(("TX_AMOUNT", false, []), ("WEEKDAY", true, [])));
        var lines = Shared.Csv("expected/onehot_string.csv.gz").Skip(1).Take(50).ToList();
        var result = scorer.Infer(
            [
                new TensorData { Name = "TX_AMOUNT", Datatype = "FP32", Shape = [50, 1], Doubles = [.. lines.Select(line => Shared.Number(line[1]))] },
                new TensorData { Name = "WEEKDAY", Datatype = "BYTES", Shape = [50, 1], Texts = [.. lines.Select(line => line[0])] },
            ],
            ["probabilities"]).Single();
        for (var row = 0; row < 50; row++)
            Assert.AreEqual(Shared.Number(lines[row][2]), result.Doubles![2 * row + 1], 2e-6);
    }

    [TestMethod]
    [DataRow(OnnxBuilder.Bool, "BOOL", 0, 1)]
    [DataRow(3, "INT8", sbyte.MinValue, sbyte.MaxValue)]
    [DataRow(5, "INT16", short.MinValue, short.MaxValue)]
    [DataRow(OnnxBuilder.Int32, "INT32", int.MinValue, int.MaxValue)]
    [DataRow(2, "UINT8", 0, byte.MaxValue)]
    [DataRow(4, "UINT16", 0, ushort.MaxValue)]
    [DataRow(12, "UINT32", 0, uint.MaxValue)]
    [DataRow(OnnxBuilder.Int64, "INT64", long.MinValue, long.MaxValue)]
    [DataRow(13, "UINT64", 0, -1)]
    public void IntegersKeepTheirValuesAndTheirBounds(int type, string datatype, long least, long greatest)
    {
        using var folder = new TempFolder();
        using var model = RawModel.Load(folder.Write("model.onnx", new OnnxBuilder().Input("x", type, -1).Node("Identity", ["x"], ["y"]).Output("y", type, -1).Model()));
        var tensor = new TensorData { Name = "x", Datatype = datatype, Shape = [2], Integers = [least, greatest] };
        var result = model.Run([tensor], []).Single();
        Assert.AreEqual(datatype, result.Datatype);
        Assert.AreSequenceEqual([least, greatest], result.Integers!);
        if (datatype.EndsWith("64", StringComparison.Ordinal))
            return;
        foreach (var beyond in new[] { least - 1, greatest + 1 })
        {
            var refusal = Assert.ThrowsExactly<ModelInputException>(() => model.Run([tensor with { Integers = [0, beyond] }], [])).Message;
            Assert.AreEqual($"Input \"x\" holds {beyond}; datatype \"{datatype}\" reaches from {least} to {greatest}.", refusal);
        }
    }

    [TestMethod]
    [DataRow(1, "FP32", 0.1f)]
    [DataRow(11, "FP64", 0.1)]
    [DataRow(10, "FP16", 0.0999755859375)]
    public void FloatingPointKeepsItsPrecision(int type, string datatype, double tenth)
    {
        using var folder = new TempFolder();
        using var model = RawModel.Load(folder.Write("model.onnx", new OnnxBuilder().Input("x", type, -1).Node("Identity", ["x"], ["y"]).Output("y", type, -1).Model()));
        var result = model.Run([new TensorData { Name = "x", Datatype = datatype, Shape = [3], Doubles = [0.1, double.NaN, double.NegativeInfinity] }], []).Single();
        Assert.AreSequenceEqual([tenth, double.NaN, double.NegativeInfinity], result.Doubles!);
    }

    [TestMethod]
    public void WhatDoesNotFitIsRefused()
    {
        using var scorer = Scorers.Load(Shared.Model("lr.onnx"), Shared.FraudService(), options: Scorers.Options with { InferBytesMax = 6000 });
        var sound = Features(Shared.Rows[..2]);
        Refused("The model has no input \"x\". It has \"features\".", sound with { Name = "x" });
        Refused("Input \"features\" is missing. The model takes \"features\".");
        Refused("Input \"features\" is given twice. Give each once.", sound, sound);
        Refused("Input \"features\" has datatype \"FP64\"; the model takes \"FP32\".", sound with { Datatype = "FP64" });
        Refused("Input \"features\" has shape [2,14]; the model takes [-1,15], where -1 is any size.", sound with { Shape = [2, 14] });
        Refused("Input \"features\" has shape [30]; the model takes [-1,15], where -1 is any size.", sound with { Shape = [30] });
        Refused("Input \"features\" has shape [-2,15]; the model takes [-1,15], where -1 is any size.", sound with { Shape = [-2, 15] });
        Refused("Input \"features\" of datatype \"FP32\" has 30 elements; its shape [3,15] wants 45.", sound with { Shape = [3, 15] });
        Refused("Input \"features\" of datatype \"FP32\" has 30 elements; its shape [2147483647,15] wants 2147483647.", sound with { Shape = [int.MaxValue, 15] });
        Refused("Input \"features\" of datatype \"FP32\" has 0 elements; its shape [2,15] wants 30.", sound with { Doubles = null, Integers = new long[30] });
        Refused("The inputs are too large: over 6000 bytes as tensors. Send them in several requests.", Features(Shared.Rows[..101]));
        Assert.AreEqual(
            "The model has no output \"x\" that a tensor can hold. It has \"label\", \"probabilities\".",
            Assert.ThrowsExactly<ModelInputException>(() => scorer.Infer([sound], ["x"])).Message);
        Assert.AreEqual("Output \"label\" is asked for twice. Name each once.", Assert.ThrowsExactly<ModelInputException>(() => scorer.Infer([sound], ["label", "label"])).Message);

        void Refused(string message, params TensorData[] inputs) => Assert.AreEqual(message, Assert.ThrowsExactly<ModelInputException>(() => scorer.Infer(inputs, [])).Message);
    }

    [TestMethod]
    public void ElementsComeFromTheDatatypesOwnArray()
    {
        using var folder = new TempFolder();
        using var model = RawModel.Load(folder.Write("model.onnx", new OnnxBuilder().Input("x", OnnxBuilder.Int64, -1).Node("Identity", ["x"], ["y"]).Output("y", OnnxBuilder.Int64, -1).Model()));
        var both = new TensorData { Name = "x", Datatype = "INT64", Shape = [3], Integers = [7, 8, 9], Doubles = [1] };
        Assert.AreSequenceEqual([7L, 8, 9], model.Run([both], [])[0].Integers!);
    }

    [TestMethod]
    public void LargeOutputsAndFailuresAreRunErrors()
    {
        using var autoencoder = Scorers.Load(Shared.Model("autoencoder.onnx"), Shared.FraudService(), options: Scorers.Options with { InferBytesMax = 6000 });
        Assert.HasCount(2, autoencoder.Infer([Features(Shared.Rows[..90])], []));
        StringAssert.Contains(
            Assert.ThrowsExactly<ModelRunException>(() => autoencoder.Infer([Features(Shared.Rows[..100])], [])).Message,
            "The outputs are too large: with \"error\" over 6000 bytes");
        using var fails = Scorers.Load(Shared.Model("bad/runtime_error_row.onnx"), Shared.FraudService());
        StringAssert.Contains(
            Assert.ThrowsExactly<ModelRunException>(() => fails.Infer([Features([.. Shared.Rows.Where(row => row[3] > 5).Take(1)])], [])).Message,
            "The model failed: ");
    }

    private static TensorData Features(double[][] rows) => new() { Name = "features", Datatype = "FP32", Shape = [rows.Length, 15], Doubles = [.. rows.SelectMany(row => row)] };

    private static string Describe(TensorMetadata tensor) =>
        $"{tensor.Name} {tensor.Datatype} [{string.Join(',', tensor.Shape)}]{(tensor.Classes is null ? "" : " " + string.Join(',', tensor.Classes))}";
}
