using System.Text;
using FeatureStore.Runtime;

namespace FeatureStore.Storage.Tests;

/// <summary>What every <see cref="IHotStore"/> does.</summary>
public abstract class HotStoreContract
{
    /// <summary>A store without blocks, of a project of its own with the entities 0 and 1.</summary>
    protected abstract Task<IHotStore> OpenAsync();

    [TestMethod]
    public async Task A_block_never_published_is_empty()
    {
        await using var store = await OpenAsync();
        CollectionAssert.AreEqual(new[] { "", "" }, await GetAsync(store, 0, "a", "b"));
    }

    [TestMethod]
    public async Task Blocks_come_back_in_the_order_of_the_keys()
    {
        await using var store = await OpenAsync();
        await PublishAsync(store, 0, 1, ("a", 1, "A"), ("b", 1, "B"), ("c", 1, "C"));
        await PublishAsync(store, 1, 1, ("a", 1, "other"));
        CollectionAssert.AreEqual(new[] { "C", "", "A", "C" }, await GetAsync(store, 0, "c", "x", "a", "c"));
        CollectionAssert.AreEqual(new[] { "other", "" }, await GetAsync(store, 1, "a", "b"));
    }

    [TestMethod]
    public async Task A_read_of_no_keys_and_a_publication_of_no_blocks_are_fine()
    {
        await using var store = await OpenAsync();
        await PublishAsync(store, 0, 1);
        Assert.IsEmpty(await GetAsync(store, 0));
    }

    [TestMethod]
    // Fences, as incarnation and sequence: the one stored, the one that follows, and whether it is taken.
    [DataRow(5L, 5L, 5L, 6L, true)]
    [DataRow(5L, 5L, 5L, 4L, false)]
    [DataRow(5L, 5L, 6L, 1L, true)]
    [DataRow(5L, 5L, 4L, 9L, false)]
    // Beyond the 53 bits of a double, and across the border of 32 bits.
    [DataRow(1L, (1L << 62) + 1, 1L, 1L << 62, false)]
    [DataRow(1L, 1L << 62, 1L, (1L << 62) + 1, true)]
    [DataRow((1L << 60) + 1, 0L, 1L << 60, long.MaxValue, false)]
    [DataRow(1L, uint.MaxValue, 1L, uint.MaxValue + 1L, true)]
    [DataRow(1L, uint.MaxValue + 1L, 1L, uint.MaxValue, false)]
    [DataRow(1L, 0x80L, 1L, 0x7FL, false)]
    // Below zero.
    [DataRow(0L, -1L, 0L, 1L, true)]
    [DataRow(0L, -1L, 0L, -2L, false)]
    public async Task The_later_fence_wins(long incarnation, long sequence, long nextIncarnation, long nextSequence, bool taken)
    {
        await using var store = await OpenAsync();
        await PublishAsync(store, 0, incarnation, ("k", sequence, "stored"));
        await PublishAsync(store, 0, nextIncarnation, ("k", nextSequence, "next"));
        CollectionAssert.AreEqual(new[] { taken ? "next" : "stored" }, await GetAsync(store, 0, "k"));
    }

    [TestMethod]
    public async Task A_publication_is_fenced_block_by_block()
    {
        await using var store = await OpenAsync();
        await PublishAsync(store, 0, 1, ("a", 5, "a5"), ("b", 1, "b1"), ("c", 7, "c7"));
        await PublishAsync(store, 0, 1, ("a", 4, "a4"), ("b", 2, "b2"), ("c", 6, "c6"), ("d", 1, "d1"));
        CollectionAssert.AreEqual(new[] { "a5", "b2", "c7", "d1" }, await GetAsync(store, 0, "a", "b", "c", "d"));
    }

    [TestMethod]
    public async Task A_deleted_entity_is_empty_and_stays_so_for_older_blocks()
    {
        await using var store = await OpenAsync();
        await PublishAsync(store, 0, 1, ("k", 5, "five"));
        await PublishAsync(store, 0, 1, ("k", 4, ""));
        CollectionAssert.AreEqual(new[] { "five" }, await GetAsync(store, 0, "k"));
        await PublishAsync(store, 0, 1, ("k", 7, ""));
        CollectionAssert.AreEqual(new[] { "" }, await GetAsync(store, 0, "k"));
        await PublishAsync(store, 0, 1, ("k", 6, "six"));
        CollectionAssert.AreEqual(new[] { "" }, await GetAsync(store, 0, "k"));
        await PublishAsync(store, 0, 1, ("k", 8, "eight"));
        CollectionAssert.AreEqual(new[] { "eight" }, await GetAsync(store, 0, "k"));
    }

