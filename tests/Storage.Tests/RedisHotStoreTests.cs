using System.Diagnostics;
using System.Diagnostics.Metrics;
using FeatureStore.Runtime;
using FeatureStore.Storage.Redis;

namespace FeatureStore.Storage.Tests;

[TestClass]
public sealed class RedisHotStoreTests : HotStoreContract
{
    private static readonly string[] _entities = ["customer", "terminal"];

    private static RedisServer? _server;
    private static int _projects;

    private RedisServer Server => _server ??= RedisServer.Start();

    [ClassCleanup]
    public static void Cleanup() => _server?.Dispose();

    protected override async Task<IHotStore> OpenAsync() => await ConnectedAsync(Server.Port, $"project-{++_projects}");

    [TestMethod]
    public async Task Keys_and_values_are_laid_out_as_documented()
    {
        await using var store = await ConnectedAsync(Server.Port, "layout");
        await PublishAsync(store, 1, 1, ("k", 2, "B"));
        Assert.AreEqual(":1", Server.Command("SETNX expected \"\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02B\""));
        Assert.AreEqual(":1", Server.Command("EVAL \"return redis.call('GET', 'expected') == redis.call('GET', 'layout:terminal:k')\" 0"));
        Assert.AreEqual(":-1", Server.Command("TTL layout:terminal:k"));
        await store.PublishStreamTimeAsync("transactions", 5, CancellationToken.None);
        Assert.AreEqual(":-1", Server.Command("TTL layout::stream_time:transactions"));
        Assert.AreEqual(":16", Server.Command("STRLEN layout::stream_time:transactions"));
    }

    [TestMethod]
    public async Task A_tombstone_goes_after_its_time_and_a_block_over_it_does_not()
    {
        await using var store = await ConnectedAsync(Server.Port, "tombstones", options => options with { TombstoneSeconds = 3600 });
        await PublishAsync(store, 0, 1, ("k", 1, "x"));
        await PublishAsync(store, 0, 1, ("k", 2, ""));
        Assert.AreEqual(":16", Server.Command("STRLEN tombstones:customer:k"));
        Assert.IsInRange(3500, 3600, int.Parse(Server.Command("TTL tombstones:customer:k")[1..]));
        await PublishAsync(store, 0, 1, ("k", 3, "y"));
        Assert.AreEqual(":-1", Server.Command("TTL tombstones:customer:k"));
    }

    [TestMethod]
    public async Task Projects_do_not_see_each_other()
    {
        await using var one = await ConnectedAsync(Server.Port, "one");
        await using var other = await ConnectedAsync(Server.Port, "other");
        await PublishAsync(one, 0, 1, ("k", 1, "mine"));
        CollectionAssert.AreEqual(new[] { "" }, await GetAsync(other, 0, "k"));
    }

    [TestMethod]
    [DataRow("SET rubbish:customer:k short")]
    [DataRow("LPUSH rubbish:customer:k list")]
    public async Task A_value_that_is_no_block_reads_as_none_and_is_overwritten(string command)
    {
        await using var store = await ConnectedAsync(Server.Port, "rubbish");
        Server.Command("DEL rubbish:customer:k");
        Server.Command(command);
        CollectionAssert.AreEqual(new[] { "" }, await GetAsync(store, 0, "k"));
        await PublishAsync(store, 0, 1, ("k", 1, "block"));
        CollectionAssert.AreEqual(new[] { "block" }, await GetAsync(store, 0, "k"));
    }

    [TestMethod]
    public async Task A_call_within_the_smallest_bounds_still_carries_one_block()
    {
        await using var store = await ConnectedAsync(
            Server.Port, "small", options => options with { BlocksPerCallMax = 2, BytesPerCallMax = 1024, CallsInFlightMax = 1, KeysPerGetMax = 1 });
        var large = new string('x', 5000);
        await PublishAsync(store, 0, 1, ("a", 1, large), ("b", 1, large), ("c", 1, "c"), ("d", 1, "d"), ("e", 1, "e"));
        CollectionAssert.AreEqual(new[] { large, large, "c", "d", "e" }, await GetAsync(store, 0, "a", "b", "c", "d", "e"));
    }

