using System.Text;
using FeatureStore.Registry.Yaml;

namespace FeatureStore.Registry.Tests;

/// <summary>Files that are not YAML, or YAML that definitions have no use for.</summary>
[TestClass]
public sealed class YamlTests
{
    [TestMethod]
    [DataRow("project: shop\nsources: §]", "While parsing a node, did not find expected node content.")]
    [DataRow("project: shop\n project§: x", "While scanning a plain scalar value, found invalid mapping.")]
    [DataRow("project: §\"shop", "While scanning a quoted scalar, found unexpected end of stream.")]
    [DataRow("project: §&a shop", "the anchor &a is not supported. Remove it.")]
    [DataRow("project: §*a", "the alias *a is not supported. Write the value out.")]
    [DataRow("project: §!!str shop", "the tag \"tag:yaml.org,2002:str\" is not supported. Remove it.")]
    [DataRow("project: shop\n§--- \nproject: shop", "a second document starts here. Put each document in a file of its own.")]
    [DataRow("project: shop\nmodels: []\n§project: shop", "the key \"project\" is here twice, first on line 1. Remove one.")]
    [DataRow("project: shop\n§[a]: b", "a key is a plain text, not a list or a mapping.")]
    [DataRow("project: sh§\0op", "the control character U+0000 is not allowed in YAML.")]
    [DataRow("project: shop\r\nmodels: §\u001b", "the control character U+001B is not allowed in YAML.")]
    [DataRow("§- project", "a definitions file is a mapping, not a list. Its keys are project, sources, entities, feature_views, feature_services, models.")]
    [DataRow("§shop", "a definitions file is a mapping, not a text. Its keys are project, sources, entities, feature_views, feature_services, models.")]
    [DataRow("§", "nothing is defined. Start with project: <name>.")]
    [DataRow("§# later", "nothing is defined. Start with project: <name>.")]
    public void BadFileIsToldAtItsPlace(string marked, string message)
    {
        var (text, places) = Definitions.TakeMarks(marked);
        var error = Assert.ContainsSingle(Definitions.Load(text).Errors);
        Assert.AreEqual($"f:{places[0]}: {message}", error.ToString());
    }

    [TestMethod]
    public void RepeatedKeysAreToldWithAllElse()
    {
        var result = Definitions.Load(Definitions.Edit(Definitions.Sound, "topic: orders,", "topic: orders, topic: b,", "ttl: 90d", "ttl: 90d\n    ttl: 80d", "std: 42.3", "std: 0"));
        Assert.AreEqual(
            "f:4:29: the key \"topic\" is here twice, first on line 4. Remove one.\nf:28:5: the key \"ttl\" is here twice, first on line 27. Remove one.\nf:48:94: feature service \"buy\": std is 0, by which nothing can be divided.",
            string.Join('\n', result.Errors));
    }

    [TestMethod]
    public void DepthIsBounded()
    {
        Assert.AreEqual("f:1:41: values are nested deeper than 32 levels.", Definitions.Load("project: " + new string('[', 1_000_000)).Errors[0].ToString());
        var deepest = "project: " + new string('[', 31) + new string(']', 31);
        Assert.AreEqual("f:1:10: project is a single value, not a list.", Definitions.Load(deepest).Errors[0].ToString());
    }

    [TestMethod]
    public void SizeIsBounded()
    {
        var many = "project: [" + string.Concat(Enumerable.Repeat("a,", YamlReader.NodesMax)) + "]";
        StringAssert.EndsWith(Definitions.Load(many).Errors[0].ToString(), "the file has more than 100000 values. Split it.", StringComparison.Ordinal);
        var large = "project: shop #" + new string('x', DefinitionLoader.FileBytesMax);
        Assert.AreEqual("f:1:1: the file is larger than 1048576 bytes. Split it.", Definitions.Load(large).Errors[0].ToString());
        var files = Enumerable.Range(0, DefinitionLoader.FilesMax + 1).Select(index => new DefinitionFile($"f{index}", "")).ToArray();
        Assert.AreEqual("f256:1:1: 257 files are too many. At most 256 are allowed.", DefinitionLoader.Load(files).Errors[0].ToString());
    }

    [TestMethod]
    public void TextIsUtf8()
    {
        var errors = new List<DefinitionFileError>();
        Assert.AreEqual("project: é", DefinitionLoader.Decode("f", [.. Encoding.UTF8.Preamble, .. "project: é"u8], errors));
        Assert.IsNull(DefinitionLoader.Decode("f", [.. "project: x\n# é "u8, 0xE9, .. " \nmodels:"u8], errors));
        Assert.IsNull(DefinitionLoader.Decode("g", Encoding.Unicode.GetPreamble(), errors));
        Assert.IsNull(DefinitionLoader.Decode("h", [.. "a"u8, 0xE2, 0x82], errors));
        Assert.AreEqual(
            "f:2:5: the byte 0xE9 is not UTF-8. Save the file as UTF-8.\ng:1:1: the byte 0xFF is not UTF-8. Save the file as UTF-8.\nh:1:2: the byte 0xE2 is not UTF-8. Save the file as UTF-8.",
            string.Join('\n', errors));
    }
}
