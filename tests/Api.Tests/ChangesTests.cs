using System.Net;
using FeatureStore.Api.Changes;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;

namespace FeatureStore.Api.Tests;

[TestClass]
public sealed class ChangesTests
{
    private const long NowMs = ApiHost.NowMs;

    [TestMethod]
    public async Task SendsTheNewestValuesOfEntitiesThatChange()
    {
        await using var host = await ApiHost.StartAsync();
        await host.PayAsync(9, 1, NowMs);
        await using var events = await Subscription.OpenAsync(host, "feature_view=spending");
        (await events.NextAsync("open")).Is("""{"resumed":false,"entities":["customer"]}""");

        await host.PayAsync(1, 10, NowMs - 2);
        await host.PayAsync(2, 7, NowMs - 1);
        await host.PayAsync(1, 30, NowMs);
        var change = await events.NextAsync("change");

        var answer = await host.PostAsync("/get-online-features", """{"features":["spending:count_1d","spending:mean_7d","spending:total"],"entities":{"customer":[1,2]}}""");
        Assert.AreEqual(answer.Json.GetProperty("results").GetRawText(), change.Data.GetProperty("results").GetRawText());
        Assert.AreEqual("""{"entity":"customer","feature_names":["customer","count_1d","mean_7d","total"]}""", change.Data.GetProperty("metadata").GetRawText());
        Assert.AreEqual("[2,1]", change.Column("count_1d"), "customer 1 once, with both payments");
        await host.PayAsync(9, 2, NowMs);
        Assert.AreEqual("[3]", (await events.NextAsync("change")).Column("total"));
    }

    [TestMethod]
    public async Task BeginsWithTheEntitiesThatAreNamedAndSendsNoOthers()
    {
        await using var host = await ApiHost.StartAsync();
        await host.PayAsync(1, 10, NowMs);
        await using var events = await Subscription.OpenAsync(host, "features=spending:total&customer=1&customer=2&customer=1");
        await events.NextAsync("open");
        var snapshot = await events.NextAsync("snapshot");
        Assert.AreEqual("[1,2]", snapshot.Column("customer"));
        Assert.AreEqual("[10,null]", snapshot.Column("total"));
        Assert.AreEqual("""["PRESENT","NOT_FOUND"]""", snapshot.Column("total", "statuses"));

        await host.PayAsync(3, 1, NowMs);
        await host.PayAsync(2, 5, NowMs);
        var change = await events.NextAsync("change");
        Assert.AreEqual("[2]", change.Column("customer"));
        Assert.AreEqual("[5]", change.Column("total"));
    }

    [TestMethod]
    public async Task TakesKeysOfSeveralParts()
    {
        await using var host = await ApiHost.StartAsync();
        await using var events = await Subscription.OpenAsync(host, "feature_view=use&terminal=T1&region=1&terminal=T,2&region=7");
        await events.NextAsync("open");
        Assert.AreEqual("""["T1","T,2"]""", (await events.NextAsync("snapshot")).Column("terminal"));
        await host.PayAsync(1, 1, NowMs, "T,2", 1);
        await host.PayAsync(1, 1, NowMs, "T,2", 7);
        var change = await events.NextAsync("change");
        Assert.AreEqual("""["T,2"]""", change.Column("terminal"));
        Assert.AreEqual("[7]", change.Column("region"));
        Assert.AreEqual("[1]", change.Column("payments"));
    }

    [TestMethod]
    public async Task AServicesFeaturesComeByEntity()
    {
        await using var host = await ApiHost.StartAsync();
        await using var events = await Subscription.OpenAsync(host, "feature_service=risk&full_feature_names=true");
        (await events.NextAsync("open")).Is("""{"resumed":false,"entities":["customer","terminal"]}""");
        await host.PayAsync(1, 10, NowMs);
        Assert.AreEqual("[10]", (await events.NextAsync("change")).Column("spending__mean_7d"));
        Assert.AreEqual("[1]", (await events.NextAsync("change")).Column("use__payments"));

        await using var terminals = await Subscription.OpenAsync(host, "feature_service=risk&entity=terminal&terminal=T1&region=1");
        await terminals.NextAsync("open");
        Assert.AreEqual("[1]", (await terminals.NextAsync("snapshot")).Column("payments"));
    }

