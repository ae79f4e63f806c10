using FeatureStore.Scoring.Files;

namespace FeatureStore.Scoring.Tests;

/// <summary>A model reads no file but those of its own folder, wherever in the model they are named.</summary>
[TestClass]
public sealed class ExternalDataTests
{
    private static readonly byte[] _weights = [.. Enumerable.Range(1, 2).SelectMany(value => BitConverter.GetBytes((float)value))];

    [TestMethod]
    public void TheReferenceModelThatEscapesIsRefusedByUs()
    {
        using var folder = new TempFolder();
        var path = folder.Copy("models/fraud/model.onnx", Shared.Model("bad/external_escape.onnx"));
        folder.Write("outside.bin", new byte[60]);
        Assert.IsTrue(File.Exists(Path.Combine(Path.GetDirectoryName(path)!, "../../outside.bin")));
        Assert.AreEqual(
            $"The model \"{path}\" names the weights file \"../../outside.bin\": it must be a plain path below the model's folder. Save the model with its weights in one folder.",
            Scorers.Refusal(() => ModelFile.Read(path, 1 << 20)));
    }

    [TestMethod]
    [DataRow("../weights.bin")]
    [DataRow("sub/../../weights.bin")]
    [DataRow("..")]
    [DataRow("..\\weights.bin")]
    [DataRow("/etc/hostname")]
    [DataRow("C:weights.bin")]
    [DataRow("")]
    [DataRow("a\0b")]
    public void PathsOutOfTheFolderAreRefused(string location)
    {
        using var folder = new TempFolder();
        folder.Write("weights.bin", _weights);
        StringAssert.Contains(Scorers.Refusal(() => Load(folder.Write("fraud/model.onnx", Model(location)))), "it must be a plain path below the model's folder");
    }

