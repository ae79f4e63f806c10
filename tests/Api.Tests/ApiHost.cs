using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using FeatureStore.Api.Tests.Fakes;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Registry;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Api.Tests;

/// <summary>The API on Kestrel on the loopback interface, over a real runtime and plan, with fakes behind the other ports. The clock stands still.</summary>
internal sealed class ApiHost : IAsyncDisposable
{
    /// <summary>2018-06-10T12:00:00Z.</summary>
    public const long NowMs = 1_528_632_000_000;

    public const long DayMs = 86_400_000;

    public const string Definitions = """
        project: shop
        sources:
          - name: payments
            kafka: { topic: payments.v1, format: json }
            timestamp: at
            fields: { id: string, at: timestamp, customer: int64, terminal: string, region: int64, amount: double, online: bool }
            id: id
            clean:
              - { field: amount, missing: dead_letter, below: 0, above: 1e6 }
          - name: replayed
            kafka: { topic: replayed, format: json }
            timestamp: at
            clock: stream
            lateness: 10m
            fields: { at: timestamp, customer: int64, amount: double }
        entities:
          - { name: customer, keys: [customer] }
          - { name: terminal, keys: [terminal, region] }
        feature_views:
          - name: spending
            entity: customer
            source: payments
            ttl: 7d
            features:
              - { name: count_1d, aggregate: count, window: { sliding: 1d } }
              - { name: mean_7d, aggregate: mean, of: amount, window: { sliding: 7d } }
              - { name: total, aggregate: sum, of: amount }
          - name: history
            entity: customer
            source: replayed
            features:
              - { name: count_30d, aggregate: count, window: { sliding: 30d } }
              - { name: total, aggregate: sum, of: amount }
          - name: use
            entity: terminal
            source: payments
            features:
              - { name: payments, aggregate: count }
        feature_services:
          - name: risk
            request: { amount: double, at: timestamp }
            features:
              - amount
              - { name: night, expression: "at.getHours() <= 6 ? 1.0 : 0.0" }
              - spending:mean_7d
              - use:payments
          - name: noted
            request: { note: string }
            features:
              - note
              - spending:total
        models:
          - { name: risk, service: risk, on: payments, outputs: { score: "score" }, sink: { topic: scores } }
          - { name: unloaded, service: risk }
        """;

    /// <summary>The same, with a service whose expressions use features and one another, and a model of it.</summary>
    public static string DefinitionsWithRatios { get; } = Definitions
        .Replace("  - name: noted", """
              - name: ratios
                request: { amount: double, note: string }
                features:
                  - { name: label, expression: "said.upperAscii() + (odd > 1.0 ? '!' : '')", transform: { one_hot: ["A!", "A"] } }
                  - { name: odd, expression: "ratio * count_1d" }
                  - { name: ratio, expression: "amount / mean_7d" }
                  - { feature: spending:mean_7d, transform: { impute: 7 } }
                  - spending:count_1d
                  - { name: said, feature: note, transform: { one_hot: [a] } }
                  - { name: seen, expression: "has(ratio) ? 1.0 : 0.0" }
              - name: noted
            """, StringComparison.Ordinal) + "\n  - { name: ratios, service: ratios }";

    private readonly WebApplication _app;

    private ApiHost(WebApplication app, ProjectPlan plan, LocalRuntime runtime, Uri address)
    {
        _app = app;
        Plan = plan;
        Runtime = runtime;
        Address = address;
        Client = new HttpClient { BaseAddress = address };
    }

    public ProjectPlan Plan { get; }

    public LocalRuntime Runtime { get; }

    public Uri Address { get; }

    public HttpClient Client { get; }

    public IServiceProvider Services => _app.Services;

    public FakePipeline Pipeline { get; private init; } = new();

    public FakePublisher Publisher { get; private init; } = new();

    public FakeCatalog Models { get; private init; } = new();

    public FakeModel Model { get; private init; } = new("risk");

    public DeadLetterLog DeadLetters { get; private init; } = new();

    public ManualTime Time { get; private init; } = new(NowMs);

    public required LocalChangeFeed Changes { get; init; }

    public required WatchedChanges Told { get; init; }

    public required FarRuntime Far { get; init; }

    public static ProjectPlan Compile(string yaml = Definitions)
    {
        var loaded = DefinitionLoader.Load([new DefinitionFile("test.yaml", yaml)]);
        Assert.IsNotNull(loaded.Project, string.Join('\n', loaded.Errors));
        return ProjectPlan.Compile(loaded.Project);
    }

