using System.Net;
using System.Text;
using System.Text.Json;
using FeatureStore.Api.Operations;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using Microsoft.Extensions.DependencyInjection;

namespace FeatureStore.Api.Tests;

[TestClass]
public sealed class OperationsTests
{
    public static PipelineStatus Busy { get; } = new()
    {
        Phase = PipelinePhase.Running,
        TimeMs = ApiHost.NowMs,
        Sources =
        [
            new SourceStatus
            {
                Name = "payments",
                Topic = "payments.v1",
                StreamTimeMs = ApiHost.NowMs - 5,
                Partitions =
                [
                    new PartitionStatus { Partition = 0, State = PartitionState.Active, Position = 90, EndOffset = 100, LagMs = 40, FreshnessMs = 12, EventsPerSecond = 1000.5 },
                    new PartitionStatus { Partition = 1, State = PartitionState.HeldBack, Position = 5, EndOffset = -1, EventsPerSecond = double.NaN },
                ],
            },
            new SourceStatus { Name = "replayed", Topic = "replayed" },
        ],
        Checkpoint = new CheckpointStatus(3, ApiHost.NowMs - 2000, 4096, 12.5),
        Publish = new PublishStatus(8.25, 40, 990),
    };

    [TestMethod]
    public async Task ShowsThePipeline()
    {
        await using var host = await ApiHost.StartAsync();
        host.Pipeline.Current = Busy;

        (await host.GetAsync("/v1/status")).IsJson("""
            {"project":"shop","phase":"running","ready":true,"detail":null,"time":"2018-06-10T12:00:00.000Z","events_per_second":0,"lag_records":10,"sources":[
              {"name":"payments","topic":"payments.v1","stream_time":"2018-06-10T11:59:59.995Z","partitions":[
                {"partition":0,"state":"active","position":90,"end_offset":100,"lag_records":10,"lag_ms":40,"freshness_ms":12,"events_per_second":1000.5},
                {"partition":1,"state":"held_back","position":5,"end_offset":null,"lag_records":0,"lag_ms":0,"freshness_ms":null,"events_per_second":0}]},
              {"name":"replayed","topic":"replayed","stream_time":null,"partitions":[]}],
             "checkpoint":{"sequence":3,"time":"2018-06-10T11:59:58.000Z","age_ms":2000,"size_bytes":4096,"duration_ms":12.5},
             "publish":{"p50_ms":8.25,"p99_ms":40,"per_second":990},
             "dead_letters":{"total":0},
             "models":[{"name":"risk","service":"risk","on":"payments","ready":true,"version":"7","platform":"onnx"},
                       {"name":"unloaded","service":"risk","on":null,"ready":false,"version":null,"platform":null}]}
            """);
    }

    [TestMethod]
    public async Task StreamsHistoryAndThenEverySecond()
    {
        await using var host = await ApiHost.StartAsync();
        host.Pipeline.Current = Busy with { Publish = null };
        using var response = await host.Client.GetAsync(new Uri("/v1/stream", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead);
        Assert.AreEqual("text/event-stream", response.Content.Headers.ContentType?.ToString());
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());

        var history = await EventAsync(reader);
        Assert.AreEqual("history", history.Name);
        Assert.AreEqual(JsonValueKind.Array, history.Data.ValueKind);
        var first = await EventAsync(reader);
        Assert.AreEqual("status", first.Name);
        host.Time.Advance(TimeSpan.FromSeconds(1));
        var second = await EventAsync(reader);
        Assert.AreEqual("""{"t":1528632001000,"events_per_second":0,"lag_records":10,"lag_ms":40,"freshness_ms":12,"publish_p50_ms":null,"publish_p99_ms":null,"dead_letters":0}""", second.Data.GetProperty("sample").GetRawText());
        Assert.AreEqual("shop", second.Data.GetProperty("status").GetProperty("project").GetString());
    }

    [TestMethod]
    public async Task AStatusThatCannotBeReadDoesNotStopTheServer()
    {
        await using var host = await ApiHost.StartAsync();
        host.Pipeline.Current = null!;
        host.Time.Advance(TimeSpan.FromSeconds(1));
        (await host.GetAsync("/v1/status")).IsProblem(500, "internal-error", "Its log says why.");
        host.Pipeline.Current = Busy;
        host.Time.Advance(TimeSpan.FromSeconds(1));

        Assert.AreEqual(HttpStatusCode.OK, (await host.GetAsync("/v1/status")).Status);
        Assert.IsFalse(host.Services.GetRequiredService<Microsoft.Extensions.Hosting.IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested);
    }

