using System.Text.Json.Nodes;
using FeatureStore.Harness;

namespace FeatureStore.Deploy.Tests;

/// <summary>A real control plane with two nodes that pretend, on loopback ports of its own.</summary>
internal sealed class ControlPlane : IDisposable
{
    private readonly string _folder = Workspace.NewFolder("kube");
    private readonly Dictionary<string, string> _environment;

    public ControlPlane()
    {
        try
        {
            Tools.RunShared("kube-up", ["--port", "0", "--data", _folder, "--nodes", "2"]).Succeeded();
            _environment = new()
            {
                ["KUBECONFIG"] = Path.Combine(_folder, "kubeconfig"),
                ["KUBECACHEDIR"] = Path.Combine(_folder, "kubectl"),
                ["HELM_CACHE_HOME"] = Path.Combine(_folder, "helm"),
                ["HELM_CONFIG_HOME"] = Path.Combine(_folder, "helm"),
                ["HELM_DATA_HOME"] = Path.Combine(_folder, "helm"),
            };
            Kubectl("apply", "--server-side", "-f", Tools.Shared("crds"));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The API server's.</summary>
    public string Port => JsonNode.Parse(Kubectl("config", "view", "-o", "json"))!["clusters"]![0]!["cluster"]!["server"]!.ToString().Split(':')[^1];

    /// <summary>The file of the certificate that the API server shows.</summary>
    public string Authority => JsonNode.Parse(Kubectl("config", "view", "-o", "json"))!["clusters"]![0]!["cluster"]!["certificate-authority"]!.ToString();

    /// <summary>A new namespace that admits only pods of the restricted standard.</summary>
    public string Namespace(string name)
    {
        Kubectl("create", "namespace", name);
        Kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted");
        // Pods are refused until the controllers have made it.
        Wait.Until(() => Run("kubectl", "get", "serviceaccount", "default", "-n", name).Status == 0, TimeSpan.FromSeconds(120), () => "no default account");
        return name;
    }

    public ToolResult Run(string tool, params string[] arguments) => Tools.RunShared(tool, arguments, _environment);

    public string Kubectl(params string[] arguments) => Run("kubectl", arguments).Succeeded();

    public string Helm(params string[] arguments) => Run("helm", arguments).Succeeded();

    /// <summary>Objects of a namespace.</summary>
    public IReadOnlyList<JsonObject> Get(string kind, string from, string selector = "") =>
        [.. JsonNode.Parse(Kubectl("get", kind, "-n", from, "-l", selector, "-o", "json"))!["items"]!.AsArray().Select(item => item!.AsObject())];

    public void Dispose()
    {
        Tools.RunShared("kube-down", ["--data", _folder]);
        Directory.Delete(_folder, recursive: true);
    }
}