    public static async Task<ApiHost> StartAsync(Action<FeatureStoreApiOptions>? configure = null, FakeHotStore? hotStore = null, Uri? url = null, ProjectPlan? plan = null, ISiloReports? silos = null)
    {
        plan ??= Compile();
        var runtime = new LocalRuntime(plan, new LocalRuntimeOptions { Shards = 1 });
        var (pipeline, publisher, models, letters, time, model) =
            (new FakePipeline(), new FakePublisher(), new FakeCatalog { Models = [.. plan.Models.Select(known => known.Definition.Name)] }, new DeadLetterLog(), new ManualTime(NowMs), new FakeModel("risk"));
        models.Loaded.Add("risk", model);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls((url ?? new Uri("http://127.0.0.1:0")).ToString());
        builder.Services.AddSingleton(plan);
        var far = new FarRuntime(runtime);
        builder.Services.AddSingleton<IEntityRuntime>(far);
        builder.Services.AddSingleton<IEntityCounts>(runtime);
        builder.Services.AddSingleton<IPipelineStatus>(pipeline);
        builder.Services.AddSingleton<IEventPublisher>(publisher);
        builder.Services.AddSingleton<IModelCatalog>(models);
        builder.Services.AddSingleton<IDeadLetterLog>(letters);
        builder.Services.AddSingleton<TimeProvider>(time);
        var told = new WatchedChanges(runtime.ToTell);
        var changes = new LocalChangeFeed(told, new LocalChangeFeedOptions(), time);
        builder.Services.AddSingleton<IChangeFeed>(changes);
        if (silos is not null)
            builder.Services.AddSingleton(silos);
        if (hotStore is not null)
            builder.Services.AddSingleton<IHotStore>(hotStore);
        builder.Services.AddFeatureStoreApi(configure);
        var app = builder.Build();
        app.MapFeatureStore();
        await app.StartAsync();
        var address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return new ApiHost(app, plan, runtime, address)
        {
            Pipeline = pipeline,
            Publisher = publisher,
            Models = models,
            DeadLetters = letters,
            Time = time,
            Model = model,
            Changes = changes,
            Told = told,
            Far = far,
        };
    }

    /// <summary>Applies a payment.</summary>
    public Task PayAsync(long customer, double amount, long atMs, string terminal = "T1", long region = 1) => ApplyAsync(0, atMs, (batch, row) =>
    {
        batch.SetText(row, 0, Encoding.UTF8.GetBytes($"{customer}-{atMs}"));
        batch.SetInt64(row, 1, atMs);
        batch.SetInt64(row, 2, customer);
        batch.SetText(row, 3, Encoding.UTF8.GetBytes(terminal));
        batch.SetInt64(row, 4, region);
        batch.SetDouble(row, 5, amount);
    });

    /// <summary>Applies an event of the source whose clock is the stream's.</summary>
    public Task ReplayAsync(long customer, double amount, long atMs) => ApplyAsync(1, atMs, (batch, row) =>
    {
        batch.SetInt64(row, 0, atMs);
        batch.SetInt64(row, 1, customer);
        batch.SetDouble(row, 2, amount);
    });

    /// <summary>Moves the clock a little, and waits until those who listen have been told of all that was applied.</summary>
    public async Task TellAsync()
    {
        // The round that begins next has all of it, and has ended when another one begins.
        for (var round = 0; round < 2; round++)
        {
            var takes = Told.Takes;
            Time.Advance(TimeSpan.FromMilliseconds(50));
            for (var deadline = DateTime.UtcNow.AddSeconds(60); Told.Takes == takes; await Task.Delay(1))
                Assert.IsTrue(DateTime.UtcNow < deadline, "nobody asks what has changed");
        }
    }

    public async Task<Reply> PostAsync(string path, string json, string? contentType = "application/json")
    {
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(json));
        if (contentType is not null)
            content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        using var response = await Client.PostAsync(new Uri(path, UriKind.Relative), content);
        return await Reply.OfAsync(response);
    }

    public async Task<Reply> GetAsync(string path)
    {
        using var response = await Client.GetAsync(new Uri(path, UriKind.Relative));
        return await Reply.OfAsync(response);
    }

    public async Task<Reply> DeleteAsync(string path)
    {
        using var response = await Client.DeleteAsync(new Uri(path, UriKind.Relative));
        return await Reply.OfAsync(response);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        await Changes.DisposeAsync();
        Runtime.Dispose();
    }

    private async Task ApplyAsync(int source, long atMs, Action<EventBatch, int> fill)
    {
        var batch = new EventBatch(Plan.Sources[source].Schema, 1);
        fill(batch, batch.Add(new EventHeader { TimeMs = atMs }));
        var vectors = Plan.ServicesOn(Plan.Sources[source]).Select(service => new Core.Vectors.VectorBatch(service)).ToList();
        foreach (var vector in vectors)
            vector.Reset(1);
        await Runtime.ApplyAsync(new ApplyBatch(source, batch, vectors), CancellationToken.None);
    }
}

/// <summary>An answer, read to its end.</summary>
internal sealed record Reply(HttpStatusCode Status, string ContentType, string Text, IReadOnlyDictionary<string, string> Headers)
{
    public JsonElement Json => JsonDocument.Parse(Text).RootElement;

    public static async Task<Reply> OfAsync(HttpResponseMessage response) => new(
        response.StatusCode,
        response.Content.Headers.ContentType?.ToString() ?? "",
        await response.Content.ReadAsStringAsync(),
        response.Headers.Concat(response.Content.Headers).ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase));

    /// <summary>Checks that this is a problem document, whole and with what is expected of it.</summary>
    public void IsProblem(int status, string code, string detail)
    {
        Assert.AreEqual(status, (int)Status, Text);
        Assert.AreEqual("application/problem+json", ContentType, Text);
        Assert.AreEqual("urn:featurestore:problem:" + code, Json.GetProperty("type").GetString(), Text);
        Assert.AreEqual(status, Json.GetProperty("status").GetInt32());
        Assert.AreNotEqual("", Json.GetProperty("title").GetString());
        StringAssert.StartsWith(Json.GetProperty("instance").GetString(), "/", StringComparison.Ordinal);
        StringAssert.Contains(Json.GetProperty("detail").GetString(), detail, StringComparison.Ordinal);
    }

    public void IsJson(string expected)
    {
        Assert.AreEqual(HttpStatusCode.OK, Status, Text);
        Assert.AreEqual("application/json", ContentType);
        Assert.AreEqual(JsonSerializer.Serialize(JsonDocument.Parse(expected)), Text);
    }
}
