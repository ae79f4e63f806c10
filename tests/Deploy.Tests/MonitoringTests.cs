using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FeatureStore.Harness;

namespace FeatureStore.Deploy.Tests;

/// <summary>Alerts and the dashboard ask for what the server measures.</summary>
[TestClass]
public sealed partial class MonitoringTests
{
    /// <summary>Of the scrape, and of the metric's own making.</summary>
    private static readonly string[] _everywhere = ["job", "namespace", "instance", "le", "__name__"];

    /// <summary>Not of ours: of the scrape, of Prometheus, of .NET and its web server. The last two are seen in <see cref="PodTests"/>.</summary>
    private static readonly string[] _ofOthers = ["up", "ALERTS", "dotnet_gc_pause_time_seconds_total", "dotnet_gc_last_collection_heap_size_bytes", "kestrel_active_connections"];

    private static string Files => Path.Combine(Chart.Folder, "files");

    /// <summary>Every expression, with where it stands.</summary>
    public static IEnumerable<object[]> Expressions()
    {
        foreach (var (path, node) in Yaml.Descendants(JsonNode.Parse(File.ReadAllText(Path.Combine(Files, "dashboard.json")))).Where(node => node.Path.EndsWith(".expr", StringComparison.Ordinal)))
            yield return [path, (string)node!];
        foreach (var rule in Yaml.File(Path.Combine(Files, "alerts.yaml"))["groups"]![0]!["rules"]!.AsArray())
            yield return [(string)rule!["alert"]!, (string)rule["expr"]!];
    }

    [TestMethod]
    [DynamicData(nameof(Expressions))]
    public void ExpressionsAskForWhatIsMeasured(string place, string expression)
    {
        var documented = Documented();
        var metrics = MetricNames(expression);
        Assert.IsNotEmpty(metrics, place);
        foreach (var metric in metrics.Except(_ofOthers))
            Assert.IsTrue(documented.ContainsKey(metric), $"{place}: docs/metrics.md has no \"{metric}\"");
        var labels = metrics.SelectMany(metric => documented.GetValueOrDefault(metric) ?? []).Concat(_everywhere).ToHashSet();
        foreach (var label in Labels(expression))
            Assert.Contains(label, labels, $"{place}: none of {string.Join(", ", metrics)} has the label");
    }

