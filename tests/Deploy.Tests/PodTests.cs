using System.Net;
using FeatureStore.Harness;

namespace FeatureStore.Deploy.Tests;

/// <summary>
/// The server as the chart's pod runs it: its environment, its user without capabilities, a root file system that cannot be written, its probes and its stop. What a
/// container engine would do is done with mounts and setpriv, which needs root.
/// </summary>
[TestClass]
public sealed class PodTests
{
    private const string UserId = "1654";

    /// <summary>In a mount namespace of its own: the program read-only, everything else too but the folders that the pod has volumes at.</summary>
    private const string Script =
        """
        set -e
        folder=$1 program=$2; shift 2
        mount --make-rprivate /
        mount --bind "$program" "$folder/app"
        mount -o remount,bind,ro "$folder/app"
        for volume in data tmp; do mount -t tmpfs -o mode=1777 tmpfs "$folder/$volume"; done
        # "bind" makes this namespace's view read-only; without it the file system itself would be, for everybody.
        mount -o remount,bind,ro /
        cd "$folder/app"
        exec setpriv --reuid=1654 --regid=1654 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all env TMPDIR="$folder/tmp" "$@"
        """;

    public required TestContext TestContext { get; set; }

    [TestMethod]
    public async Task ThePodsProcessServesIsWatchedAndStops()
    {
        var unshare = Tools.Unshare();
        Tools.Installed("setpriv", "util-linux");
        var pod = Chart.Render().Servers().Single().Spec;
        var container = pod["containers"]![0]!;
        Assert.AreEqual(UserId, pod["securityContext"]!["runAsUser"]!.ToString());

        var folder = Workspace.NewFolder("pod");
        Tools.Run("chmod", ["755", folder]).Succeeded();
        foreach (var mount in new[] { "app", "data", "tmp" })
            Directory.CreateDirectory(Path.Combine(folder, mount));
        var port = SiloProcess.FreePort();
        var environment = Manifests.Environment(pod).ToDictionary(variable => variable.Key, variable => variable.Value.ToString());
        // What differs from the pod: the address, and the folder that the volume is mounted in.
        Assert.AreEqual("http://*:8080", environment["FEATURESTORE_URLS"]);
        Assert.AreEqual("/data", environment["FEATURESTORE_DATA"]);
        environment["FEATURESTORE_URLS"] = $"http://127.0.0.1:{port}";
        environment["FEATURESTORE_DATA"] = Path.Combine(folder, "data");
        // The runtime image's, which the image empties.
        environment["ASPNETCORE_HTTP_PORTS"] = "";
        environment["HOME"] = "/nonexistent";
        try
        {
            using var process = new ChildProcess(
                unshare, ["--mount", "bash", "-c", Script, "bash", folder, Path.GetDirectoryName(SiloProcess.Program)!, "dotnet", "FeatureStore.Silo.dll"], environment: environment);
            using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
            foreach (var probe in new[] { "startupProbe", "livenessProbe", "readinessProbe" })
                WaitFor200(http, (string)container[probe]!["httpGet"]!["path"]!, process);
            var status = await File.ReadAllTextAsync($"/proc/{process.Id}/status", TestContext.CancellationToken);
            Assert.Contains($"Uid:\t{UserId}\t{UserId}\t{UserId}\t{UserId}", status);
            Assert.Contains("CapEff:\t0000000000000000", status);
            Assert.Contains("NoNewPrivs:\t1", status);
            var mounts = await File.ReadAllTextAsync($"/proc/{process.Id}/mounts", TestContext.CancellationToken);
            foreach (var readOnly in new[] { "/", $"{folder}/app" })
                Assert.Contains(line => line.Split(' ') is [_, var point, _, var options, ..] && point == readOnly && options.Split(',').Contains("ro"), mounts.Split('\n'), readOnly);

            Wait.Until(() => Get(http, "/metrics").Contains("featurestore_predictions_total{", StringComparison.Ordinal), TimeSpan.FromSeconds(120), () => "nothing was scored");
            var metrics = Get(http, "/metrics");
            foreach (var metric in new[] { "dotnet_gc_pause_time_seconds_total", "dotnet_gc_last_collection_heap_size_bytes", "kestrel_active_connections", "process_start_time_seconds" })
                Assert.Contains("\n" + metric, metrics);

            process.Terminate();
            var grace = TimeSpan.FromSeconds((int)pod["terminationGracePeriodSeconds"]!);
            Assert.AreEqual(0, process.WaitForExit(grace), process.Error);
            Assert.DoesNotContain("fail:", process.Output);
            Assert.AreEqual("", process.Error);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    internal static void WaitFor200(HttpClient http, string path, ChildProcess process)
    {
        var answer = "nothing";
        Wait.Until(
            () =>
            {
                Assert.IsFalse(process.HasExited, process.Output + process.Error);
                try
                {
                    using var response = http.GetAsync(path).GetAwaiter().GetResult();
                    answer = response.StatusCode.ToString();
                    return response.StatusCode is HttpStatusCode.OK;
                }
                catch (Exception error) when (error is HttpRequestException or TaskCanceledException)
                {
                    answer = error.Message;
                    return false;
                }
            },
            TimeSpan.FromSeconds(120), () => $"{path} answered {answer}. The server printed:\n{process.Output}{process.Error}");
    }

    private static string Get(HttpClient http, string path) => http.GetStringAsync(path).GetAwaiter().GetResult();
}