    /// <summary>An owner that was thought dead goes on publishing beside the new one, whose sequences start again.</summary>
    [TestMethod]
    public async Task Of_two_publishers_the_newer_incarnation_always_wins()
    {
        const int Rounds = 1_000;
        const int Seed = 31;
        var random = new Random(Seed);
        await using var old = await ConnectedAsync(Server.Port, "race");
        await using var next = await ConnectedAsync(Server.Port, "race");
        var overtaken = 0;
        for (var round = 0; round < Rounds; round++)
        {
            // A few keys, so that most rounds meet values of both.
            var key = $"k{random.Next(20)}-{round / 100}";
            (string, long, string)[] oldBlocks = [(key, random.NextInt64(), "old"), ("o" + key, 1, "old")];
            (string, long, string)[] nextBlocks = [("n" + key, 1, "new"), (key, round, "new")];
            Task[] both = random.Next(2) == 0
                ? [PublishAsync(old, 0, 1, oldBlocks), PublishAsync(next, 0, 2, nextBlocks)]
                : [PublishAsync(next, 0, 2, nextBlocks), PublishAsync(old, 0, 1, oldBlocks)];
            if (await Task.WhenAny(both) != both[0])
                overtaken++;
            await Task.WhenAll(both);
            CollectionAssert.AreEqual(new[] { "new" }, await GetAsync(next, 0, key), $"seed {Seed}, round {round}");
        }
        Console.WriteLine($"seed {Seed}: the second call ended first in {overtaken} of {Rounds} rounds");
    }

    [TestMethod]
    public async Task A_full_server_is_told()
    {
        using var server = RedisServer.Start();
        await using var store = await ConnectedAsync(server.Port, "full", Patient);
        Assert.AreEqual("+OK", server.Command("CONFIG SET maxmemory 1"));
        var exception = await Assert.ThrowsExactlyAsync<HotStoreException>(() => PublishAsync(store, 0, 1, ("k", 1, "x")));
        StringAssert.StartsWith(exception.Message, $"hot store \"127.0.0.1:{server.Port}\" refuses a call: ");
        StringAssert.Contains(exception.Message, "OOM");
        StringAssert.EndsWith(exception.Message, ". Check its memory, its rights and that it is no cluster.");
        Assert.AreEqual("+OK", server.Command("CONFIG SET maxmemory 0"));
        await PublishAsync(store, 0, 1, ("k", 1, "x"));
        CollectionAssert.AreEqual(new[] { "x" }, await GetAsync(store, 0, "k"));
    }

    [TestMethod]
    public async Task A_cluster_is_refused()
    {
        using var server = RedisServer.Start("--cluster-enabled", "yes");
        server.Command("CLUSTER ADDSLOTSRANGE 0 16383");
        await Wait.UntilAsync("the cluster is up", () => Task.FromResult(server.Command("SET up yes") == "+OK"));
        await using var store = new RedisHotStore("cluster", _entities, Options(server.Port));
        HotStoreException? refusal = null;
        await Wait.UntilAsync("a call is refused", async () =>
        {
            try
            {
                await PublishAsync(store, 0, 1, ("a", 1, "x"), ("b", 1, "y"));
            }
            catch (HotStoreException exception) when (exception.Message.Contains("refuses", StringComparison.Ordinal))
            {
                refusal = exception;
            }
            return refusal is not null;
        });
        StringAssert.EndsWith(refusal!.Message, ". Check its memory, its rights and that it is no cluster.");
        Console.WriteLine(refusal.Message);
    }

