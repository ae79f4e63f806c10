using System.Text.Json.Nodes;

namespace FeatureStore.Deploy.Tests;

/// <summary>The chart on a real API server; nodes pretend that pods run.</summary>
[TestClass]
public sealed class InstallTests
{
    /// <summary>Pods with a claim that is not there are not scheduled.</summary>
    private static readonly string[] _withoutModels = ["--set", "models.volume=null"];

    private static ControlPlane? _kube;

    private static ControlPlane Kube => _kube!;

    [ClassInitialize]
    public static void Start(TestContext context) => _kube = new ControlPlane();

    [ClassCleanup]
    public static void Stop() => _kube?.Dispose();

    /// <summary>Installed, tested, upgraded and removed, in a namespace that admits only restricted pods.</summary>
    [TestMethod]
    [DataRow("default")]
    [DataRow("kubernetes")]
    public void InstallsUpgradesAndGoes(string installation)
    {
        var space = Kube.Namespace("whole-" + installation);
        string[] values = ["-n", space, .. Chart.Installations[installation], .. _withoutModels];
        var notes = Kube.Helm(["install", "fs", Chart.Folder, "--wait", "--timeout", "30s", .. values]);
        Assert.Contains("port-forward service/fs-featurestore 8080:8080", notes);
        Assert.AreEqual(installation == "default", notes.Contains("with an embedded broker", StringComparison.Ordinal), notes);
        var before = Kube.Get("pods", space);
        Assert.HasCount(installation == "default" ? 1 : 3, before);
        Assert.Contains("Phase:          Succeeded", Kube.Helm("test", "fs", "-n", space, "--timeout", "30s"));

        Kube.Helm(["upgrade", "fs", Chart.Folder, "--wait", "--timeout", "30s", "--set", "image.tag=0.2.0", .. values]);
        var after = Kube.Get("pods", space).Where(pod => pod["metadata"]!["deletionTimestamp"] is null).ToList();
        Assert.HasCount(before.Count, after);
        foreach (var pod in after)
            Assert.AreEqual("orleans-featurestore:0.2.0", (string)pod["spec"]!["containers"]![0]!["image"]!);

        Kube.Helm("uninstall", "fs", "-n", space, "--wait", "--timeout", "30s");
        Assert.AreEqual("No resources found", Kube.Run("kubectl", "get", "all,networkpolicy,poddisruptionbudget,configmap,role", "-n", space, "-l", "app.kubernetes.io/instance=fs").Error[..18]);
    }

    /// <summary>An upgrade whose pods never get ready ends where it began, with pods of the old revision.</summary>
    [TestMethod]
    [DataRow("default", "owner")]
    [DataRow("cluster", "owner")]
    [DataRow("cluster", "serve")]
    public void AnUpgradeThatDoesNotGetReadyRollsBack(string installation, string component)
    {
        var space = Kube.Namespace($"back-{installation}-{component}");
        string[] values = ["-n", space, .. Chart.Installations[installation], .. _withoutModels];
        Kube.Helm(["install", "fs", Chart.Folder, "--wait", "--timeout", "30s", .. values]);

        var failed = Kube.Run("helm", ["upgrade", "fs", Chart.Folder, "--rollback-on-failure", "--timeout", "4s",
            "--set", "image.tag=0.2.0", "--set-string", $"{component}.podAnnotations.fake-node/ready=false", .. values]);

        Assert.AreNotEqual(0, failed.Status);
        Assert.Contains("has been rolled back due to rollback-on-failure being set", failed.Error);
        var history = JsonNode.Parse(Kube.Helm("history", "fs", "-n", space, "-o", "json"))!.AsArray();
        CollectionAssert.AreEqual(new[] { "superseded", "failed", "deployed" }, history.Select(revision => (string)revision!["status"]!).ToArray());
        var pods = Kube.Get("pods", space).Where(pod => pod["metadata"]!["deletionTimestamp"] is null).ToList();
        Assert.HasCount(installation == "default" ? 1 : 3, pods);
        foreach (var pod in pods)
        {
            Assert.AreEqual("orleans-featurestore:0.1.0", (string)pod["spec"]!["containers"]![0]!["image"]!);
            Assert.IsTrue(pod["status"]!["conditions"]!.AsArray().Any(condition => (string)condition!["type"]! == "Ready" && (string)condition["status"]! == "True"));
        }
    }

