using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FeatureStore.Harness;

namespace FeatureStore.Deploy.Tests;

/// <summary>What the chart renders, without a server.</summary>
[TestClass]
public sealed partial class ChartTests
{
    /// <summary>Options that no pod needs: one prints a text, the other is for silos on one machine.</summary>
    private static readonly string[] _notOfPods = ["help", "primary-port"];

    public static IEnumerable<object[]> Installations => Chart.InstallationNames;

    [TestMethod]
    [DynamicData(nameof(Installations))]
    public void ManifestsAreSound(string installation)
    {
        var arguments = Chart.Installations[installation];
        Tools.RunShared("helm", ["lint", "--strict", Chart.Folder, .. arguments]).Succeeded();
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, Chart.Render(arguments).Text);
            var result = Tools.Run(Tools.Shared("bin", "kubeconform"), ["-strict", "-summary", "-kubernetes-version", "1.37.2", "-schema-location", Tools.Shared("schemas"), file]);
            Assert.Contains("Skipped: 0", result.Succeeded());
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Each must be refused, with an error that names the value.</summary>
    [TestMethod]
    [DataRow("runtime=grains", "at '/runtime': value must be one of 'local', 'orleans'")]
    [DataRow("replicas=3", "additional properties 'replicas' not allowed")]
    [DataRow("kafka.bootstrapServers=kafka", "at '/kafka/bootstrapServers': 'kafka' does not match pattern")]
    [DataRow("kafka.config=sasl.password", "at '/kafka/config': got string, want object")]
    [DataRow("kafka.config.password=x", "at '/kafka/config': additional properties 'password' not allowed")]
    [DataRow("cluster.connection.value=x", "at '/cluster/connection': additional properties 'value' not allowed")]
    [DataRow("cluster.dashboardKey=0123456789abcdef", "at '/cluster/dashboardKey': got string, want object")]
    [DataRow("cluster.clustering=localhost", "at '/cluster/clustering': value must be one of 'adonet', 'redis', 'azure', 'kubernetes'")]
    [DataRow("cluster.storage=memory", "at '/cluster/storage': value must be one of '', 'adonet', 'redis', 'azure'")]
    [DataRow("cluster.siloPort=80", "at '/cluster/siloPort': minimum: got 80, want 1,024")]
    [DataRow("publishIntervalMs=500", "at '/publishIntervalMs': maximum: got 500, want 100")]
    [DataRow("persistence.size=ten", "at '/persistence/size': 'ten' does not match pattern")]
    [DataRow("owner.resources.limits.memory=1Gig", "at '/owner/resources/limits/memory': '1Gig' does not match pattern")]
    [DataRow("owner.replicas=2", "owner.replicas is 2, and runtime \"local\" is one process.")]
    [DataRow("runtime=orleans,kafka.bootstrapServers=a:1,cluster.connection.existingSecret=s,owner.replicas=2", "owner.replicas is 2, and cluster.slices 1: some owner would have nothing to do")]
    [DataRow("runtime=orleans,kafka.bootstrapServers=a:1,cluster.connection.existingSecret=s,cluster.slices=6,owner.replicas=2,owner.protectFromEviction=true", "owner.protectFromEviction is for a single owner")]
    [DataRow("cluster.slices=257", "at '/cluster/slices': maximum: got 257, want 256")]
    [DataRow("owner.role=serve", "at '/owner/role': value must be one of 'ingest', 'all'")]
    [DataRow("serve.replicas=0", "at '/serve/replicas': minimum: got 0, want 1")]
    [DataRow("securityContext.runAsUser=0", "at '/securityContext/runAsUser': minimum: got 0, want 1")]
    [DataRow("securityContext.readOnlyRootFilesystem=false", "additional properties 'readOnlyRootFilesystem' not allowed")]
    [DataRow("image.digest=latest", "at '/image/digest': 'latest' does not match pattern")]
    [DataRow("definitions.files.fraud=x", "invalid propertyName 'fraud'")]
    [DataRow("runtime=orleans", "kafka.bootstrapServers is empty, and runtime \"orleans\" needs a broker. Give HOST:PORT.")]
    [DataRow("runtime=orleans,kafka.bootstrapServers=a:1", "cluster.connection.existingSecret is empty, and silos find each other in a database.")]
    [DataRow("runtime=orleans,kafka.bootstrapServers=a:1,cluster.connection.existingSecret=s,cluster.clustering=kubernetes", "cluster.storage is empty, and cluster.clustering \"kubernetes\" does not say which database")]
    [DataRow("runtime=orleans,kafka.bootstrapServers=a:1,cluster.connection.existingSecret=s,cluster.clustering=kubernetes,cluster.storage=adonet", "cluster.project is empty")]
    [DataRow("runtime=orleans,kafka.bootstrapServers=a:1,cluster.connection.existingSecret=s,serve.enabled=false", "owner.role is \"ingest\" and serve.enabled is false: nobody would answer requests.")]
    [DataRow("redis.address=r:1,redis.existingSecret=s", "redis.address and redis.existingSecret are both given.")]
    [DataRow("redis.address=r:1\\,Password = x", "redis.address has a password. Put the whole text into a Secret")]
    [DataRow("kafka.config.existingSecret=s", "kafka.config is given without kafka.bootstrapServers.")]
    [DataRow("definitions.existingConfigMap=c,definitions.files.a\\.yaml=x", "definitions.files and definitions.existingConfigMap are both given.")]
    [DataRow("serve.autoscaling.minReplicas=7", "serve.autoscaling.minReplicas is 7, more than maxReplicas, 6.")]
    [DataRow("terminationGracePeriodSeconds=50", "terminationGracePeriodSeconds is 50, and the drain may take 50")]
    [DataRow("preStopSleepSeconds=30", "terminationGracePeriodSeconds is 75, and the drain may take 75")]
    [DataRow("ingress.enabled=true", "ingress.enabled is true and ingress.host is empty.")]
    [DataRow("serve.extraEnv[0].name=FEATURESTORE_CLUSTER_CONNECTION,serve.extraEnv[0].value=x", "extraEnv has \"FEATURESTORE_CLUSTER_CONNECTION\", which the chart sets from its own values.")]
    public void BadValuesAreRefused(string values, string message)
    {
        var result = Chart.Template("--set", values);
        Assert.AreNotEqual(0, result.Status, "it was accepted");
        Assert.Contains(message, result.Error);
    }

