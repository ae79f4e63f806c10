using System.Collections.Concurrent;
using System.Text.Json.Nodes;

namespace FeatureStore.Deploy.Tests;

/// <summary>The chart, and what Helm makes of it.</summary>
internal static class Chart
{
    private static readonly ConcurrentDictionary<string, Manifests> _rendered = [];

    public static string Folder { get; } = Path.Combine(Tools.Deploy, "helm", "featurestore");

    /// <summary>Helm's arguments for every kind of installation that is tested, by name.</summary>
    public static IReadOnlyDictionary<string, string[]> Installations { get; } = new Dictionary<string, string[]>
    {
        ["default"] = [],
        ["single"] = ["-f", Example("single")],
        ["cluster"] = ["-f", Example("cluster")],
        ["everything"] = ["-f", Values("everything")],
        ["kubernetes"] = ["-f", Values("kubernetes")],
        ["slices"] = ["-f", Example("cluster"), "--set", "cluster.slices=6,owner.replicas=3"],
        ["one-silo"] = ["-f", Values("one-silo")],
    };

    public static IEnumerable<object[]> InstallationNames => Installations.Keys.Select(name => new object[] { name });

    public static string Example(string name) => Path.Combine(Tools.Deploy, "helm", "examples", name + ".yaml");

    public static string Values(string name) => Path.Combine(FeatureStore.Harness.Workspace.Root, "tests", "Deploy.Tests", "Values", name + ".yaml");

    public static ToolResult Template(params string[] arguments) => Tools.RunShared("helm", ["template", "fs", Folder, "--namespace", "features", .. arguments]);

    /// <summary>What Helm renders, once for the same arguments.</summary>
    public static Manifests Render(params string[] arguments) =>
        _rendered.GetOrAdd(string.Join('\n', arguments), _ => new(Template(arguments).Succeeded()));
}

/// <summary>Rendered manifests.</summary>
internal sealed class Manifests(string text)
{
    public string Text => text;

    public IReadOnlyList<JsonObject> All { get; } = Yaml.Documents(text);

    public JsonObject Only(string kind, string? name = null) => Of(kind).Single(manifest => name is null || (string)manifest["metadata"]!["name"]! == name);

    public IEnumerable<JsonObject> Of(string kind) => All.Where(manifest => (string)manifest["kind"]! == kind);

    /// <summary>Pod specifications with the labels of their pods, by what they belong to.</summary>
    public IEnumerable<(string Name, JsonObject Labels, JsonObject Spec)> Pods() =>
        from manifest in All
        let name = $"{manifest["kind"]}/{manifest["metadata"]!["name"]}"
        let pod = (string)manifest["kind"]! == "Pod" ? manifest : manifest["spec"]?["template"]?.AsObject()
        where pod is not null
        select (name, pod["metadata"]!["labels"]!.AsObject(), pod["spec"]!.AsObject());

    /// <summary>Pods of the server.</summary>
    public IEnumerable<(string Name, JsonObject Labels, JsonObject Spec)> Servers() => Pods().Where(pod => !pod.Name.StartsWith("Pod/", StringComparison.Ordinal));

    /// <summary>The server's environment: names with a value, or with where it comes from.</summary>
    public static Dictionary<string, JsonNode> Environment(JsonObject spec) =>
        spec["containers"]![0]!["env"]!.AsArray().ToDictionary(variable => (string)variable!["name"]!, variable => variable!["value"] ?? variable["valueFrom"]!);
}