    /// <summary>The document, in turn, has what the code measures: its own sections are held to the instruments where these are declared, and here to their names.</summary>
    [TestMethod]
    public void DocumentedNamesAreInTheCode()
    {
        var literals = Directory.EnumerateFiles(Path.Combine(Workspace.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(path => InstrumentName().Matches(File.ReadAllText(path)).Select(match => match.Groups[1].Value.Replace('.', '_')))
            .ToHashSet();
        var used = Expressions().SelectMany(expression => MetricNames((string)expression[1])).Except(_ofOthers).Distinct().ToList();
        Assert.IsGreaterThan(30, used.Count);
        foreach (var metric in used)
        {
            var name = Suffix().Replace(metric, "");
            // Some names are put together: "featurestore.partition." and the rest.
            Assert.IsTrue(literals.Any(literal => literal == name || literal.EndsWith('_') && name.StartsWith(literal, StringComparison.Ordinal)), metric);
        }
    }

    [TestMethod]
    public void AlertsAreRightByPrometheusOwnTests()
    {
        var promtool = Tools.Installed("promtool", "prometheus");
        Tools.Run(promtool, ["check", "rules", Path.Combine(Files, "alerts.yaml")]).Succeeded();
        Tools.Run(promtool, ["test", "rules", Path.Combine(Tools.Deploy, "prometheus", "alerts.test.yaml")]).Succeeded();
        Tools.Run(promtool, ["check", "config", "--syntax-only", Path.Combine(Tools.Deploy, "prometheus", "prometheus.yaml")]).Succeeded();
    }

    /// <summary>Every alert fires in one of Prometheus' tests, says what is wrong and what to look at.</summary>
    [TestMethod]
    public void EveryAlertIsTestedAndSpeaks()
    {
        var tests = File.ReadAllText(Path.Combine(Tools.Deploy, "prometheus", "alerts.test.yaml"));
        foreach (var rule in Yaml.File(Path.Combine(Files, "alerts.yaml"))["groups"]![0]!["rules"]!.AsArray())
        {
            var name = (string)rule!["alert"]!;
            Assert.Contains($"alertname=\"{name}\"", tests, "no test has it fire");
            Assert.Contains((string)rule["labels"]!["severity"]!, new[] { "info", "warning", "critical" });
            foreach (var text in new[] { "summary", "description" })
                Assert.EndsWith(".", (string)rule["annotations"]![text]!, name);
        }
    }

    [TestMethod]
    public void TheDashboardIsSound()
    {
        var dashboard = JsonNode.Parse(File.ReadAllText(Path.Combine(Files, "dashboard.json")))!;
        var panels = dashboard["panels"]!.AsArray();
        Assert.HasCount(panels.Count, panels.Select(panel => (int)panel!["id"]!).Distinct());
        var areas = panels.Select(panel => panel!["gridPos"]!).Select(area => (X: (int)area["x"]!, Y: (int)area["y"]!, W: (int)area["w"]!, H: (int)area["h"]!)).ToList();
        for (var one = 0; one < areas.Count; one++)
        {
            Assert.IsLessThanOrEqualTo(24, areas[one].X + areas[one].W);
            for (var other = 0; other < one; other++)
            {
                var (a, b) = (areas[one], areas[other]);
                Assert.IsTrue(a.X + a.W <= b.X || b.X + b.W <= a.X || a.Y + a.H <= b.Y || b.Y + b.H <= a.Y, $"{panels[one]!["title"]} covers {panels[other]!["title"]}");
            }
        }

        foreach (var (path, node) in Yaml.Descendants(dashboard).Where(node => node.Path.EndsWith("datasource.uid", StringComparison.Ordinal)))
            Assert.AreEqual("${datasource}", (string)node!, path);
    }

    /// <summary>Metrics of docs/metrics.md with their labels; of a histogram, the series that it is made of.</summary>
    private static Dictionary<string, string[]> Documented()
    {
        Dictionary<string, string[]> documented = [];
        foreach (var line in File.ReadLines(Path.Combine(Workspace.Root, "docs", "metrics.md")).Where(line => line.StartsWith("| `", StringComparison.Ordinal)))
        {
            var cells = line.Split('|', StringSplitOptions.TrimEntries);
            var name = cells[1].Trim('`');
            string[] labels = [.. Quoted().Matches(cells[3]).Select(match => match.Groups[1].Value)];
            foreach (var suffix in cells[2] == "histogram" ? ["_bucket", "_sum", "_count"] : new[] { "" })
                documented[name + suffix] = labels;
        }

        return documented;
    }

    private static List<string> MetricNames(string expression)
    {
        // featurestore_(a|b)_total, as a matcher of __name__.
        var names = NameMatcher().Match(expression) is { Success: true } match
            ? match.Groups[2].Value.Split('|').Select(middle => match.Groups[1].Value + middle + match.Groups[3].Value)
            : [];
        var bare = Grouping().Replace(Braces().Replace(expression, ""), "");
        return [.. names.Concat(Identifier().Matches(bare).Select(word => word.Value).Where(word => word == "up" || word.Contains('_') && word != "histogram_quantile")).Distinct()];
    }

    private static IEnumerable<string> Labels(string expression) =>
        Matcher().Matches(expression).Select(match => match.Groups[1].Value)
            .Concat(Grouping().Matches(expression).SelectMany(match => match.Groups[1].Value.Split(',', StringSplitOptions.TrimEntries))).Distinct();

    [GeneratedRegex(@"""(featurestore\.[a-z_.]+|process\.[a-z_.]+)""")]
    private static partial Regex InstrumentName();

    [GeneratedRegex("(_seconds|_bytes)?(_total|_bucket|_count|_sum)?$")]
    private static partial Regex Suffix();

    [GeneratedRegex("`([a-z_]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"__name__=~""([a-z_]*)\(([a-z_|]*)\)([a-z_]*)""")]
    private static partial Regex NameMatcher();

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Braces();

    [GeneratedRegex(@"\b(?:by|on|without|ignoring) \(([^)]*)\)")]
    private static partial Regex Grouping();

    [GeneratedRegex(@"\b[a-zA-Z_:][a-zA-Z0-9_:]*\b")]
    private static partial Regex Identifier();

    [GeneratedRegex(@"([a-zA-Z_]+) *(?:=~|!~|!=|=)"" ?")]
    private static partial Regex Matcher();
}