    /// <summary>A value that the schema does not know cannot be given, and one that has no default is not documented.</summary>
    [TestMethod]
    public void SchemaAndValuesHaveTheSameKeys()
    {
        var schema = JsonNode.Parse(File.ReadAllText(Path.Combine(Chart.Folder, "values.schema.json")))!.AsObject();
        var inSchema = Keys(schema, "").Where(key => key != "global").Order(StringComparer.Ordinal).ToList();
        var inValues = Yaml.Descendants(Yaml.File(Path.Combine(Chart.Folder, "values.yaml"))).Select(value => value.Path).ToHashSet();
        var missing = inSchema.Where(key => !inValues.Contains(key) && !key.Contains("resources.", StringComparison.Ordinal) && !key.Contains('[', StringComparison.Ordinal));
        Assert.AreEqual("", string.Join('\n', missing), "in the schema, and without a default");

        IEnumerable<string> Keys(JsonObject part, string path)
        {
            if ((string?)part["$ref"] is { } reference)
                part = schema["$defs"]![reference["#/$defs/".Length..]]!.AsObject();
            return part["properties"] is not JsonObject properties
                ? []
                : properties.SelectMany(property => Keys(property.Value!.AsObject(), $"{path}{property.Key}.").Prepend(path + property.Key));
        }
    }

    [TestMethod]
    public void VersionIsTheProjects()
    {
        var project = Regex.Match(File.ReadAllText(Path.Combine(Workspace.Root, "Directory.Build.props")), "<Version>(.*)</Version>").Groups[1].Value;
        var chart = Yaml.File(Path.Combine(Chart.Folder, "Chart.yaml"));
        Assert.AreEqual(project, (string)chart["appVersion"]!);
        Assert.AreEqual(project, (string)chart["version"]!);
    }

