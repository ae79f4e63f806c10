using FeatureStore.Core.Definitions;

namespace FeatureStore.Scoring.Tests;

/// <summary>The models folder: which file serves, and what is said where none does.</summary>
[TestClass]
public sealed class ModelCatalogTests
{
    private static readonly byte[] _sound = OnnxBuilder.RowSums(-1, 2).Model();

    [TestMethod]
    public void TheLargestIntegerServes()
    {
        using var folder = new TempFolder();
        foreach (var version in new[] { "2", "10", "9", "010", "x11", "-12", "+13", "1e3" })
            folder.Write($"fraud/{version}/model.onnx", version == "10" ? _sound : []);
        using var catalog = Load(folder.Path, "fraud");
        Assert.AreSequenceEqual(["fraud"], catalog.Models);
        Assert.IsTrue(catalog.TryGet("fraud", out var model));
        Assert.AreEqual("10", model.Version);
        Assert.IsFalse(catalog.TryGet("Fraud", out _));
    }

    [TestMethod]
    public void ASingleFileIsVersionOne()
    {
        using var folder = new TempFolder();
        folder.Write("fraud.onnx", _sound);
        using (var catalog = Load(folder.Path, "fraud"))
        {
            Assert.IsTrue(catalog.TryGet("fraud", out var model));
            Assert.AreEqual("1", model.Version);
        }

        folder.Write("fraud/2/model.onnx", _sound);
        using (var catalog = Load(folder.Path, "fraud"))
        {
            Assert.IsTrue(catalog.TryGet("fraud", out var model));
            Assert.AreEqual("2", model.Version);
        }
    }

    [TestMethod]
    public void EveryModelThatCannotServeIsNamedAtOnce()
    {
        using var folder = new TempFolder();
        folder.Write("good.onnx", _sound);
        folder.Write("empty.onnx", []);
        Directory.CreateDirectory(Path.Combine(folder.Path, "half", "3"));
        var lines = Scorers.Refusal(() => Load(folder.Path, "good", "empty", "half", "none", "../good")).Split(Environment.NewLine);
        Assert.HasCount(4, lines);
        StringAssert.Contains(lines[0], "empty.onnx\" is empty");
        Assert.AreEqual($"Version 3 of model \"half\" is not whole: there is no \"{folder.Path}/half/3/model.onnx\". Put the model there, or remove the folder.", lines[1]);
        Assert.AreEqual($"Model \"none\" has no file: there is neither \"{folder.Path}/none/<integer>/model.onnx\" nor \"{folder.Path}/none.onnx\". Put the model there.", lines[2]);
        StringAssert.Contains(lines[3], "The model name \"../good\" cannot be a folder's name");
        StringAssert.Contains(Scorers.Refusal(() => Load(null, "good")), "no models folder is given. Start with \"--models DIR\"");
    }

    private static ModelCatalog Load(string? folder, params string[] models)
    {
        var service = Shared.Service("a", "b");
        return ModelCatalog.Load(folder, [.. models.Select(name => (new ModelDefinition { Name = name, Service = service.Name }, service))], Scorers.Options);
    }
}
