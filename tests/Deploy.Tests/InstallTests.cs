using System.Globalization;
using System.Text.Json.Nodes;
using FeatureStore.Harness;

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
        var notes = Kube.Helm(["install", "fs", Chart.Folder, "--wait", "--timeout", "150s", .. values]);
        Assert.Contains("port-forward service/fs-featurestore 8080:8080", notes);
        Assert.AreEqual(installation == "default", notes.Contains("with an embedded broker", StringComparison.Ordinal), notes);
        var before = Kube.Get("pods", space);
        Assert.HasCount(installation == "default" ? 1 : 3, before);
        Assert.Contains("Phase:          Succeeded", Kube.Helm("test", "fs", "-n", space, "--timeout", "150s"));

        Kube.Helm(["upgrade", "fs", Chart.Folder, "--wait", "--timeout", "150s", "--set", "image.tag=0.2.0", .. values]);
        var after = Kube.Get("pods", space).Where(pod => pod["metadata"]!["deletionTimestamp"] is null).ToList();
        Assert.HasCount(before.Count, after);
        foreach (var pod in after)
            Assert.AreEqual("orleans-featurestore:0.2.0", (string)pod["spec"]!["containers"]![0]!["image"]!);

        Kube.Helm("uninstall", "fs", "-n", space, "--wait", "--timeout", "150s");
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
        Kube.Helm(["install", "fs", Chart.Folder, "--wait", "--timeout", "150s", .. values]);

        var failed = Kube.Run("helm", ["upgrade", "fs", Chart.Folder, "--rollback-on-failure", "--timeout", "6s",
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
        Kube.Helm(["install", "fs", Chart.Folder, "--wait", "--timeout", "150s", .. values]);
        Assert.AreNotEqual(0, Kube.Run("helm", ["upgrade", "fs", Chart.Folder, "--wait", "--timeout", "3s", "--set-string", "serve.podAnnotations.fake-node/ready=false", .. values]).Status);
        JsonNode Status() => Kube.Get("deployments", space, "app.kubernetes.io/component=serve").Single()["status"]!;
        Wait.Until(() => (int)Status()["replicas"]! == 3, TimeSpan.FromSeconds(60), () => $"No third silo comes: {Status()}");
        Assert.AreEqual(2, (int)Status()["readyReplicas"]!);
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

        Kube.Helm(["install", "fs", Chart.Folder, "-n", space, .. Chart.Installations["single"], "--set", "persistence.storageClassName=by-hand", "--wait", "--timeout", "150s"]);
        Assert.AreEqual("data", (string)Kube.Get("pods", space).Single()["spec"]!["volumes"]!.AsArray().Single(volume => volume!["persistentVolumeClaim"]?["claimName"]?.ToString() == "data-fs-featurestore-0")!["name"]!);
        Kube.Helm("uninstall", "fs", "-n", space, "--wait", "--timeout", "150s");
        Assert.Contains("Bound", Kube.Kubectl("get", "persistentvolumeclaim", "data-fs-featurestore-0", "-n", space));
    }

    /// <summary>A silo in the place of one of the chart's pods, with that pod's environment and its account's token: Orleans' Kubernetes hosting needs no more rights than the Role gives.</summary>
    [TestMethod]
    public void TheRoleIsWhatASiloNeeds()
    {
        var unshare = Tools.Unshare();
        var space = Kube.Namespace("role");
        using var redis = StartRedis();
        Kube.Helm(["install", "fs", Chart.Folder, "-n", space, .. Chart.Installations["kubernetes"], "--set", "cluster.storage=redis", "--wait", "--timeout", "150s"]);
        var account = $"system:serviceaccount:{space}:fs-featurestore";
        Assert.AreEqual("no", Kube.Run("kubectl", "auth", "can-i", "delete", "pods", "-n", space, "--as", account).Output.Trim());
        Assert.AreEqual("no", Kube.Run("kubectl", "auth", "can-i", "get", "secrets", "-n", space, "--as", account).Output.Trim());

        var pod = Kube.Get("pods", space, "app.kubernetes.io/component=serve")[0];
        var port = SiloProcess.FreePort();
        var environment = Manifests.Environment(pod["spec"]!.AsObject()).Where(variable => variable.Value is JsonValue).ToDictionary(variable => variable.Key, variable => variable.Value.ToString());
        environment["FEATURESTORE_URLS"] = $"http://127.0.0.1:{port}";
        environment["FEATURESTORE_CLUSTER_CONNECTION"] = redis.Address;
        environment["FEATURESTORE_SILO_PORT"] = SiloProcess.FreePort().ToString(CultureInfo.InvariantCulture);
        environment["POD_NAME"] = (string)pod["metadata"]!["name"]!;
        environment["POD_NAMESPACE"] = space;
        environment["POD_IP"] = "127.0.0.1";
        environment["KUBERNETES_SERVICE_HOST"] = "127.0.0.1";
        environment["KUBERNETES_SERVICE_PORT"] = Kube.Port;
        const string Script =
            """
            set -e
            token=$1 authority=$2 namespace=$3; shift 3
            mount --make-rprivate /
            mount -t tmpfs tmpfs /run
            folder=/run/secrets/kubernetes.io/serviceaccount
            mkdir -p $folder
            printf %s "$token" >$folder/token; cat "$authority" >$folder/ca.crt; printf %s "$namespace" >$folder/namespace
            exec "$@"
            """;
        using var silo = new ChildProcess(
            unshare,
            ["--mount", "bash", "-c", Script, "bash", Kube.Kubectl("create", "token", "fs-featurestore", "-n", space).Trim(), Kube.Authority, space, "dotnet", SiloProcess.Program],
            environment: environment);
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        PodTests.WaitFor200(http, "/health/ready", silo);
        Wait.Until(() => Agent().Count > 0, TimeSpan.FromSeconds(60), () => $"Orleans' agent says nothing:\n{silo.Output}");
        silo.Terminate();
        Assert.AreEqual(0, silo.WaitForExit(TimeSpan.FromSeconds(90)), silo.Error);
        Assert.DoesNotContain("Forbidden", silo.Output);
        // It has seen the pods: the others only pretend, so no silo of theirs is known.
        foreach (var line in Agent())
            Assert.Contains("does not correspond to any known silos", line);

        List<string> Agent() => [.. silo.Output.Split('\n').Where(line => line.Contains("KubernetesClusterAgent", StringComparison.Ordinal))];

        static RedisServer StartRedis()
        {
            try
            {
                return RedisServer.Start();
            }
            catch (FixtureMissingException missing)
            {
                Assert.Inconclusive(missing.Message);
                throw;
            }
        }
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