    /// <summary>Every option of the server can be given by a value, and the chart gives no other.</summary>
    [TestMethod]
    public void OptionsAreTheServers()
    {
        var set = Chart.Installations.Values.SelectMany(arguments => Chart.Render(arguments).Servers()).SelectMany(pod => Manifests.Environment(pod.Spec).Keys)
            .Concat(Manifests.Environment(Chart.Render("--set", "shards=3").Servers().Single().Spec).Keys)
            .Concat(Manifests.Environment(Chart.Render("--set", "redis.address=r:1").Servers().Single().Spec).Keys)
            .Where(name => name.StartsWith("FEATURESTORE_", StringComparison.Ordinal)).Distinct().Order(StringComparer.Ordinal);
        var options = Server.Options().Except(_notOfPods).Select(Server.Variable).Order(StringComparer.Ordinal);
        Assert.AreEqual(string.Join('\n', options), string.Join('\n', set));
    }

    /// <summary>What may hold a password comes from a Secret, and no Secret is made.</summary>
    [TestMethod]
    [DynamicData(nameof(Installations))]
    public void SecretsAreReferences(string installation)
    {
        var manifests = Chart.Render(Chart.Installations[installation]);
        Assert.IsEmpty(manifests.Of("Secret"));
        foreach (var (name, _, spec) in manifests.Servers())
        {
            foreach (var (variable, value) in Manifests.Environment(spec).Where(variable => variable.Key is not "FEATURESTORE_REDIS"
                && Regex.IsMatch(variable.Key, "CONNECTION|KEY|PASSWORD|TOKEN|SECRET")))
            {
                Assert.IsNotNull(value as JsonObject, $"{name}: {variable} is a text");
                Assert.IsNotNull(value["secretKeyRef"], $"{name}: {variable}");
            }
        }
    }

    [TestMethod]
    public void AnAddressOfRedisMayComeFromASecret()
    {
        var spec = Chart.Render("--set", "redis.existingSecret=r,redis.key=k").Servers().Single().Spec;
        Assert.AreEqual("""{"secretKeyRef":{"name":"r","key":"k"}}""", Manifests.Environment(spec)["FEATURESTORE_REDIS"].ToJsonString());
    }

    [TestMethod]
    [DynamicData(nameof(Installations))]
    public void PodsAreLockedDown(string installation)
    {
        var manifests = Chart.Render(Chart.Installations[installation]);
        foreach (var (name, _, spec) in manifests.Pods())
        {
            Assert.IsTrue((bool)spec["securityContext"]!["runAsNonRoot"]!, name);
            Assert.AreEqual("RuntimeDefault", (string)spec["securityContext"]!["seccompProfile"]!["type"]!, name);
            Assert.AreEqual(installation == "kubernetes" && !name.StartsWith("Pod/", StringComparison.Ordinal), (bool)spec["automountServiceAccountToken"]!, name);
            Assert.IsFalse((bool)spec["enableServiceLinks"]!, name);
            foreach (var container in spec["containers"]!.AsArray())
            {
                var context = container!["securityContext"]!;
                Assert.IsTrue((bool)context["readOnlyRootFilesystem"]!, name);
                Assert.IsFalse((bool)context["allowPrivilegeEscalation"]!, name);
                Assert.AreEqual("""["ALL"]""", context["capabilities"]!["drop"]!.ToJsonString(), name);
                Assert.IsNotNull(container["resources"]!["requests"]!["cpu"], name);
                Assert.IsNotNull(container["resources"]!["limits"]!["memory"], name);
            }
        }

        Assert.AreEqual(installation == "kubernetes" ? 1 : 0, manifests.Of("Role").Count());
    }

