using System.IO.Enumeration;
using System.Text.RegularExpressions;
using FeatureStore.Harness;

namespace FeatureStore.Deploy.Tests;

/// <summary>deploy/Dockerfile, as far as it can be read without an engine to build it.</summary>
[TestClass]
public sealed partial class ImageTests
{
    private static readonly string[] _lines = Continued().Replace(File.ReadAllText(Path.Combine(Tools.Deploy, "Dockerfile")), " ")
        .Split('\n').Where(line => line.Length > 0 && line[0] != '#').ToArray();

    [TestMethod]
    public void BasesArePinned()
    {
        var bases = _lines.Where(line => line.StartsWith("ARG ", StringComparison.Ordinal)).Select(line => line.Split('=')[1]).ToList();
        Assert.HasCount(2, bases);
        foreach (var image in bases)
            Assert.MatchesRegex(PinnedTag(), image);
        CollectionAssert.AreEqual(new[] { "FROM ${SDK} AS build", "FROM ${RUNTIME}" }, _lines.Where(line => line.StartsWith("FROM ", StringComparison.Ordinal)).ToArray());
    }

    [TestMethod]
    public void TheSdkBuildsTheProject()
    {
        var wanted = Regex.Match(File.ReadAllText(Path.Combine(Workspace.Root, "global.json")), "\"version\": \"([0-9.]+)\"").Groups[1].Value;
        var given = Regex.Match(_lines[0], @":([0-9.]+)-").Groups[1].Value;
        // rollForward is latestFeature: the same minor version, the same or a later feature band.
        Assert.AreEqual(wanted[..wanted.LastIndexOf('.')], given[..given.LastIndexOf('.')]);
        Assert.IsGreaterThanOrEqualTo(Version.Parse(wanted), Version.Parse(given));
    }

    /// <summary>The last stage runs the server as the user that the chart gives it, and leaves probing to Kubernetes.</summary>
    [TestMethod]
    public void TheImageRunsTheServerAsTheChartsUser()
    {
        var last = _lines.SkipWhile(line => line != "FROM ${RUNTIME}").ToList();
        var user = Yaml.File(Path.Combine(Chart.Folder, "values.yaml"))["securityContext"]!["runAsUser"]!;
        Assert.Contains($"USER {user}:{user}", last);
        Assert.IsFalse(last.Any(line => line.StartsWith("HEALTHCHECK", StringComparison.Ordinal)));
        Assert.IsFalse(last.Any(line => line.StartsWith("RUN", StringComparison.Ordinal)), "the runtime's image has no shell");
        Assert.Contains($"""ENTRYPOINT ["dotnet", "{Path.GetFileName(SiloProcess.Program)}"]""", last);
    }

    /// <summary>What is copied is there, and not kept out by the ignore file.</summary>
    [TestMethod]
    public void WhatIsCopiedIsThere()
    {
        var let = File.ReadLines(Path.Combine(Tools.Deploy, "Dockerfile.dockerignore")).Where(line => line.StartsWith('!')).Select(line => line[1..].Split('*')[0].TrimEnd('/')).ToList();
        var sources = _lines.Where(line => line.StartsWith("COPY ", StringComparison.Ordinal) && !line.Contains("--from", StringComparison.Ordinal))
            .SelectMany(line => line.Split(' ')[1..^1]).ToList();
        // What the build reads beside the projects: warnings are errors, and .editorconfig says which there are.
        foreach (var needed in Directory.GetFiles(Workspace.Root, "Directory.*").Select(Path.GetFileName).Append(".editorconfig").Append("global.json"))
            Assert.IsTrue(sources.Any(source => FileSystemName.MatchesSimpleExpression(source, needed)), $"{needed} is not copied");
        foreach (var source in sources)
        {
            Assert.IsNotEmpty(Directory.GetFileSystemEntries(Workspace.Root, source.TrimEnd('/')), source);
            Assert.IsTrue(let.Any(start => source.StartsWith(start, StringComparison.Ordinal)), source);
        }
    }

    [GeneratedRegex(@"\\\n *")]
    private static partial Regex Continued();

    [GeneratedRegex(@"^mcr\.microsoft\.com/dotnet/(sdk|aspnet):10\.0\.[0-9]+-noble(-chiseled-extra)?$")]
    private static partial Regex PinnedTag();
}
