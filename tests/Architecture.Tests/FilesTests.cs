using System.Text.RegularExpressions;

namespace FeatureStore.Architecture.Tests;

[TestClass]
public sealed partial class FilesTests
{
    private static readonly string[] _text =
        [".md", ".cs", ".csproj", ".props", ".targets", ".sln", ".json", ".yaml", ".yml", ".sh", ".py", ".js", ".css", ".html", ".proto", ".txt", ".editorconfig", ".gitignore", ""];

    /// <summary>Text files with their content.</summary>
    private static IEnumerable<(string Path, string Content)> Texts() =>
        Repository.Files().Where(path => _text.Contains(Path.GetExtension(path))).Select(path => (path, File.ReadAllText(Repository.Absolute(path))));

    [TestMethod]
    public void TheSolutionHasEveryProject()
    {
        var solution = File.ReadAllText(Directory.EnumerateFiles(Repository.Root, "*.sln").Single());
        var listed = SolutionEntry().Matches(solution).Select(match => match.Groups[1].Value.Replace('\\', '/')).ToList();
        var projects = Repository.Projects("src").Concat(Repository.Projects("tests")).Select(project => project.Path).ToList();
        Rule.Holds("not in the solution", projects.Except(listed));
        Rule.Holds("in the solution, but not there", listed.Except(projects));
    }

    [TestMethod]
    public void RelativeLinksLead()
    {
        var links = Texts().Where(text => text.Path.EndsWith(".md", StringComparison.Ordinal))
            .SelectMany(text => Link().Matches(text.Content).Select(match => (text.Path, Target: match.Groups[1].Value)))
            .Where(link => !link.Target.Contains("://", StringComparison.Ordinal) && !link.Target.StartsWith("mailto:", StringComparison.Ordinal))
            .ToList();
        Assert.IsNotEmpty(links);
        Rule.Holds("links that lead nowhere", links.Where(link => !Leads(link.Path, link.Target)).Select(link => $"{link.Path} → {link.Target}"));
    }

    [TestMethod]
    public void NoFileNamesAPackageRegistryOrOneMachinesFolders() =>
        Rule.Holds("names of registries or of one machine's folders", Texts().SelectMany(text => Place().Matches(text.Content).Select(match => $"{text.Path}: {match.Value}")));

    [TestMethod]
    [DataRow("see https://www.nuget|.org/x", true)]
    [DataRow("cd /wo|rk/x", true)]
    [DataRow("(`/ro|ot/.config`)", true)]
    [DataRow("a/b/work/x and ../work/x", false)]
    public void ThePlaceRuleCatchesWhatItIsFor(string text, bool caught) => Assert.AreEqual(caught, Place().IsMatch(text.Replace("|", "", StringComparison.Ordinal)));

    private static bool Leads(string from, string target)
    {
        var parts = target.Split('#', 2);
        var path = parts[0].Length == 0 ? Repository.Absolute(from) : Path.Combine(Path.GetDirectoryName(Repository.Absolute(from))!, parts[0]);
        if (!File.Exists(path))
            return Directory.Exists(path) && parts.Length == 1;
        return parts.Length == 1 || Heading().Matches(File.ReadAllText(path)).Any(match => Anchor(match.Groups[1].Value) == parts[1]);
    }

    /// <summary>A heading's anchor: lower case, without punctuation, words joined by hyphens.</summary>
    private static string Anchor(string heading) =>
        string.Concat(heading.Trim().ToLowerInvariant().Where(letter => char.IsLetterOrDigit(letter) || letter is ' ' or '-' or '_')).Replace(' ', '-');

    [GeneratedRegex(@"""([^""]+\.csproj)""")]
    private static partial Regex SolutionEntry();

    [GeneratedRegex(@"(?<!\\)\]\(<?([^)\s>]+)>?(?:\s+""[^""]*"")?\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#{1,6} +(.*)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    // Written so that this file does not match itself.
    [GeneratedRegex(@"\b(?:nuget|npmjs|yarnpkg|pypi|pythonhosted|debian|rubygems|maven)[.](?:org|com|net)\b|(?<![\w.)}*\]-])[/](?:work|root|home)[/]", RegexOptions.IgnoreCase)]
    private static partial Regex Place();
}
