using System.Globalization;
using System.Net.Http.Json;
using FeatureStore.Harness;

namespace FeatureStore.Storage.Tests;

/// <summary>Toxiproxy between a client and a server: slows, swallows and cuts.</summary>
internal sealed class FaultyProxy : IDisposable
{
    private readonly HttpClient _api;
    private readonly ServerProcess _process;

    private FaultyProxy(string program, int upstreamPort)
    {
        var apiPort = FreePort.Next();
        _process = new ServerProcess(program, apiPort, "-host", "127.0.0.1", "-port", apiPort.ToString(CultureInfo.InvariantCulture));
        _api = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{apiPort}/") };
        Port = FreePort.Next();
        Send(HttpMethod.Post, "proxies", new { name = "it", listen = $"127.0.0.1:{Port}", upstream = $"127.0.0.1:{upstreamPort}", enabled = true });
    }

    public int Port { get; }

    /// <summary>Starts a proxy; skips the test where the shared tools are missing.</summary>
    public static FaultyProxy Start(int upstreamPort)
    {
        var shared = Environment.GetEnvironmentVariable("FEATURESTORE_SHARED") ?? Path.Combine(ProjectRoot(), "..", "shared");
        var program = Path.Combine(shared, "tools", "bin", "toxiproxy-server");
        if (!File.Exists(program))
            Assert.Inconclusive($"\"{program}\" is missing; FEATURESTORE_SHARED names the folder of shared tools");
        return new FaultyProxy(program, upstreamPort);
    }

    /// <summary>Delays every answer.</summary>
    public void Slow(int latencyMs) => AddToxic("latency", new { latency = latencyMs });

    /// <summary>Keeps connections open and passes nothing on.</summary>
    public void Swallow() => AddToxic("timeout", new { timeout = 0 });

    public void Heal() => Send(HttpMethod.Delete, "proxies/it/toxics/fault", null);

    /// <summary>Ends all connections and takes no new ones.</summary>
    public void Cut() => Send(HttpMethod.Post, "proxies/it", new { enabled = false });

    public void Return() => Send(HttpMethod.Post, "proxies/it", new { enabled = true });

    public void Dispose()
    {
        _api.Dispose();
        _process.Dispose();
    }

    private void AddToxic(string type, object attributes) => Send(HttpMethod.Post, "proxies/it/toxics", new { name = "fault", type, attributes });

    private void Send(HttpMethod method, string path, object? body)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        using var response = _api.Send(request);
        response.EnsureSuccessStatusCode();
    }

    private static string ProjectRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Directory.Build.props")))
            directory = directory.Parent;
        return directory?.FullName ?? AppContext.BaseDirectory;
    }
}