    /// <summary>A pod has longer than the server takes to stop, by the server's own limits.</summary>
    [TestMethod]
    [DynamicData(nameof(Installations))]
    public void PodsOutliveTheDrain(string installation)
    {
        var drain = SecondsOf("SiloServer.cs", "_drainTimeout") + SecondsOf("ClusterRuntime.cs", "_leaveTimeout");
        Assert.AreEqual(drain, int.Parse(DrainSeconds().Match(File.ReadAllText(Path.Combine(Chart.Folder, "templates", "_checks.tpl"))).Groups[1].Value, CultureInfo.InvariantCulture));
        foreach (var (name, _, spec) in Chart.Render(Chart.Installations[installation]).Servers())
        {
            var sleep = (int?)spec["containers"]![0]!["lifecycle"]?["preStop"]!["sleep"]!["seconds"] ?? 0;
            Assert.IsGreaterThan(drain + sleep, (int)spec["terminationGracePeriodSeconds"]!, name);
        }

        static int SecondsOf(string file, string name) => int.Parse(
            Regex.Match(File.ReadAllText(Path.Combine(Workspace.Root, "src", "Silo", file)), name + @" = TimeSpan\.FromSeconds\((\d+)\)").Groups[1].Value, CultureInfo.InvariantCulture);
    }

    [TestMethod]
    [DynamicData(nameof(Installations))]
    public void ASingleOwnerIsReplacedWholeAndAllOthersOneByOne(string installation)
    {
        var manifests = Chart.Render(Chart.Installations[installation]);
        var owner = manifests.All.Single(manifest => (string?)manifest["spec"]?["template"]?["metadata"]?["labels"]?["app.kubernetes.io/component"] == "owner");
        Assert.AreEqual(installation == "slices" ? 3 : 1, (int)owner["spec"]!["replicas"]!);
        if (installation == "slices")
            IsReplacedOneByOne(owner);
        else if ((string)owner["kind"]! == "Deployment")
            Assert.AreEqual("""{"type":"Recreate"}""", owner["spec"]!["strategy"]!.ToJsonString());
        else
            Assert.AreEqual("StatefulSet", (string)owner["kind"]!);
        Assert.DoesNotContain(autoscaler => (string)autoscaler["spec"]!["scaleTargetRef"]!["name"]! == (string)owner["metadata"]!["name"]!, manifests.Of("HorizontalPodAutoscaler"));

        foreach (var serve in manifests.Of("Deployment").Where(manifest => manifest != owner))
        {
            IsReplacedOneByOne(serve);
            Assert.AreEqual("serve", (string)Manifests.Environment(serve["spec"]!["template"]!["spec"]!.AsObject())["FEATURESTORE_ROLES"]!);
        }

        void IsReplacedOneByOne(JsonObject workload)
        {
            Assert.AreEqual("""{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":0}}""", workload["spec"]!["strategy"]!.ToJsonString());
            var budget = manifests.Only("PodDisruptionBudget", (string)workload["metadata"]!["name"]!);
            Assert.AreEqual(workload["spec"]!["selector"]!.ToJsonString(), budget["spec"]!["selector"]!.ToJsonString());
        }
    }

