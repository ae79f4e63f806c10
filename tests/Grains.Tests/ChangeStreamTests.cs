using System.Net;
using System.Net.ServerSentEvents;
using System.Text.Json;
using FeatureStore.Api;
using FeatureStore.Grains.Changes;
using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Placement;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Tests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Grains.Tests;

/// <summary>The contract of all feeds, told on one silo of three of what the others host.</summary>
[TestClass]
public sealed class ChangeStreamContractTests : ChangeFeedContract
{
    protected override ChangeFeedHost Start() => new ChangeCluster();
}

[TestClass]
public sealed class ChangeStreamTests
{
    [TestMethod]
    public async Task AListenerOnOneSiloIsToldOfTheOthersAndSurvivesTheDeathOfOne()
    {
        using var host = new ChangeCluster();
        var listener = new ChangeListener();
        await using var listening = await host.Feed.ListenAsync(TestProject.Customer, listener, CancellationToken.None);
        long[] all = [.. Enumerable.Range(0, 90).Select(customer => (long)customer)];
        ChangeFeedContract.Apply(host, all);
        for (var silo = 0; silo < 3; silo++)
            Assert.IsGreaterThan(5, host.Cluster.Service<EntityCells>(silo).Count, $"entities on silo {silo}");
        ChangeFeedContract.Eventually(() => all.All(listener.Told.ContainsKey), "all are told");
        Assert.AreEqual(0, listener.MissedCount);

        host.Cluster.Kill(host.Cluster.Silos[2]);
        ChangeFeedContract.Eventually(() => listener.MissedCount > 0, "it is told that the dead silo may have hidden some");
        var rounds = 0;
        while (!IsRoundWhole())
            Assert.IsLessThan(20, rounds++, "streams go on without loss");

        // Whether all that change are told; if not, that some are missed is.
        bool IsRoundWhole()
        {
            var missed = listener.MissedCount;
            listener.Told.Clear();
            ChangeFeedContract.Apply(host, all);
            ChangeFeedContract.Eventually(() => all.All(listener.Told.ContainsKey) || listener.MissedCount > missed, "all are told, or that some are missed");
            return listener.MissedCount == missed;
        }
    }

    [TestMethod]
    public async Task ASiloThatComesIsListenedToAsWell()
    {
        using var host = new ChangeCluster();
        var listener = new ChangeListener();
        await using var listening = await host.Feed.ListenAsync(TestProject.Customer, listener, CancellationToken.None);
        host.Cluster.Add();
        ChangeFeedContract.Eventually(() => host.Cluster.Service<EntityCells>(3).Tracked[TestProject.Customer] != 0, "the new silo knows that somebody listens");
        long[] all = [.. Enumerable.Range(0, 120).Select(customer => (long)customer)];
        ChangeFeedContract.Apply(host, all);
        Assert.IsGreaterThan(5, host.Cluster.Service<EntityCells>(3).Count);
        ChangeFeedContract.Eventually(() => all.All(listener.Told.ContainsKey), "all are told");
    }

    [TestMethod]
    public async Task NoSiloKeepsTrackWhileNobodyListens()
    {
        using var host = new ChangeCluster();
        ChangeFeedContract.Apply(host, 1, 2, 3);
        Assert.AreEqual(0, Tracked(host));
        var listening = await host.Feed.ListenAsync(TestProject.Customer, new ChangeListener(), CancellationToken.None);
        Assert.AreEqual(3 * EntityCells.TellMark, Tracked(host), "as soon as somebody listens");
        await listening.DisposeAsync();
        ChangeFeedContract.Eventually(() => Tracked(host) == 0, "the silos notice that nobody listens any more");
    }

    /// <summary>A listener may end when all else has.</summary>
    [TestMethod]
    public async Task ListeningEndsAfterItsSiloToo()
    {
        IAsyncDisposable listening;
        using (var host = new ChangeCluster(silos: 1))
            listening = await host.Feed.ListenAsync(TestProject.Customer, new ChangeListener(), CancellationToken.None);
        await listening.DisposeAsync();
    }

    [TestMethod]
    public void AnEntityThatChangesAgainWaitsOnce()
    {
        using var host = new ChangeCluster(silos: 1);
        var cells = host.Cluster.Service<EntityCells>(0);
        cells.ToTell.Track(TestProject.Customer, true);
        for (var round = 0; round < 5; round++)
            ChangeFeedContract.Apply(host, 1, 2, 1);
        var (keys, sequences, blocks) = (new BlockSet(), new List<long>(), new BlockSet());
        cells.ToTell.Take(TestProject.Customer, 100, keys, sequences, blocks);
        Assert.AreEqual(2, keys.Count);
        CollectionAssert.AreEquivalent(new long[] { 10, 5 }, sequences);
        cells.ToTell.PutBack(TestProject.Customer, keys, sequences, blocks);
        keys.Clear();
        cells.ToTell.Take(TestProject.Customer, 1, keys);
        Assert.AreEqual(1, keys.Count, "at most so many");
        cells.ToTell.Track(TestProject.Customer, false);
        cells.ToTell.Track(TestProject.Customer, true);
        cells.ToTell.Take(TestProject.Customer, 100, keys);
        Assert.AreEqual(1, keys.Count, "forgotten");
        ChangeFeedContract.Apply(host, 2);
        cells.ToTell.Take(TestProject.Customer, 100, keys);
        Assert.AreEqual(2, keys.Count, "and told of later changes all the same");
    }