    [TestMethod]
    public async Task What_is_published_and_what_is_fenced_is_counted()
    {
        await using var store = await ConnectedAsync(Server.Port, "counted");
        await PublishAsync(store, 0, 1, ("a", 5, "x"));
        var counted = new Dictionary<string, long>(StringComparer.Ordinal);
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter.Name == "FeatureStore.Storage")
                    self.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => counted[instrument.Name] = counted.GetValueOrDefault(instrument.Name) + value);
        listener.Start();
        await PublishAsync(store, 0, 1, ("a", 4, "x"), ("b", 1, "x"), ("c", 1, "x"));
        Assert.AreEqual(2, counted["featurestore.hot.published_blocks"]);
        Assert.AreEqual(1, counted["featurestore.hot.fenced_blocks"]);
    }

    [TestMethod]
    public async Task A_server_that_restarts_empty_is_filled_again()
    {
        using var server = RedisServer.Start();
        await using var store = await ConnectedAsync(server.Port, "restart");
        await PublishAsync(store, 0, 1, ("k", 5, "before"));
        server.Stop();
        await AssertAwayAsync(store);
        server.StartAgain();
        await Wait.UntilAsync("reads work again", async () => (await GetAsync(store, 0, "k"))[0] == "");
        await Wait.UntilAsync("publishing works again", async () =>
        {
            await PublishAsync(store, 0, 1, ("k", 1, "after"));
            return true;
        });
        await Wait.UntilAsync("it reads what was published", async () => (await GetAsync(store, 0, "k"))[0] == "after");
    }

    [TestMethod]
    public async Task A_server_that_comes_later_is_found()
    {
        using var server = RedisServer.Reserve();
        var started = Stopwatch.GetTimestamp();
        await using var store = new RedisHotStore("later", _entities, Options(server.Port) with { GetTimeoutMs = 60_000 });
        await AssertAwayAsync(store);
        Assert.IsLessThan(30, Stopwatch.GetElapsedTime(started).TotalSeconds, "a call waits for no connection");
        server.StartAgain();
        await Wait.UntilAsync("the server is found", async () => (await GetAsync(store, 0, "k"))[0] == "");
        await Wait.UntilAsync("publishing finds it too", async () =>
        {
            await PublishAsync(store, 0, 1, ("k", 1, "x"));
            return true;
        });
    }

    [TestMethod]
    public async Task A_frozen_server_costs_readers_their_time_out_a_few_times_only()
    {
        using var server = RedisServer.Start();
        await using var store = await ConnectedAsync(server.Port, "frozen");
        server.Freeze();
        try
        {
            var exception = await AssertAwayAsync(store);
            StringAssert.Contains(exception.Message, "no answer within 50 ms");
            await AssertFailsFastAsync(store);
        }
        finally
        {
            server.Thaw();
        }
        await Wait.UntilAsync("reads work again", async () => (await GetAsync(store, 0, "k"))[0] == "");
    }

    [TestMethod]
    public async Task A_slow_network_sends_readers_away_within_the_time_out()
    {
        using var proxy = FaultyProxy.Start(Server.Port);
        await using var store = await ConnectedAsync(proxy.Port, "slow", options => options with { PublishTimeoutMs = 60_000 });
        await PublishAsync(store, 0, 1, ("k", 1, "x"));
        proxy.Slow(latencyMs: 50_000);
        var publishing = PublishAsync(store, 0, 1, ("k", 2, "y"));
        var started = Stopwatch.GetTimestamp();
        var exception = await AssertAwayAsync(store);
        Assert.IsInRange(40, 40_000, Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        Assert.AreEqual(
            $"hot store \"127.0.0.1:{proxy.Port}\" cannot be reached: no answer within 50 ms. Read from the runtime meanwhile; check the server and the network.",
            exception.Message);
        Assert.IsFalse(publishing.IsCompleted, "publishing has more time");
        proxy.Heal();
        await publishing;
        await Wait.UntilAsync("reads work again", async () => (await GetAsync(store, 0, "k"))[0] == "y");
    }

    [TestMethod]
    public async Task A_cut_network_fails_fast_and_heals()
    {
        using var proxy = FaultyProxy.Start(Server.Port);
        await using var store = await ConnectedAsync(proxy.Port, "cut");
        await PublishAsync(store, 0, 1, ("k", 1, "x"));
        proxy.Cut();
        await AssertAwayAsync(store);
        await AssertFailsFastAsync(store);
        await Assert.ThrowsExactlyAsync<HotStoreException>(() => PublishAsync(store, 0, 1, ("k", 2, "y")));
        proxy.Return();
        await Wait.UntilAsync("reads work again", async () => (await GetAsync(store, 0, "k"))[0] == "x");
        await Wait.UntilAsync("publishing works again", async () =>
        {
            await PublishAsync(store, 0, 1, ("k", 3, "z"));
            return (await GetAsync(store, 0, "k"))[0] == "z";
        });
    }

    [TestMethod]
    public async Task A_network_that_swallows_everything_fails_fast_and_heals()
    {
        using var proxy = FaultyProxy.Start(Server.Port);
        await using var store = await ConnectedAsync(proxy.Port, "swallowed");
        await PublishAsync(store, 0, 1, ("k", 1, "x"));
        proxy.Swallow();
        await AssertAwayAsync(store);
        await AssertFailsFastAsync(store);
        proxy.Heal();
        await Wait.UntilAsync("reads work again", async () => (await GetAsync(store, 0, "k"))[0] == "x");
    }

    [TestMethod]
    public async Task A_closed_store_says_so()
    {
        var store = await ConnectedAsync(Server.Port, "closed");
        await store.DisposeAsync();
        await store.DisposeAsync();
        StringAssert.Contains((await AssertAwayAsync(store)).Message, "the store is closed");
    }

    [TestMethod]
    public void Names_that_would_mix_keys_are_refused()
    {
        AssertRefused("a:b", _entities, "name \"a:b\" cannot be part of a Redis key. Use a name without a colon that is not empty.");
        AssertRefused("a", ["x", ""], "name \"\" cannot be part of a Redis key. Use a name without a colon that is not empty.");

        static void AssertRefused(string project, string[] entities, string message) =>
            StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(() => new RedisHotStore(project, entities, Options(1))).Message, message);
    }

    [TestMethod]
    public void Options_out_of_range_are_refused()
    {
        AssertRefused(Options(1) with { GetTimeoutMs = 0 }, "option \"GetTimeoutMs\": 0 is out of range. Use 1 to 60000.");
        AssertRefused(Options(1) with { PublishTimeoutMs = -1 }, "option \"PublishTimeoutMs\": -1 is out of range. Use 1 to 60000.");
        AssertRefused(Options(1) with { KeysPerGetMax = 20_000 }, "option \"KeysPerGetMax\": 20000 is out of range. Use 1 to 10000.");
        AssertRefused(Options(1) with { BlocksPerCallMax = 0 }, "option \"BlocksPerCallMax\": 0 is out of range. Use 1 to 1000.");
        AssertRefused(Options(1) with { BytesPerCallMax = 1 }, "option \"BytesPerCallMax\": 1 is out of range. Use 1024 to 67108864.");
        AssertRefused(Options(1) with { CallsInFlightMax = 0 }, "option \"CallsInFlightMax\": 0 is out of range. Use 1 to 64.");
        AssertRefused(Options(1) with { TombstoneSeconds = 0 }, "option \"TombstoneSeconds\": 0 is out of range. Use 60 to 31536000.");
        AssertRefused(Options(1) with { RetryMsMax = 0 }, "option \"RetryMsMax\": 0 is out of range. Use 100 to 60000.");
        AssertRefused(Options(1) with { Configuration = " " }, "option \"Configuration\" is empty. Give the address of Redis, as in \"127.0.0.1:6379\".");
        AssertRefused(
            Options(1) with { Configuration = "127.0.0.1:1,secret=hush" },
            "option \"Configuration\" is no address of Redis that StackExchange.Redis can read. Use \"host:port\", then options as in \"host:port,ssl=true\".");

        static void AssertRefused(RedisHotStoreOptions options, string message)
        {
            var exception = Assert.Throws<ArgumentException>(() => new RedisHotStore("p", _entities, options));
            StringAssert.StartsWith(exception.Message, message);
            Assert.DoesNotContain("hush", exception.Message);
        }
    }

    /// <summary>The server that all share never fails; what is slow then is this machine, and no reason to give up.</summary>
    private static RedisHotStoreOptions Options(int port)
    {
        var options = new RedisHotStoreOptions { Configuration = $"127.0.0.1:{port}", RetryMsMax = 500 };
        return port == _server?.Port ? Patient(options) : options;
    }

    private static RedisHotStoreOptions Patient(RedisHotStoreOptions options) => options with { GetTimeoutMs = 30_000, PublishTimeoutMs = 30_000 };

    /// <summary>A store whose two connections stand.</summary>
    private static async Task<RedisHotStore> ConnectedAsync(int port, string project, Func<RedisHotStoreOptions, RedisHotStoreOptions>? change = null)
    {
        var options = Options(port);
        var store = new RedisHotStore(project, _entities, change?.Invoke(options) ?? options);
        await Wait.UntilAsync("the store reads and publishes", async () =>
        {
            await PublishAsync(store, 0, 1, ("connected?", 1, "yes"));
            return (await GetAsync(store, 0, "connected?"))[0] == "yes";
        });
        return store;
    }

    private static async Task<HotStoreException> AssertAwayAsync(RedisHotStore store)
    {
        HotStoreException? exception = null;
        await Wait.UntilAsync("a read fails", async () =>
        {
            try
            {
                await GetAsync(store, 0, "k");
                return false;
            }
            catch (HotStoreException caught)
            {
                exception = caught;
                return true;
            }
        });
        StringAssert.StartsWith(exception!.Message, "hot store \"127.0.0.1:");
        return exception;
    }

    /// <summary>Of a hundred readers, one after the other, few wait for a time-out: those until it is known, and one a pause.</summary>
    private static async Task AssertFailsFastAsync(RedisHotStore store)
    {
        var waited = 0;
        for (var i = 0; i < 100; i++)
        {
            var exception = await Assert.ThrowsExactlyAsync<HotStoreException>(() => GetAsync(store, 0, "k"));
            waited += exception.Message.Contains("no answer within", StringComparison.Ordinal) ? 1 : 0;
        }

        Assert.IsLessThan(20, waited);
    }
}