    [TestMethod]
    public async Task Thousands_of_blocks_of_any_bytes_and_sizes_come_back()
    {
        const int Count = 2_345;
        const int Seed = 3;
        var random = new Random(Seed);
        await using var store = await OpenAsync();
        var keys = new BlockSet();
        var blocks = new BlockSet();
        for (var i = 0; i < Count; i++)
        {
            var key = keys.Add(4 + random.Next(30));
            random.NextBytes(key);
            BitConverter.TryWriteBytes(key, i);
            random.NextBytes(blocks.Add(i == 7 ? 3_000_000 : random.Next(1, 2_000)));
        }
        await store.PublishAsync(new HotBlocks(1, 1, keys, [.. Enumerable.Repeat(1L, Count)], blocks), CancellationToken.None);
        var found = new BlockSet();
        found.Add("left from the read before"u8);
        await store.GetAsync(1, keys, found, CancellationToken.None);
        Assert.AreEqual(Count, found.Count);
        for (var i = 0; i < Count; i++)
            Assert.IsTrue(blocks[i].SequenceEqual(found[i]), $"seed {Seed}, block {i}");
    }

    [TestMethod]
    public async Task Stream_time_only_grows_within_an_incarnation()
    {
        await using var store = await OpenAsync();
        Assert.AreEqual(long.MinValue, await store.GetStreamTimeAsync("transactions", CancellationToken.None));
        await PublishAsync(store, 0, 10, ("k", 1, "x"));
        await AssertTimeAsync(publish: 1_000, expected: 1_000);
        await AssertTimeAsync(publish: 999, expected: 1_000);
        await AssertTimeAsync(publish: 1_001, expected: 1_001);
        Assert.AreEqual(long.MinValue, await store.GetStreamTimeAsync("others", CancellationToken.None));
        // A history that began anew starts again at its first event.
        await PublishAsync(store, 0, 11, ("k", 1, "y"));
        await AssertTimeAsync(publish: -5, expected: -5);
        await AssertTimeAsync(publish: 7, expected: 7);

        async Task AssertTimeAsync(long publish, long expected)
        {
            await store.PublishStreamTimeAsync("transactions", publish, CancellationToken.None);
            Assert.AreEqual(expected, await store.GetStreamTimeAsync("transactions", CancellationToken.None));
        }
    }

    [TestMethod]
    public async Task A_publication_of_uneven_lists_is_refused()
    {
        await using var store = await OpenAsync();
        var keys = new BlockSet();
        keys.Add("k"u8);
        var exception = await Assert.ThrowsExactlyAsync<ArgumentException>(
            async () => await store.PublishAsync(new HotBlocks(0, 1, keys, [], new BlockSet()), CancellationToken.None));
        StringAssert.StartsWith(exception.Message, "1 keys come with 0 sequences and 0 blocks. Give one of each a key.");
    }

    [TestMethod]
    public async Task A_cancelled_read_ends()
    {
        await using var store = await OpenAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(async () =>
        {
            var keys = new BlockSet();
            keys.Add("k"u8);
            await store.GetAsync(0, keys, new BlockSet(), new CancellationToken(canceled: true));
        });
    }

    private protected static async Task PublishAsync(IHotStore store, int entity, long incarnation, params (string Key, long Sequence, string Block)[] entries)
    {
        var keys = new BlockSet();
        var blocks = new BlockSet();
        foreach (var (key, _, block) in entries)
        {
            keys.Add(Encoding.UTF8.GetBytes(key));
            blocks.Add(Encoding.UTF8.GetBytes(block));
        }
        await store.PublishAsync(new HotBlocks(entity, incarnation, keys, [.. entries.Select(entry => entry.Sequence)], blocks), CancellationToken.None);
    }

    private protected static async Task<string[]> GetAsync(IHotStore store, int entity, params string[] names)
    {
        var keys = new BlockSet();
        var blocks = new BlockSet();
        foreach (var name in names)
            keys.Add(Encoding.UTF8.GetBytes(name));
        await store.GetAsync(entity, keys, blocks, CancellationToken.None);
        return [.. Enumerable.Range(0, blocks.Count).Select(i => Encoding.UTF8.GetString(blocks[i]))];
    }
}