    /// <summary>Over HTTP, of a silo that neither owns the stream nor dies. As a client should, this one reads anew what it may have missed.</summary>
    [TestMethod]
    public async Task TheApiOfAnySiloStreamsTheEntitiesOfAll()
    {
        using var host = new ChangeCluster();
        await using var app = await ServeAsync(host);
        using var client = new HttpClient { BaseAddress = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()) };
        using var response = await client.GetAsync(new Uri("/v1/changes?features=spend:all&where=all>0.0&min_interval_ms=20", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead);
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode);
        await using var events = SseParser.Create(await response.Content.ReadAsStreamAsync()).EnumerateAsync().GetAsyncEnumerator();
        Assert.AreEqual("open", (await NextAsync()).EventType);
        long[] all = [.. Enumerable.Range(0, 60).Select(customer => (long)customer)];
        var sums = new Dictionary<long, double>();
        Assert.IsTrue(await RoundAsync(1), "nothing is lost while all silos live");
        host.Cluster.Kill(host.Cluster.Silos[2]);
        Assert.IsFalse(await RoundAsync(2), "what a dead silo may have hidden is told");
        var round = 3;
        while (!await RoundAsync(round))
            Assert.IsLessThan(20, round++, "streams go on without loss");

        // Applies an event of each, and reads until each has come, or been read. Returns whether all have come.
        async Task<bool> RoundAsync(int number)
        {
            var isWhole = true;
            ChangeFeedContract.Apply(host, all);
            while (sums.Count < all.Length || sums.Values.Any(sum => sum < number) || number == 2 && isWhole)
            {
                var item = await NextAsync();
                if (item.EventType == "missed")
                {
                    isWhole = false;
                    using var content = new StringContent($$$"""{"features":["spend:all"],"entities":{"CUSTOMER":[{{{string.Join(',', all)}}}]}}""", null, "application/json");
                    using var answer = await client.PostAsync(new Uri("/get-online-features", UriKind.Relative), content);
                    Take(await answer.Content.ReadAsStringAsync());
                }
                else
                {
                    Take(item.Data);
                }
            }

            Assert.IsTrue(sums.Values.All(sum => sum == number), string.Join(' ', sums));
            return isWhole;
        }

        void Take(string json)
        {
            var results = JsonDocument.Parse(json).RootElement.GetProperty("results");
            foreach (var (customer, sum) in results[0].GetProperty("values").EnumerateArray().Zip(results[1].GetProperty("values").EnumerateArray()))
                sums[customer.GetInt64()] = sum.GetDouble();
        }

        async Task<SseItem<string>> NextAsync()
        {
            Assert.IsTrue(await events.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(120)));
            return events.Current;
        }
    }

    private static int Tracked(ChangeCluster host) => Enumerable.Range(0, 3).Sum(silo => host.Cluster.Service<EntityCells>(silo).Tracked[TestProject.Customer]);

    private static async Task<WebApplication> ServeAsync(ChangeCluster host)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services
            .AddSingleton(TestProject.Plan)
            .AddSingleton(host.Cluster.Service<IEntityRuntime>(1))
            .AddSingleton(host.Feed)
            .AddSingleton<IModelCatalog, Nothing>()
            .AddSingleton<IEventPublisher, Nothing>()
            .AddSingleton<IPipelineStatus, Nothing>()
            .AddFeatureStoreApi();
        var app = builder.Build();
        app.MapFeatureStore();
        await app.StartAsync();
        return app;
    }

    /// <summary>What the API has beside reads.</summary>
    private sealed class Nothing : IModelCatalog, IEventPublisher, IPipelineStatus
    {
        public IReadOnlyList<string> Models => [];

        public PipelineStatus Current => new() { Phase = PipelinePhase.Running, TimeMs = 0 };

        public bool TryGet(string name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out IServedModel? model)
        {
            model = null;
            return false;
        }

        public ValueTask PublishAsync(int source, ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, CancellationToken cancellationToken) => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }
}

/// <summary>Three silos with streams of changes; the first owns the stream of events, the second listens.</summary>
internal sealed class ChangeCluster : ChangeFeedHost
{
    public ChangeCluster(int silos = 3)
    {
        var storage = new SharedStorage();
        var options = new ChangeStreamOptions
        {
            Interval = TimeSpan.FromMilliseconds(20),
            Renewal = TimeSpan.FromMilliseconds(200),
            Lease = TimeSpan.FromSeconds(5),
            LostAfter = TimeSpan.FromSeconds(5),
        };
        Cluster = Cluster.Start(
            silos,
            silo =>
            {
                silo.Services.AddKeyedSingleton<Orleans.Storage.IGrainStorage>(ClusterNames.Storage, storage);
                silo.AddChangeMemoryStreams().AddChangeStreams(options);
            },
            new OrleansRuntimeOptions { Placement = EntityPlacementPreference.Even }, silosDie: true);
        (Runtime, _) = Cluster.Own(0);
        Feed = Cluster.Service<IChangeFeed>(silos > 1 ? 1 : 0);
    }

    public Cluster Cluster { get; }

    public override void Dispose() => Cluster.Dispose();
}