    [TestMethod]
    public async Task AConditionHoldsBackWhatItIsNotTrueOf()
    {
        await using var host = await ApiHost.StartAsync();
        await using var events = await Subscription.OpenAsync(host, "features=spending:total,spending:count_1d&where=" + Uri.EscapeDataString("total > 5.0 && has(count_1d)"));
        await events.NextAsync("open");
        await host.PayAsync(1, 3, NowMs);
        await host.PayAsync(2, 6, NowMs);
        Assert.AreEqual("[2]", (await events.NextAsync("change")).Column("customer"));
        await host.PayAsync(1, 3, NowMs);
        Assert.AreEqual("[1]", (await events.NextAsync("change")).Column("customer"));
    }

    [TestMethod]
    public async Task OnlyChangesOfTheNamedFeaturesCount()
    {
        await using var host = await ApiHost.StartAsync();
        await using var events = await Subscription.OpenAsync(host, "feature_view=spending&on_change=mean_7d");
        await events.NextAsync("open");
        await host.PayAsync(1, 3, NowMs);
        Assert.AreEqual("[1]", (await events.NextAsync("change")).Column("count_1d"), "the first is new");
        await host.PayAsync(1, 3, NowMs);
        await events.SettleAsync();
        await host.PayAsync(1, 6, NowMs);
        var change = await events.NextAsync("change");
        Assert.AreEqual("[3]", change.Column("count_1d"));
        Assert.AreEqual("[4]", change.Column("mean_7d"));
    }

    [TestMethod]
    public async Task AnErasedEntityIsAChange()
    {
        await using var host = await ApiHost.StartAsync();
        await host.PayAsync(1, 3, NowMs);
        await using var events = await Subscription.OpenAsync(host, "features=spending:total");
        await events.NextAsync("open");
        Assert.AreEqual(HttpStatusCode.NoContent, (await host.DeleteAsync("/v1/entities/customer/1")).Status);
        var change = await events.NextAsync("change");
        Assert.AreEqual("[1]", change.Column("customer"));
        Assert.AreEqual("""["NOT_FOUND"]""", change.Column("total", "statuses"));
    }

    [TestMethod]
    public async Task GoesOnWhereASubscriberWas()
    {
        await using var host = await ApiHost.StartAsync();
        string? id;
        await using (var first = await Subscription.OpenAsync(host, "features=spending:total"))
        {
            await first.NextAsync("open");
            await host.PayAsync(1, 3, NowMs);
            await first.NextAsync("change");
            id = await first.LastIdAsync();
        }

        await host.PayAsync(2, 4, NowMs);
        await host.PayAsync(3, 5, NowMs);
        await host.TellAsync();
        host.Time.Advance(TimeSpan.FromSeconds(20));
        await using var second = await Subscription.OpenAsync(host, "features=spending:total", id);
        (await second.NextAsync("open")).Is("""{"resumed":true,"entities":["customer"]}""");
        Assert.AreEqual("[2,3]", (await second.NextAsync("change")).Column("customer"));
    }

    [TestMethod]
    [DataRow("", true, DisplayName = "after the changes are forgotten")]
    [DataRow("0123456789abcdef-1", false, DisplayName = "with the id of another server")]
    [DataRow("\"><script>", false, DisplayName = "with no id at all")]
    public async Task SaysThatChangesMayHaveBeenMissed(string id, bool afterLingering)
    {
        await using var host = await ApiHost.StartAsync();
        if (afterLingering)
        {
            await using (var first = await Subscription.OpenAsync(host, "features=spending:total"))
            {
                await first.NextAsync("open");
                id = (await first.LastIdAsync())!;
            }

            await WaitUntilNobodyListensAsync(host);
        }

        await host.PayAsync(1, 3, NowMs);
        await using (var second = await Subscription.OpenAsync(host, "features=spending:total", id))
        {
            (await second.NextAsync("open")).Is("""{"resumed":false,"entities":["customer"]}""");
            (await second.NextAsync("missed")).Is("""{"entity":"customer"}""");
        }

        await using var named = await Subscription.OpenAsync(host, "features=spending:total&customer=1", id);
        await named.NextAsync("open");
        Assert.AreEqual("[3]", (await named.NextAsync("snapshot")).Column("total"), "who names entities misses nothing");
    }