    [TestMethod]
    public async Task KeepsFiveMinutes()
    {
        await using var host = await ApiHost.StartAsync();
        var feed = host.Services.GetRequiredService<StatusFeed>();
        for (var second = 0; second < 400; second++)
            feed.Sample();
        using var response = await host.Client.GetAsync(new Uri("/v1/stream", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());

        Assert.AreEqual(StatusFeed.SamplesMax, (await EventAsync(reader)).Data.GetArrayLength());
    }

    [TestMethod]
    public async Task BoundsTheClientsOfTheStream()
    {
        await using var host = await ApiHost.StartAsync(options => options.StreamClientsMax = 1);
        using (var first = await host.Client.GetAsync(new Uri("/v1/stream", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead))
        {
            var refused = await host.GetAsync("/v1/stream");
            refused.IsProblem(503, "too-many-clients", "has 1 clients already");
            Assert.AreEqual("10", refused.Headers["Retry-After"]);
        }

        // The server notices that the first has left when it next writes to it.
        var deadline = DateTime.UtcNow.AddSeconds(60);
        while (true)
        {
            host.Time.Advance(TimeSpan.FromSeconds(1));
            using var next = await host.Client.GetAsync(new Uri("/v1/stream", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead);
            if (next.StatusCode == HttpStatusCode.OK)
                break;
            Assert.IsTrue(DateTime.UtcNow < deadline, "the place of the client that left was not given back");
        }
    }

    [TestMethod]
    public async Task StopsAtOnceThoughClientsListen()
    {
        var host = await ApiHost.StartAsync();
        using var response = await host.Client.GetAsync(new Uri("/v1/stream", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead);
        var start = System.Diagnostics.Stopwatch.GetTimestamp();

        await host.DisposeAsync();

        // A host waits 30 s for what does not end.
        Assert.IsTrue(System.Diagnostics.Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(25), "the stream held the server up");
    }

    [TestMethod]
    public async Task ShowsDeadLettersAsTextOrBase64()
    {
        await using var host = await ApiHost.StartAsync();
        host.DeadLetters.Add(Letter("first", "{}"u8.ToArray()));
        host.DeadLetters.Add(Letter("<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>"u8.ToArray()));
        host.DeadLetters.Add(Letter("binary", [0xff, 0x00]));
        host.DeadLetters.Add(Letter("long", Encoding.UTF8.GetBytes("x" + new string('ü', 4000))));

        var reply = await host.GetAsync("/v1/dead-letters?limit=3");

        Assert.IsFalse(reply.Text.Contains('<', StringComparison.Ordinal), "no markup in what a browser might sniff");
        Assert.AreEqual(4, reply.Json.GetProperty("total").GetInt32());
        var letters = reply.Json.GetProperty("dead_letters");
        Assert.AreEqual(3, letters.GetArrayLength());
        Assert.AreEqual("x" + new string('ü', 2047), letters[0].GetProperty("value").GetString(), "cut, but not within a character");
        Assert.AreEqual(8001, letters[0].GetProperty("value_length").GetInt32());
        Assert.AreEqual("/wA=", letters[1].GetProperty("value_base64").GetString());
        Assert.AreEqual("<script>alert(1)</script>", letters[2].GetProperty("reason").GetString());
        Assert.AreEqual("payments.v1/0/7", letters[2].GetProperty("position").GetString());
        (await host.GetAsync("/v1/dead-letters?limit=0")).IsProblem(400, "bad-request", "\"limit\" is \"0\"");
        (await host.GetAsync("/v1/dead-letters?limit=x")).IsProblem(400, "bad-request", "\"limit\" is \"x\"");
    }

    [TestMethod]
    public async Task ShowsEveryFeatureOfAnEntity()
    {
        await using var host = await ApiHost.StartAsync();
        await host.PayAsync(596, 10, ApiHost.NowMs - 1000, "a/b c", 2);
        await host.ReplayAsync(596, 4, 5000);

        (await host.GetAsync("/v1/entities/customer/596")).IsJson("""
            {"entity":"customer","key":{"customer":596},"found":true,"views":[
              {"view":"spending","source":"payments","as_of":"2018-06-10T12:00:00.000Z","event_timestamp":"2018-06-10T11:59:59.000Z","age_ms":1000,"features":[
                {"name":"count_1d","value":1,"status":"PRESENT"},{"name":"mean_7d","value":10,"status":"PRESENT"},{"name":"total","value":10,"status":"PRESENT"}]},
              {"view":"history","source":"replayed","as_of":"1970-01-01T00:00:05.000Z","event_timestamp":"1970-01-01T00:00:05.000Z","age_ms":0,"features":[
                {"name":"count_30d","value":1,"status":"PRESENT"},{"name":"total","value":4,"status":"PRESENT"}]}]}
            """);
        (await host.GetAsync("/v1/entities/terminal?region=2&terminal=a%2Fb%20c")).IsJson("""
            {"entity":"terminal","key":{"terminal":"a/b c","region":2},"found":true,"views":[
              {"view":"use","source":"payments","as_of":"2018-06-10T12:00:00.000Z","event_timestamp":"2018-06-10T11:59:59.000Z","age_ms":1000,"features":[{"name":"payments","value":1,"status":"PRESENT"}]}]}
            """);
        var never = await host.GetAsync("/v1/entities/customer/-1");
        Assert.IsFalse(never.Json.GetProperty("found").GetBoolean());
        Assert.AreEqual("NOT_FOUND", never.Json.GetProperty("views")[0].GetProperty("features")[0].GetProperty("status").GetString());
    }

    [TestMethod]
    [DataRow("/v1/entities/custmer/1", 404, "unknown-entity", "There is no entity \"custmer\". Did you mean \"customer\"?")]
    [DataRow("/v1/entities/customer/abc", 400, "bad-key", "join key \"customer\": \"abc\" is not an int64, such as 596.")]
    [DataRow("/v1/entities/customer/1.5", 400, "bad-key", "is not an int64")]
    [DataRow("/v1/entities/terminal/abc", 400, "bad-key", "has the join keys \"terminal\", \"region\". Give them in the query: /v1/entities/terminal?terminal=…&region=…")]
    [DataRow("/v1/entities/terminal?terminal=a", 400, "bad-key", "lacks the join key \"region\"")]
    [DataRow("/v1/entities/terminal?terminal=a&region=1&region=2", 400, "bad-key", "lacks the join key \"region\", or has it twice")]
    public async Task SaysWhatIsWrongWithAnEntity(string path, int status, string code, string detail)
    {
        await using var host = await ApiHost.StartAsync();

        (await host.GetAsync(path)).IsProblem(status, code, detail);
        (await host.DeleteAsync(path)).IsProblem(status, code, detail);
    }

    [TestMethod]
    public async Task ErasesAnEntityAsOftenAsOneLikes()
    {
        await using var host = await ApiHost.StartAsync();
        await host.PayAsync(596, 10, ApiHost.NowMs - 1000, "a/b c", 2);
        await host.PayAsync(597, 10, ApiHost.NowMs - 1000, "d", 2);

        foreach (var path in new[] { "/v1/entities/customer/596", "/v1/entities/customer/596", "/v1/entities/terminal?region=2&terminal=a%2Fb%20c", "/v1/entities/customer/-1" })
        {
            var reply = await host.DeleteAsync(path);
            Assert.AreEqual(204, (int)reply.Status, path);
            Assert.AreEqual("", reply.Text);
            Assert.IsFalse((await host.GetAsync(path)).Json.GetProperty("found").GetBoolean(), path);
        }

        Assert.IsTrue((await host.GetAsync("/v1/entities/customer/597")).Json.GetProperty("found").GetBoolean());
    }

    [TestMethod]
    public async Task ErasesNothingWhileItStarts()
    {
        await using var host = await ApiHost.StartAsync();
        await host.PayAsync(596, 10, ApiHost.NowMs - 1000, "a", 2);
        host.Pipeline.Current = host.Pipeline.Current with { Phase = PipelinePhase.Starting };

        (await host.DeleteAsync("/v1/entities/customer/596")).IsProblem(503, "starting", "The server is still starting, and cannot tell yet which events to keep out. Try again in a moment.");
        Assert.IsTrue((await host.GetAsync("/v1/entities/customer/596")).Json.GetProperty("found").GetBoolean());
    }

    [TestMethod]
    public async Task SaysThatAnErasureIsNotDurable()
    {
        await using var host = await ApiHost.StartAsync();
        await using var checkpointer = new Checkpointer(
            host.Plan, host.Runtime, new FullStore(), new CheckpointOptions(), TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger<Checkpointer>.Instance);

        (await host.DeleteAsync("/v1/entities/customer/596")).IsProblem(503, "not-erased", "The entity is erased here, but not durably: The disk is full.");
        var name = new string('x', 1100);
        (await host.DeleteAsync($"/v1/entities/terminal?region=2&terminal={name}")).IsProblem(400, "bad-key", "longer than 1,024 bytes");
    }

    [TestMethod]
    public async Task ShowsTheDefinitionsInTheShapeOfTheirYaml()
    {
        await using var host = await ApiHost.StartAsync();

        var json = (await host.GetAsync("/v1/definitions")).Json;

        Assert.AreEqual("shop", json.GetProperty("project").GetString());
        Assert.AreEqual("""{"name":"replayed","kafka":{"topic":"replayed","format":"json"},"timestamp":"at","clock":"stream","lateness":"10m","align":"1h","dead_letters":"replayed.dead-letter","envelope":"none","fields":{"at":"timestamp","customer":"int64","amount":"double"},"clean":[]}""", json.GetProperty("sources")[1].GetRawText());
        Assert.AreEqual("""[{"name":"terminal","keys":["terminal","region"]}]""", $"[{json.GetProperty("entities")[1].GetRawText()}]");
        Assert.AreEqual("7d", json.GetProperty("feature_views")[0].GetProperty("ttl").GetString());
        Assert.AreEqual("""{"name":"mean_7d","aggregate":"mean","of":"amount","window":{"sliding":"7d","limit":100000}}""", json.GetProperty("feature_views")[0].GetProperty("features")[1].GetRawText());
        Assert.AreEqual("""{"name":"night","expression":"at.getHours() <= 6 ? 1.0 : 0.0","transform":[]}""", JsonSerializer.Serialize(json.GetProperty("feature_services")[0].GetProperty("features")[1], Relaxed));
        Assert.AreEqual("""{"name":"risk","service":"risk","on":"payments","outputs":{"score":"score"},"sink":{"topic":"scores","vector":false}}""", json.GetProperty("models")[0].GetRawText());
    }

    [TestMethod]
    public async Task TellsProbesWhetherItLivesAndIsReady()
    {
        await using var host = await ApiHost.StartAsync();

        foreach (var phase in Enum.GetValues<PipelinePhase>())
        {
            host.Pipeline.Current = new PipelineStatus { Phase = phase, TimeMs = 0, Detail = "12 s left." };
            (await host.GetAsync("/health/live")).IsJson("""{"status":"live"}""");
            var ready = await host.GetAsync("/health/ready");
            if (phase is PipelinePhase.Running)
                ready.IsJson("""{"status":"ready"}""");
            else
                ready.IsProblem(503, "not-ready", ": 12 s left.");
            using var head = await host.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/health/ready"));
            Assert.AreEqual(ready.Status, head.StatusCode);
        }
    }

    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static DeadLetter Letter(string reason, byte[] value) => new()
    {
        TimeMs = ApiHost.NowMs,
        Source = "payments",
        Position = "payments.v1/0/7",
        Reason = reason,
        Rule = "malformed",
        Value = value,
        ValueLength = value.Length,
    };

    private static async Task<(string Name, JsonElement Data)> EventAsync(StreamReader reader)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var name = await reader.ReadLineAsync(deadline.Token);
        var data = await reader.ReadLineAsync(deadline.Token);
        Assert.AreEqual("", await reader.ReadLineAsync(deadline.Token));
        return (name!["event: ".Length..], JsonDocument.Parse(data!["data: ".Length..]).RootElement);
    }

    /// <summary>A store that cannot write.</summary>
    private sealed class FullStore : IEntityStore
    {
        public CheckpointHeader? LoadHeader() => null;

        public void LoadBlocks(BlockVisitor visit)
        {
        }

        public IReadOnlyList<Tombstone> LoadTombstones() => [];

        public void Erase(IReadOnlyList<Tombstone> tombstones) => throw new IOException("The disk is full.");

        public void Save(Checkpoint checkpoint) => throw new IOException("The disk is full.");

        public void Dispose()
        {
        }
    }
}
