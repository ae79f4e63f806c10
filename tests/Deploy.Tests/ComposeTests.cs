using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace FeatureStore.Deploy.Tests;

/// <summary>deploy/compose.yaml: its shape, and that what it names is there. Where Docker's compose is installed, it reads it too.</summary>
[TestClass]
public sealed partial class ComposeTests
{
    /// <summary>As much of the Compose specification as the file uses, with what each key holds: s text, n number, b truth, l list of texts, m mapping of texts, o object.</summary>
    private static readonly Dictionary<string, string> _serviceKeys = new()
    {
        ["image"] = "s",
        ["build"] = "m",
        ["command"] = "l",
        ["environment"] = "m",
        ["ports"] = "l",
        ["volumes"] = "l",
        ["depends_on"] = "lo",
        ["profiles"] = "l",
        ["healthcheck"] = "o",
        ["deploy"] = "o",
        ["read_only"] = "b",
        ["tmpfs"] = "l",
        ["cap_drop"] = "l",
        ["security_opt"] = "l",
        ["restart"] = "s",
        ["stop_grace_period"] = "s",
    };

    private static string FilePath => Path.Combine(Tools.Deploy, "compose.yaml");

    private static JsonObject File { get; } = Yaml.File(FilePath);

    private static IEnumerable<(string Name, JsonObject Service)> Services => File["services"]!.AsObject().Select(service => (service.Key, service.Value!.AsObject()));

    [TestMethod]
    public void KeysAreTheSpecifications()
    {
        foreach (var (key, _) in File)
            Assert.IsTrue(key is "name" or "services" or "volumes" || key.StartsWith("x-", StringComparison.Ordinal), key);
        foreach (var (name, service) in Services)
        {
            foreach (var (key, value) in service)
            {
                Assert.IsTrue(_serviceKeys.TryGetValue(key, out var kinds), $"{name}: {key}");
                Assert.Contains(KindOf(value), kinds!, $"{name}: {key} is {value?.ToJsonString()}");
            }

            Assert.IsTrue(service.ContainsKey("image"), name);
        }

        static string KindOf(JsonNode? node) => node switch
        {
            JsonArray list when list.All(item => item is JsonValue value && value.TryGetValue<string>(out _)) => "l",
            JsonObject mapping when mapping.All(pair => pair.Value is JsonValue value && value.TryGetValue<string>(out _)) => "m",
            JsonObject => "o",
            JsonValue value when value.TryGetValue<bool>(out _) => "b",
            JsonValue value when value.TryGetValue<string>(out _) => "s",
            JsonValue => "n",
            _ => "?",
        };
    }

    [TestMethod]
    public void DockerReadsIt()
    {
        var docker = Tools.Installed("docker", "docker.io");
        if (Tools.Run(docker, ["compose", "version"]).Status != 0)
            Assert.Inconclusive("docker has no compose plugin.");
        foreach (var profile in new[] { "single", "cluster", "azure" })
            Tools.Run(docker, ["compose", "-f", FilePath, "--profile", profile, "config", "--quiet"]).Succeeded();
    }

    [TestMethod]
    public void ImagesArePinned()
    {
        foreach (var (name, service) in Services)
            Assert.MatchesRegex(PinnedImage(), (string)service["image"]!, name);
    }

    [TestMethod]
    public void OptionsAreTheServers()
    {
        var options = Server.Options().Select(Server.Variable).ToHashSet();
        var given = Services.SelectMany(service => service.Service["environment"]?.AsObject().Select(variable => variable.Key) ?? [])
            .Where(name => name.StartsWith("FEATURESTORE_", StringComparison.Ordinal)).Distinct().ToList();
        Assert.IsGreaterThan(5, given.Count);
        Assert.AreEqual("", string.Join(", ", given.Except(options)));
    }

    /// <summary>As the chart's pods: without capabilities, read-only, with time to drain.</summary>
    [TestMethod]
    [DataRow("single")]
    [DataRow("owner")]
    [DataRow("serve")]
    [DataRow("azure")]
    public void ServersAreLockedDown(string name)
    {
        var service = File["services"]![name]!;
        Assert.IsTrue((bool)service["read_only"]!);
        Assert.AreEqual("""["ALL"]""", service["cap_drop"]!.ToJsonString());
        Assert.AreEqual("""["no-new-privileges:true"]""", service["security_opt"]!.ToJsonString());
        Assert.AreEqual("75s", (string)service["stop_grace_period"]!);
    }

    [TestMethod]
    public void PortsAreBoundToLoopback()
    {
        foreach (var (name, service) in Services)
        {
            foreach (var port in service["ports"]?.AsArray() ?? [])
                Assert.StartsWith("127.0.0.1:", (string)port!, name);
        }
    }

    /// <summary>Files that are mounted, volumes and services that are referred to.</summary>
    [TestMethod]
    public void WhatItNamesIsThere()
    {
        foreach (var (name, service) in Services)
        {
            foreach (var source in service["volumes"]?.AsArray().Select(volume => ((string)volume!).Split(':')[0]) ?? [])
                Assert.IsTrue(source.StartsWith('.') ? Path.Exists(Path.Combine(Tools.Deploy, source)) : File["volumes"]!.AsObject().ContainsKey(source), $"{name}: {source}");
            var needs = service["depends_on"] switch
            {
                JsonArray list => list.Select(item => (Name: (string)item!, Condition: "service_started")),
                JsonObject mapping => mapping.Select(pair => (Name: pair.Key, Condition: (string)pair.Value!["condition"]!)),
                _ => [],
            };
            foreach (var (other, condition) in needs)
            {
                Assert.IsTrue(File["services"]!.AsObject().ContainsKey(other), $"{name}: {other}");
                var isKnown = condition is "service_started" or "service_completed_successfully" || condition == "service_healthy" && File["services"]![other]!["healthcheck"] is not null;
                Assert.IsTrue(isKnown, $"{name}: {other} {condition}");
            }
        }
    }

    /// <summary>Prometheus asks every server, and those only.</summary>
    [TestMethod]
    public void PrometheusScrapesTheServers()
    {
        var scrape = Yaml.File(Path.Combine(Tools.Deploy, "prometheus", "prometheus.yaml"))["scrape_configs"]![0]!;
        Assert.AreEqual("featurestore", (string)scrape["job_name"]!);
        CollectionAssert.AreEquivalent(
            Services.Where(service => service.Service.ContainsKey("build")).Select(service => service.Name).ToList(),
            scrape["dns_sd_configs"]![0]!["names"]!.AsArray().Select(name => (string)name!).ToList());
    }

    [GeneratedRegex(@"^[a-z0-9./-]+:v?[0-9]+(\.[0-9]+)+$|^postgres:[0-9]+$")]
    private static partial Regex PinnedImage();
}