    [TestMethod]
    public async Task NothingIsKeptWhileNobodyListens()
    {
        await using var host = await ApiHost.StartAsync();
        var waiting = new BlockSet();
        await host.PayAsync(1, 3, NowMs);
        host.Runtime.ToTell.Take(0, 100, waiting);
        Assert.AreEqual(0, waiting.Count, "before anybody listens");
        await using (var events = await Subscription.OpenAsync(host, "features=spending:total"))
        {
            await events.NextAsync("open");
        }

        await WaitUntilNobodyListensAsync(host);
        await host.PayAsync(2, 3, NowMs);
        host.Runtime.ToTell.Take(0, 100, waiting);
        Assert.AreEqual(0, waiting.Count, "after all have left");
    }

    /// <summary>The client takes nothing: what changes meanwhile is kept once an entity, up to a bound, and the client is told where something is gone.</summary>
    [TestMethod]
    [DataRow(10, false)]
    [DataRow(40, true)]
    public async Task ASlowClientGetsEachEntityOnceAndIsToldOfWhatItMissed(int customers, bool isMissed)
    {
        await using var host = await ApiHost.StartAsync(options => (options.ChangesKeptMax, options.ChangesHeartbeat) = (16, TimeSpan.FromMinutes(10)));
        await using var client = new BlockedClient(host, "?features=spending:total,spending:count_1d");
        await client.BlockAsync(() => host.PayAsync(1000, 1, NowMs));
        for (var round = 0; round < 3; round++)
        {
            for (var customer = 1; customer <= customers; customer++)
                await host.PayAsync(customer, 1, NowMs + round);
            await host.TellAsync();
        }

        await host.PayAsync(999, 1, NowMs);
        await host.TellAsync();
        var events = await client.ReadUntilAsync(item => item.Event == "change" && item.Has("customer", 999));
        Assert.AreEqual(isMissed, events.Exists(item => item.Event == "missed"));
        var sent = events.Where(item => item.Event == "change").SelectMany(item => item.Rows("customer", "count_1d")).Where(row => row.Key < 900).ToList();
        Assert.IsTrue(sent.TrueForAll(row => row.Value == 3), "each has its newest value: " + string.Join(' ', sent));
        Assert.HasCount(isMissed ? 15 : customers, sent);
        CollectionAssert.AllItemsAreUnique(sent.Select(row => row.Key).ToList());
    }

    [TestMethod]
    public async Task ASlowClientThatNamesEntitiesMissesNone()
    {
        await using var host = await ApiHost.StartAsync(options => (options.ChangesKeptMax, options.ChangesHeartbeat) = (16, TimeSpan.FromMinutes(10)));
        await using var client = new BlockedClient(host, "?features=spending:total,spending:count_1d&customer=1&customer=2");
        await client.BlockAsync(() => host.PayAsync(1, 1, NowMs));
        for (var customer = 1; customer <= 40; customer++)
            await host.PayAsync(customer, 1, NowMs);
        await host.TellAsync();
        var events = await client.ReadUntilAsync(item => item.Event == "snapshot" && item.Column("count_1d") == "[2,1]");
        Assert.AreEqual("open snapshot change snapshot", string.Join(' ', events.Select(item => item.Event)));
    }

