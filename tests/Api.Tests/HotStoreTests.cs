using FeatureStore.Api.Tests.Fakes;
using FeatureStore.Runtime;

namespace FeatureStore.Api.Tests;

[TestClass]
public sealed class HotStoreTests
{
    private const string Totals = """{"features":["spending:total"],"entities":{"customer":[1,2,3]}}""";
    private const string History = """{"features":["history:count_30d"],"entities":{"customer":[1]}}""";

    [TestMethod]
    public async Task ReadsTheHotStoreAndAsksTheRuntimeForWhatItLacks()
    {
        var store = new FakeHotStore();
        await using var host = await ApiHost.StartAsync(hotStore: store);
        await host.PayAsync(1, 10, ApiHost.NowMs);
        await CopyAsync(host, store, 1);
        await host.PayAsync(1, 5, ApiHost.NowMs);
        await host.PayAsync(2, 20, ApiHost.NowMs);

        Assert.AreEqual("[10,20,null]", await ValuesAsync(host, Totals), "1 as published, 2 from the runtime, 3 from nowhere");
    }

    [TestMethod]
    public async Task AFailingStoreIsLeftAloneForAPause()
    {
        var store = new FakeHotStore { Before = _ => throw new IOException("no route") };
        await using var host = await ApiHost.StartAsync(options => options.HotStorePause = TimeSpan.FromSeconds(1), store);
        await host.PayAsync(1, 10, ApiHost.NowMs);

        Assert.AreEqual("[10,null,null]", await ValuesAsync(host, Totals));
        Assert.AreEqual("[10,null,null]", await ValuesAsync(host, Totals));
        Assert.AreEqual(1, store.Reads, "the second read came within the pause");
        store.Before = null;
        host.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.AreEqual("[10,null,null]", await ValuesAsync(host, Totals));
        Assert.AreEqual(2, store.Reads);
    }

    [TestMethod]
    public async Task ASlowStoreCostsOneTimeout()
    {
        var reading = new TaskCompletionSource();
        var store = new FakeHotStore();
        store.Before = async token =>
        {
            reading.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
        };
        await using var host = await ApiHost.StartAsync(options => options.HotStoreTimeout = TimeSpan.FromMilliseconds(20), store);
        await host.PayAsync(1, 10, ApiHost.NowMs);

        var values = ValuesAsync(host, Totals);
        await reading.Task;
        Assert.IsFalse(values.IsCompleted);
        host.Time.Advance(TimeSpan.FromMilliseconds(20));

        Assert.AreEqual("[10,null,null]", await values);
    }

    [TestMethod]
    public async Task BlocksThatDoNotFitAreReadFromTheRuntime()
    {
        var store = new FakeHotStore();
        await using var host = await ApiHost.StartAsync(hotStore: store);
        await host.PayAsync(1, 10, ApiHost.NowMs);
        await host.PayAsync(2, 20, ApiHost.NowMs);
        await CopyAsync(host, store, 1);
        var (name, block) = store.Blocks.Single();
        foreach (var damaged in new[] { block[..^8], [.. block.Select(value => (byte)~value)], [1], [.. block, .. new byte[8]] })
        {
            store.Blocks[name] = damaged;
            Assert.AreEqual("[10,20,null]", await ValuesAsync(host, Totals));
        }

        store.Blocks[name.Replace("0000000000000001", "0000000000000002", StringComparison.OrdinalIgnoreCase).Replace("01", "02", StringComparison.Ordinal)] = block;
        store.Blocks[name] = block;
        Assert.AreEqual("[10,20,null]", await ValuesAsync(host, Totals), "customer 1's block under customer 2's key is not customer 2's");
    }

    [TestMethod]
    public async Task TakesTheStreamsTimeFromTheStoreWhereTheRuntimeHasNone()
    {
        var store = new FakeHotStore();
        await using var writer = await ApiHost.StartAsync();
        await writer.ReplayAsync(1, 10, 1000);
        await CopyAsync(writer, store, 1);
        await using var host = await ApiHost.StartAsync(hotStore: store);

        Assert.AreEqual("[1]", await ValuesAsync(host, History), "the block's own newest event, where nothing else is known");
        store.StreamTimeMs = 1000 + 30 * ApiHost.DayMs;
        Assert.AreEqual("[1]", await ValuesAsync(host, History), "the stream time is asked for once a second");
        host.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.AreEqual("[0]", await ValuesAsync(host, History));
    }

    private static async Task<string> ValuesAsync(ApiHost host, string request) =>
        (await host.PostAsync("/get-online-features", request)).Json.GetProperty("results")[1].GetProperty("values").GetRawText();

    /// <summary>Publishes a customer's block as it is in the runtime.</summary>
    private static async Task CopyAsync(ApiHost host, FakeHotStore store, long customer)
    {
        var keys = new BlockSet();
        var blocks = new BlockSet();
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(keys.Add(8), customer);
        await host.Runtime.ReadAsync(0, keys, blocks, CancellationToken.None);
        store.Blocks[FakeHotStore.Name(0, keys[0])] = blocks[0].ToArray();
    }
}
