namespace FeatureStore.Registry.Tests;

/// <summary>Definitions in a directory's files.</summary>
[TestClass]
public sealed class DirectoryTests
{
    private string _directory = "";

    [TestInitialize]
    public void Create() => _directory = Directory.CreateTempSubdirectory("definitions").FullName;

    [TestCleanup]
    public void Delete() => Directory.Delete(_directory, recursive: true);

    [TestMethod]
    public void FilesMakeOneProject()
    {
        var sections = Definitions.Sound.Split("feature_services:");
        Write("1.yaml", sections[0]);
        Write("2.yml", "feature_services:" + sections[1]);
        Write("3.YAML", "# nothing yet");
        Write("4.yaml", "project: shop\nentities:\n  - { name: item, keys: [ID] }");
        Write(".draft.yaml", "nonsense");
        Write("notes.txt", "nonsense");
        Directory.CreateDirectory(Path.Combine(_directory, "5.yaml"));

        var result = DefinitionLoader.Load(_directory);

        Assert.AreEqual("project \"shop\": 3 sources, 2 entities, 1 feature view with 11 features, 1 feature service, 1 model.", result.ToString());
        CollectionAssert.AreEqual(new[] { "user", "item" }, result.Project!.Entities.Select(entity => entity.Name).ToArray());
    }

    [TestMethod]
    public void ErrorsOfAllFilesAreSortedAndSayTheirFile()
    {
        Write("b.yaml", "entities:\n  - { name: user, keys: [USER] }\n  - { name: a-b, keys: [ID] }\nlist: 1");
        Write("a.yaml", "project: shop\nentities:\n  - { name: user, keys: [ID], key: x }");

        var result = DefinitionLoader.Load(_directory);

        Assert.AreEqual(
            $"""
            {Name("a.yaml")}:3:31: entity "user": unknown key "key" in an entity. Its keys are name, keys.
            {Name("b.yaml")}:2:13: entity "user": name is taken by entities[0]. Names of one kind differ.
            {Name("b.yaml")}:3:13: entity "a-b": name "a-b" is not an identifier. Use letters, digits and '_', not a digit first, at most 128.
            {Name("b.yaml")}:4:1: unknown key "list" in a definitions file. Its keys are project, sources, entities, feature_views, feature_services, models.
            4 errors; nothing was loaded.
            """,
            result.ToString());
    }

    [TestMethod]
    public void FilesOfTwoProjectsAreRefused()
    {
        Write("a.yaml", "project: shop");
        Write("b.yaml", "project: bank");
        Assert.AreEqual(
            $"{Name("b.yaml")}:1:10: project \"bank\" is \"shop\" in another file. One project is loaded at a time.",
            Assert.ContainsSingle(DefinitionLoader.Load(_directory).Errors).ToString());
    }

    /// <summary>What one file refers to may be in the file that cannot be read.</summary>
    [TestMethod]
    public void UnreadableFileHidesNoReferences()
    {
        Write("a.yaml", "project: shop\nmodels:\n  - { name: churn, service: buy, version: 2 }");
        Write("b.yaml", "feature_services: [");
        var errors = DefinitionLoader.Load(_directory).Errors;
        Assert.HasCount(2, errors);
        Assert.AreEqual($"{Name("a.yaml")}:3:34: model \"churn\": unknown key \"version\" in a model. Its keys are name, service, entity, on, outputs, sink.", errors[0].ToString());
        Assert.AreEqual(Name("b.yaml"), errors[1].File);
    }

    [TestMethod]
    public void OneFileLoads()
    {
        Write("only.txt", Definitions.Sound);
        Assert.IsEmpty(DefinitionLoader.Load(Name("only.txt")).Errors);
    }

    [TestMethod]
    public void MissingAndEmptyDirectoriesAreTold()
    {
        Assert.AreEqual($"{_directory}:1:1: the directory has no *.yaml or *.yml file.", DefinitionLoader.Load(_directory).Errors[0].ToString());
        Assert.AreEqual($"{Name("no")}:1:1: there is no such file or directory.", DefinitionLoader.Load(Name("no")).Errors[0].ToString());
    }

    [TestMethod]
    public void UnreadableFileIsTold()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("a link to itself takes a right that Windows users rarely have");
        File.CreateSymbolicLink(Name("a.yaml"), Name("a.yaml"));
        StringAssert.StartsWith(Assert.ContainsSingle(DefinitionLoader.Load(_directory).Errors).ToString(), $"{Name("a.yaml")}:1:1: cannot be read: ", StringComparison.Ordinal);
    }

    [TestMethod]
    public void LargeAndForeignFilesAreTold()
    {
        File.WriteAllBytes(Name("a.yaml"), new byte[DefinitionLoader.FileBytesMax + 1]);
        File.WriteAllBytes(Name("b.yaml"), [0xFF, 0xFE, 0x70, 0x00]);
        Assert.AreEqual(
            $"{Name("a.yaml")}:1:1: the file is larger than 1048576 bytes. Split it.\n{Name("b.yaml")}:1:1: the byte 0xFF is not UTF-8. Save the file as UTF-8.",
            string.Join('\n', DefinitionLoader.Load(_directory).Errors));
    }

    private string Name(string file) => Path.Combine(_directory, file);

    private void Write(string file, string text) => File.WriteAllText(Name(file), text);
}
