using System.Xml.Linq;

namespace FeatureStore.Architecture.Tests;

[TestClass]
public sealed class PackagesTests
{
    private static IEnumerable<Project> All => [.. Repository.Projects("src"), .. Repository.Projects("tests")];

    [TestMethod]
    public void VersionsAreCentral()
    {
        string[] version = ["Version", "VersionOverride"];
        Rule.Holds("versions stand in Directory.Packages.props", All.SelectMany(project => project.PackageReferences
            .Where(reference => version.Any(name => reference.Attribute(name) is not null || reference.Element(name) is not null))
            .Select(reference => $"{project}: {reference}")));
    }

    [TestMethod]
    public void EveryPackageHasACentralVersionAndEveryVersionAUse()
    {
        var used = All.SelectMany(project => project.PackageReferences).Select(reference => reference.Attribute("Include")!.Value).ToHashSet();
        Rule.Holds("without a central version", used.Except(CentralVersions()));
        Rule.Holds("a central version without a use", CentralVersions(group => group.Attribute("Label") is null).Except(used));
    }

    /// <summary>Only <c>eng/</c>, the <c>Directory.*</c> files and the composition in Silo may ask which packages there are.</summary>
    [TestMethod]
    public void NoProjectAsksWhichFeedThereIs() =>
        Rule.Holds("asks which feed there is", All.Where(project => project.Name != "Silo")
            .Where(project => File.ReadAllText(Repository.Absolute(project.Path)).Contains("$(Feed", StringComparison.OrdinalIgnoreCase))
            .Select(project => project.Path));

    /// <summary>Groups with a label hold versions for the sake of other packages, or of projects that this machine leaves out.</summary>
    private static IEnumerable<string> CentralVersions(Func<XElement, bool>? group = null) =>
        XDocument.Load(Repository.Absolute("Directory.Packages.props")).Descendants("ItemGroup").Where(group ?? (_ => true)).Elements()
            // Orleans' packages share one version: a list of names, and one element that gives it to all.
            .Where(element => element.Name.LocalName is "PackageVersion" or "OrleansPackage")
            .SelectMany(version => version.Attribute("Include")!.Value.Split(';'))
            .Where(name => !name.StartsWith('@'));
}