    /// <summary>While new serving silos do not get ready, the old ones stay.</summary>
    [TestMethod]
    public void ServingSilosStayUntilTheirSuccessorsAreReady()
    {
        var space = Kube.Namespace("surge");
        string[] values = ["-n", space, .. Chart.Installations["kubernetes"]];
        Kube.Helm(["install", "fs", Chart.Folder, "--wait", "--timeout", "30s", .. values]);
        Assert.AreNotEqual(0, Kube.Run("helm", ["upgrade", "fs", Chart.Folder, "--wait", "--timeout", "3s", "--set-string", "serve.podAnnotations.fake-node/ready=false", .. values]).Status);
        var deployment = Kube.Get("deployments", space, "app.kubernetes.io/component=serve").Single();
        Assert.AreEqual(2, (int)deployment["status"]!["readyReplicas"]!);
        Assert.AreEqual(3, (int)deployment["status"]!["replicas"]!);
    }

    /// <summary>The state's volume is claimed, and outlives the release.</summary>
    [TestMethod]
    public void TheLocalRuntimeHasAVolume()
    {
        var space = Kube.Namespace("volume");
        const string Volume = """{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"disk"},"spec":{"capacity":{"storage":"50Gi"},"accessModes":["ReadWriteOncePod"],"storageClassName":"by-hand","hostPath":{"path":"/nowhere"}}}""";
        const string Models = """{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"models"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadOnlyMany"],"storageClassName":"by-hand","hostPath":{"path":"/nowhere"}}}""";
        const string Claim = """{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"fraud-models"},"spec":{"storageClassName":"by-hand","accessModes":["ReadOnlyMany"],"resources":{"requests":{"storage":"1Gi"}}}}""";
        var file = Path.GetTempFileName();
        try
        {
            foreach (var manifest in new[] { Volume, Models, Claim })
            {
                File.WriteAllText(file, manifest);
                Kube.Kubectl("apply", "-n", space, "-f", file);
            }
        }
        finally
        {
            File.Delete(file);
        }

        Kube.Helm(["install", "fs", Chart.Folder, "-n", space, .. Chart.Installations["single"], "--set", "persistence.storageClassName=by-hand", "--wait", "--timeout", "30s"]);
        Assert.AreEqual("data", (string)Kube.Get("pods", space).Single()["spec"]!["volumes"]!.AsArray().Single(volume => volume!["persistentVolumeClaim"]?["claimName"]?.ToString() == "data-fs-featurestore-0")!["name"]!);
        Kube.Helm("uninstall", "fs", "-n", space, "--wait", "--timeout", "30s");
        Assert.Contains("Bound", Kube.Kubectl("get", "persistentvolumeclaim", "data-fs-featurestore-0", "-n", space));
    }

    /// <summary>What the schema cannot check, the API server does: expressions and rules across fields.</summary>
    [TestMethod]
    [DataRow("everything")]
    [DataRow("one-silo")]
    public void TheApiServerTakesIt(string installation)
    {
        var space = Kube.Namespace("dry-" + installation);
        Kube.Helm(["install", "fs", Chart.Folder, "-n", space, "--dry-run=server", .. Chart.Installations[installation]]);
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, Chart.Render(Chart.Installations[installation]).Text.Replace("namespace: features", "namespace: " + space, StringComparison.Ordinal));
            Kube.Kubectl("apply", "--dry-run=server", "-n", space, "-f", file);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
