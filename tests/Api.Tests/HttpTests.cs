using System.Net;
using System.Net.Sockets;
using System.Text;

namespace FeatureStore.Api.Tests;

/// <summary>What holds for every endpoint.</summary>
[TestClass]
public sealed class HttpTests
{
    [TestMethod]
    [DataRow("/v1/statsu", "Did you mean \"/v1/status\"?")]
    [DataRow("/get-online-feature", "Did you mean \"/get-online-features\"?")]
    [DataRow("/v3/x/y/z", "See /openapi/v1.json.")]
    public async Task SaysWhatIsAtAnotherPath(string path, string hint)
    {
        await using var host = await ApiHost.StartAsync();

        (await host.GetAsync(path)).IsProblem(404, "unknown-path", hint);
    }

    [TestMethod]
    public async Task SaysWhichMethodsAPathTakes()
    {
        await using var host = await ApiHost.StartAsync();

        var reply = await host.GetAsync("/push");

        reply.IsProblem(405, "method-not-allowed", "/push does not take GET. It takes POST.");
        Assert.AreEqual("POST", reply.Headers["Allow"]);
        (await host.PostAsync("/v1/status", "{}")).IsProblem(405, "method-not-allowed", "It takes GET.");
    }

    [TestMethod]
    [DataRow("evil.example", 421)]
    [DataRow("evil.example:8080", 421)]
    [DataRow("127.0.0.1.evil.example", 421)]
    [DataRow("localhost", 200)]
    [DataRow("LOCALHOST:1234", 200)]
    [DataRow("127.0.0.2", 200)]
    [DataRow("[::1]:80", 200)]
    [DataRow("features.internal", 200)]
    public async Task OnTheLoopbackInterfaceAnswersToItsNamesOnly(string name, int status)
    {
        await using var host = await ApiHost.StartAsync(options => options.AllowedHosts = ["features.internal"]);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/definitions");
        request.Headers.Host = name;

        using var response = await host.Client.SendAsync(request);

        var reply = await Reply.OfAsync(response);
        if (status == 200)
            Assert.AreEqual(HttpStatusCode.OK, reply.Status);
        else
            reply.IsProblem(421, "unknown-host", "Call it by \"localhost\", or allow the name in its options");
    }

    [TestMethod]
    public async Task GivesNoOtherOriginLeave()
    {
        await using var host = await ApiHost.StartAsync();
        using var preflight = new HttpRequestMessage(HttpMethod.Options, "/push");
        preflight.Headers.Add("Origin", "https://evil.example");
        preflight.Headers.Add("Access-Control-Request-Method", "POST");
        preflight.Headers.Add("Access-Control-Request-Headers", "content-type");

        using var response = await host.Client.SendAsync(preflight);

        Assert.AreEqual(HttpStatusCode.MethodNotAllowed, response.StatusCode);
        Assert.IsFalse(response.Headers.Any(header => header.Key.StartsWith("Access-Control", StringComparison.OrdinalIgnoreCase)));
    }

    [TestMethod]
    public async Task KeepsSecretsOutOfErrors()
    {
        await using var host = await ApiHost.StartAsync();
        host.Publisher.Before = (_, _) => throw new InvalidOperationException("password=hunter2");

        var reply = await host.PostAsync("/push", """{"push_source_name":"payments","df":{"at":[0]}}""");

        reply.IsProblem(500, "internal-error", "Its log says why.");
        Assert.IsFalse(reply.Text.Contains("hunter2", StringComparison.Ordinal));
    }

    [TestMethod]
    public async Task RefusesCompressedBodies()
    {
        await using var host = await ApiHost.StartAsync();
        using var content = new StringContent("{}", Encoding.UTF8, "application/json");
        content.Headers.ContentEncoding.Add("gzip");

        using var response = await host.Client.PostAsync(new Uri("/push", UriKind.Relative), content);

        (await Reply.OfAsync(response)).IsProblem(415, "unsupported-content-encoding", "compressed");
    }

    [TestMethod]
    [DataRow("POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5000000\r\n\r\n", "413")]
    [DataRow("POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400")]
    [DataRow("POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n", "400")]
    public async Task AnswersRequestsThatNoClientLibraryWouldSend(string request, string status)
    {
        await using var host = await ApiHost.StartAsync();
        using var socket = new TcpClient();
        await socket.ConnectAsync(host.Address.Host, host.Address.Port);
        var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request));

        using var reader = new StreamReader(stream);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        StringAssert.StartsWith(await reader.ReadLineAsync(deadline.Token), "HTTP/1.1 " + status, StringComparison.Ordinal);
    }

    [TestMethod]
    [DataRow(nameof(FeatureStoreApiOptions.BodyBytesMax))]
    [DataRow(nameof(FeatureStoreApiOptions.RowsMax))]
    [DataRow(nameof(FeatureStoreApiOptions.FeaturesMax))]
    [DataRow(nameof(FeatureStoreApiOptions.ValuesMax))]
    [DataRow(nameof(FeatureStoreApiOptions.StreamClientsMax))]
    [DataRow(nameof(FeatureStoreApiOptions.HotStoreTimeout))]
    [DataRow(nameof(FeatureStoreApiOptions.HotStorePause))]
    [DataRow(nameof(FeatureStoreApiOptions.PushTimeout))]
    public void RefusesOptionsOutOfRange(string name)
    {
        var property = typeof(FeatureStoreApiOptions).GetProperty(name)!;
        object bad = property.PropertyType == typeof(int) ? -1 : TimeSpan.FromTicks(-1);

        var exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() =>
            FeatureStoreApi.AddFeatureStoreApi(new Microsoft.Extensions.DependencyInjection.ServiceCollection(), options => property.SetValue(options, bad)));

        StringAssert.Contains(exception.Message, $"option \"{name}\" is ", StringComparison.Ordinal);
    }
}