    /// <summary>Every selector finds the pods that it is for, and no other.</summary>
    [TestMethod]
    [DynamicData(nameof(Installations))]
    public void SelectorsSelect(string installation)
    {
        var manifests = Chart.Render(Chart.Installations[installation]);
        var servers = manifests.Servers().Select(pod => pod.Name).ToList();
        var serving = manifests.Servers().Where(pod => (string?)Manifests.Environment(pod.Spec).GetValueOrDefault("FEATURESTORE_ROLES") != "ingest").Select(pod => pod.Name).ToList();
        var name = (string)manifests.Only("ServiceAccount")["metadata"]!["name"]!;
        Assert.IsNotEmpty(serving);
        CollectionAssert.AreEqual(serving, Selected(manifests.Only("Service", name)["spec"]!["selector"]!));
        CollectionAssert.AreEqual(servers, Selected(manifests.Only("Service", name + "-pods")["spec"]!["selector"]!));
        foreach (var policy in manifests.Of("NetworkPolicy"))
            CollectionAssert.AreEqual(servers, Selected(policy["spec"]!["podSelector"]!["matchLabels"]!));
        foreach (var monitor in manifests.Of("ServiceMonitor"))
        {
            var scraped = manifests.Of("Service").Where(service => Matches(monitor["spec"]!["selector"]!["matchLabels"]!, service["metadata"]!["labels"]!));
            Assert.AreEqual(name + "-pods", (string)scraped.Single()["metadata"]!["name"]!);
            Assert.AreEqual("featurestore", (string)scraped.Single()["metadata"]!["labels"]![(string)monitor["spec"]!["jobLabel"]!]!);
        }

        List<string> Selected(JsonNode selector) => [.. manifests.Pods().Where(pod => Matches(selector, pod.Labels)).Select(pod => pod.Name)];
        static bool Matches(JsonNode selector, JsonNode labels) => selector.AsObject().All(label => (string?)labels[label.Key] == (string)label.Value!);
    }

    /// <summary>Silos trust whoever reaches their port.</summary>
    [TestMethod]
    [DataRow("cluster", "silo")]
    [DataRow("everything", "silo,gateway")]
    public void OnlySilosReachSilos(string installation, string ports)
    {
        var manifests = Chart.Render(Chart.Installations[installation]);
        var spec = manifests.Only("NetworkPolicy")["spec"]!;
        var open = spec["ingress"]!.AsArray().Where(rule => Ports(rule!) != "http").ToList();
        Assert.AreEqual(ports, Ports(open.Single()!));
        Assert.AreEqual($$"""[{"podSelector":{{spec["podSelector"]!.ToJsonString()}}}]""", open.Single()!["from"]!.ToJsonString());
        Assert.IsTrue(spec["egress"]!.AsArray().Any(rule => Ports(rule!) == ports));
        foreach (var rule in spec["ingress"]!.AsArray())
            Assert.IsNotEmpty(rule!["from"]!.AsArray(), "from anywhere");

        static string Ports(JsonNode rule) => string.Join(',', rule["ports"]?.AsArray().Select(port => port!["port"]!.ToString()) ?? []);
    }

    [TestMethod]
    [DataRow("adonet", "", false)]
    [DataRow("azure", "", true)]
    [DataRow("adonet", "azure", true)]
    public void AzureIsWithinReach(string clustering, string storage, bool isAzure)
    {
        var manifests = Chart.Render("--set", $"runtime=orleans,kafka.bootstrapServers=a:1,cluster.connection.existingSecret=s,cluster.clustering={clustering},cluster.storage={storage}");
        Assert.AreEqual(isAzure, manifests.Only("NetworkPolicy")["spec"]!["egress"]!.ToJsonString().Contains("443", StringComparison.Ordinal));
        Assert.AreEqual(clustering, (string)Manifests.Environment(manifests.Servers().First().Spec)["FEATURESTORE_CLUSTERING"]!);
    }

    [TestMethod]
    public void PodsChangeWithTheDefinitionsAndNothingElse()
    {
        string[] with = ["-f", Chart.Values("everything")];
        var before = Chart.Render(with);
        Assert.AreEqual("project: fraud\n# {{ not a template }}\n", (string)before.Only("ConfigMap", "features-definitions")["data"]!["fraud.yaml"]!);
        foreach (var (arguments, isSame) in new[] { ("service.port=81", true), ("ingress.host=other.example", true), ("definitions.files.fraud\\.yaml=project: other", false) })
        {
            var after = Chart.Render([.. with, "--set", arguments]);
            foreach (var (old, changed) in before.Of("Deployment").Zip(after.Of("Deployment")))
                Assert.AreEqual(isSame, JsonNode.DeepEquals(old["spec"]!["template"], changed["spec"]!["template"]), arguments);
        }
    }

    [GeneratedRegex("define \"featurestore.drainSeconds\" -}}([0-9]+)")]
    private static partial Regex DrainSeconds();
}