    [TestMethod]
    public void LinksAreFollowedAndMayNotLeadOut()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Links need rights on Windows.");
        using var folder = new TempFolder();
        var outside = folder.Write("outside/weights.bin", _weights);
        folder.Write("outside/deep/other.bin", _weights);
        var inside = folder.Write("fraud/data/inside.bin", _weights);
        var root = Path.Combine(folder.Path, "fraud");
        File.CreateSymbolicLink(Path.Combine(root, "file.bin"), outside);
        Directory.CreateSymbolicLink(Path.Combine(root, "dir"), "../outside");
        Directory.CreateSymbolicLink(Path.Combine(root, "deep"), Path.Combine(folder.Path, "outside", "deep"));
        File.CreateSymbolicLink(Path.Combine(root, "up.bin"), "deep/../weights.bin");
        File.CreateSymbolicLink(Path.Combine(root, "loop.bin"), "loop.bin");
        File.CreateSymbolicLink(Path.Combine(root, "good.bin"), "data/inside.bin");
        File.CreateSymbolicLink(Path.Combine(root, "absolute.bin"), inside);
        foreach (var location in new[] { "file.bin", "dir/weights.bin", "up.bin" })
            StringAssert.Contains(Scorers.Refusal(() => Load(folder.Write("fraud/model.onnx", Model(location)))), "a link leads it outside the model's folder", location);
        StringAssert.Contains(Scorers.Refusal(() => Load(folder.Write("fraud/model.onnx", Model("loop.bin")))), "more than 40 links");
        foreach (var location in new[] { "data/inside.bin", "good.bin", "absolute.bin" })
        {
            using var file = ModelFile.Read(folder.Write("fraud/model.onnx", Model(location)), 1 << 20);
            Assert.IsTrue(file.HasExternalData);
        }
    }

    [TestMethod]
    public void WeightsBesideTheModelAreRead()
    {
        using var folder = new TempFolder();
        folder.Write("data/weights.bin", _weights);
        var service = Shared.Service("a", "b");
        using var scorer = Scorers.Load(folder.Write("model.onnx", Model("data/weights.bin")), service);
        Assert.AreEqual(3 + 2 * 10, scorer.Score(Shared.Batch(service, [3, 10])).Row(0)[0]);
    }

    [TestMethod]
    public void MissingAndLargeWeightsAreRefused()
    {
        using var folder = new TempFolder();
        var path = folder.Write("model.onnx", Model("weights.bin"));
        StringAssert.Contains(Scorers.Refusal(() => Load(path)), $"needs the weights file \"weights.bin\", which is not beside it. Copy it into \"{folder.Path}\"");
        folder.Write("weights.bin", new byte[1000]);
        StringAssert.Contains(Scorers.Refusal(() => ModelFile.Read(path, 1000)), "at most 1000 are allowed. Raise \"ModelBytesMax\"");
        StringAssert.Contains(Scorers.Refusal(() => ModelFile.Read(path, 10)), "at most 10 are allowed");
    }

    [TestMethod]
    public void LocationsAreFoundWhereverATensorCanLie()
    {
        var tensor = OnnxBuilder.ExternalTensor("w", [1], "x.bin");
        var sparse = new Proto().Message(1, tensor);
        var places = new Dictionary<string, Proto>
        {
            ["initializer"] = Graph(new Proto().Message(5, tensor)),
            ["sparse values"] = Graph(new Proto().Message(15, sparse)),
            ["sparse indices"] = Graph(new Proto().Message(15, new Proto().Message(2, tensor))),
            ["constant"] = Graph(Node(new Proto().Message(5, tensor))),
            ["tensors"] = Graph(Node(new Proto().Message(10, tensor))),
            ["sparse constant"] = Graph(Node(new Proto().Message(22, sparse))),
            ["sparse tensors"] = Graph(Node(new Proto().Message(23, sparse))),
            ["subgraph"] = Graph(Node(new Proto().Message(6, new Proto().Message(5, tensor)))),
            ["subgraphs"] = Graph(Node(new Proto().Message(11, Node(new Proto().Message(5, tensor))))),
            ["function"] = Graph(new Proto()).Message(25, new Proto().Message(7, new Proto().Message(5, new Proto().Message(5, tensor)))),
            ["function's attribute"] = Graph(new Proto()).Message(25, new Proto().Message(11, new Proto().Message(5, tensor))),
            ["training"] = Graph(new Proto()).Message(20, new Proto().Message(2, new Proto().Message(5, tensor))),
            ["value before key"] = Graph(new Proto().Message(5, new Proto().Message(13, new Proto().Text(2, "x.bin").Text(1, "location")))),
            ["the last key counts"] = Graph(new Proto().Message(5, new Proto().Message(13, new Proto().Text(1, "offset").Text(2, "y").Text(1, "location").Text(2, "x.bin")))),
        };
        foreach (var (place, model) in places)
            Assert.AreSequenceEqual(["x.bin"], ExternalDataWalker.Locations(model.ToArray()), place);
        Assert.IsEmpty(ExternalDataWalker.Locations(Graph(new Proto().Message(5, new Proto().Message(13, new Proto().Text(1, "location").Text(1, "length").Text(2, "60")))).ToArray()));
    }

    [TestMethod]
    public void NestingIsBounded()
    {
        var graph = new Proto();
        for (var depth = 0; depth < 60; depth++)
            graph = Node(new Proto().Message(6, graph));
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => ExternalDataWalker.Locations(Graph(graph).ToArray())).Message, "nests more than 100 messages");
    }

    [TestMethod]
    public void AnyBytesAreWalkedOrRefused()
    {
        const int Seed = 1;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var model = File.ReadAllBytes(Shared.Model("external/model.onnx"));
        var refused = 0;
        for (var round = 0; round < 20_000; round++)
        {
            var bytes = model.AsSpan(0, random.Next(model.Length + 1)).ToArray();
            for (var change = 0; change < round % 4 && bytes.Length > 0; change++)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            try
            {
                ExternalDataWalker.Locations(bytes);
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }

        Assert.IsGreaterThan(1000, refused);
    }

    private static OnnxScorer Load(string path) => Scorers.Load(path, Shared.Service("a", "b"));

    private static byte[] Model(string location) => new OnnxBuilder()
        .Input("x", OnnxBuilder.Float, -1, 2).External("w", [2, 1], location).Node("MatMul", ["x", "w"], ["score"]).Output("score", OnnxBuilder.Float, -1, 1).Model();

    private static Proto Graph(Proto graph) => new Proto().Message(7, graph);

    /// <summary>A graph of one node of one attribute.</summary>
    private static Proto Node(Proto attribute) => new Proto().Message(1, new Proto().Message(5, attribute));
}