    [TestMethod]
    public async Task SendsCommentsWhileNothingChanges()
    {
        await using var host = await ApiHost.StartAsync();
        using var response = await host.Client.GetAsync(new Uri("/v1/changes?features=spending:total", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead);
        Assert.AreEqual("text/event-stream", response.Content.Headers.ContentType?.ToString());
        Assert.IsTrue(response.Headers.CacheControl!.NoStore);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        string? line;
        do
        {
            var next = reader.ReadLineAsync();
            for (var deadline = DateTime.UtcNow.AddSeconds(60); !next.IsCompleted; await Task.WhenAny(next, Task.Delay(5)))
            {
                host.Time.Advance(TimeSpan.FromSeconds(1));
                Assert.IsTrue(DateTime.UtcNow < deadline, "no comment came");
            }

            line = await next;
        }
        while (line != ":");
        StringAssert.StartsWith(await reader.ReadLineAsync(), "id: ", StringComparison.Ordinal);
        Assert.AreEqual("", await reader.ReadLineAsync());
    }

    [TestMethod]
    public async Task EndsWhenTheServerStops()
    {
        var host = await ApiHost.StartAsync();
        await using var events = await Subscription.OpenAsync(host, "features=spending:total");
        await events.NextAsync("open");
        var stop = host.DisposeAsync().AsTask();
        (await events.NextAsync("end")).Is("""{"reason":"The server stops."}""");
        Assert.IsTrue(await events.HasEndedAsync());
        await stop.WaitAsync(TimeSpan.FromSeconds(60));
    }

    [TestMethod]
    public async Task BoundsTheSubscribersAndTheKeys()
    {
        await using var host = await ApiHost.StartAsync(options => (options.ChangeClientsMax, options.ChangeKeysMax) = (1, 2));
        (await host.GetAsync("/v1/changes?features=spending:total&customer=1&customer=2&customer=3")).IsProblem(400, "too-many-keys", "names 3 entities, more than 2");
        await using var events = await Subscription.OpenAsync(host, "features=spending:total");
        var refused = await host.GetAsync("/v1/changes?features=spending:total");
        refused.IsProblem(503, "too-many-clients", "There are 1 subscribers to changes already.");
        Assert.AreEqual("10", refused.Headers["Retry-After"]);
    }

    [TestMethod]
    [DataRow("", 400, "bad-request", "The query has none of \"features\", \"feature_view\" and \"feature_service\".")]
    [DataRow("features=spending:total&feature_view=spending", 400, "bad-request", "The query has more than one of")]
    [DataRow("features=", 400, "bad-request", "\"features\" is empty.")]
    [DataRow("features=spending:totl", 404, "unknown-feature", "Did you mean \"total\"?")]
    [DataRow("features=spending:total,history:total", 400, "duplicate-feature", "Two features are named \"total\".")]
    [DataRow("feature_view=spendin", 404, "unknown-feature-view", "Did you mean \"spending\"?")]
    [DataRow("feature_view=spending&feature_view=use", 400, "bad-request", "\"feature_view\" comes 2 times.")]
    [DataRow("feature_service=risks", 404, "unknown-feature-service", "Did you mean \"risk\"?")]
    [DataRow("feature_view=spending&full_feature_names=1", 400, "bad-request", "\"1\", neither true nor false")]
    [DataRow("feature_view=spending&entity=custome", 404, "unknown-entity", "Did you mean \"customer\"?")]
    [DataRow("feature_view=spending&entity=terminal", 400, "bad-request", "None of the features is of entity \"terminal\".")]
    [DataRow("feature_view=spending&custmer=1", 400, "unknown-parameter", "Did you mean \"customer\"?")]
    [DataRow("feature_view=spending&customer=x", 400, "bad-key", "join key \"customer\": \"x\" is not an int64")]
    [DataRow("feature_view=use&terminal=T1", 400, "bad-key", "Join key \"region\" comes 0 times, another 1 times.")]
    [DataRow("feature_service=risk&customer=1", 400, "bad-key", "Name the one that the join keys are of by entity=…")]
    [DataRow("feature_service=risk&where=payments>1", 400, "bad-where", "Name the one that \"where\" is of by entity=…")]
    [DataRow("feature_view=spending&where=totl > 1.0", 400, "bad-where", "\"where\", character 1: ")]
    [DataRow("feature_view=spending&where=total", 400, "bad-where", "\"where\" is of type double, not bool. Write a condition, such as count_1d > 3.0.")]
    [DataRow("feature_view=spending&on_change=", 400, "bad-request", "\"on_change\" is empty.")]
    [DataRow("feature_view=spending&on_change=totl", 400, "bad-request", "Did you mean \"total\"?")]
    [DataRow("feature_view=spending&min_interval_ms=5", 400, "bad-request", "\"min_interval_ms\" is \"5\". Give a whole number from 10 to 3600000.")]
    [DataRow("feature_view=spending&min_interval_ms=1e3", 400, "bad-request", "Give a whole number from 10 to 3600000.")]
    public async Task SaysWhatIsWrong(string query, int status, string code, string detail)
    {
        await using var host = await ApiHost.StartAsync();
        (await host.GetAsync("/v1/changes?" + query)).IsProblem(status, code, detail);
    }

    private static async Task WaitUntilNobodyListensAsync(ApiHost host)
    {
        // The server notices that a client has left when it next writes to it, and lingers from then on.
        var hub = host.Services.GetRequiredService<ChangeHub>();
        for (var deadline = DateTime.UtcNow.AddSeconds(60); hub.ListenedTo > 0; await Task.Delay(5))
        {
            host.Time.Advance(TimeSpan.FromSeconds(5));
            Assert.IsTrue(DateTime.UtcNow < deadline, "changes are still listened to");
        }
    }
}
