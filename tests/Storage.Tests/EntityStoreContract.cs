using System.Text.Json;
using FeatureStore.Runtime;

namespace FeatureStore.Storage.Tests;

/// <summary>What every <see cref="IEntityStore"/> does.</summary>
public abstract class EntityStoreContract
{
    private protected CheckpointHistory History { get; } = new(seed: 11);

    protected abstract IEntityStore Open();

    [TestMethod]
    public void A_new_store_is_empty()
    {
        using var store = Open();
        Assert.IsNull(store.LoadHeader());
        Assert.IsEmpty(CheckpointHistory.Load(store));
    }

    [TestMethod]
    public void Every_checkpoint_of_a_history_reads_back_as_saved()
    {
        using var store = Open();
        for (var sequence = 1L; sequence <= 30; sequence++)
        {
            store.Save(History.Make(sequence));
            AssertHolds(store, sequence);
        }
    }

    [TestMethod]
    public void A_checkpoint_without_blocks_moves_the_header_alone()
    {
        using var store = Open();
        store.Save(History.Make(1));
        store.Save(new Checkpoint(History.Make(2).Header, [], new BlockSet(), new BlockSet()));
        Assert.AreEqual(2, store.LoadHeader()!.Sequence);
        CollectionAssert.AreEqual(History.StateAt(1), CheckpointHistory.Load(store));
    }

    [TestMethod]
    public void Topics_that_a_checkpoint_no_longer_names_are_gone()
    {
        using var store = Open();
        store.Save(History.Make(1));
        var header = History.Make(2).Header with { Partitions = [], StreamTimesMs = new Dictionary<string, long>() };
        store.Save(new Checkpoint(header, [], new BlockSet(), new BlockSet()));
        Assert.IsEmpty(store.LoadHeader()!.Partitions);
        Assert.IsEmpty(store.LoadHeader()!.StreamTimesMs);
    }

    [TestMethod]
    public void The_last_block_of_a_key_in_a_checkpoint_stands()
    {
        using var store = Open();
        store.Save(Of((0, "k", "first"), (0, "gone", "x"), (1, "k", "other"), (0, "k", "second"), (0, "gone", "")));
        CollectionAssert.AreEqual(new[] { "k0=second", "k1=other" }, Texts(store));
        store.Save(Of((0, "k", ""), (0, "k", "again"), (1, "k", "")));
        CollectionAssert.AreEqual(new[] { "k0=again" }, Texts(store));
    }

    [TestMethod]
    public void Blocks_and_keys_of_any_size_are_kept()
    {
        using var store = Open();
        var random = new Random(5);
        var sizes = new[] { 1, 7, 8, 9, 2034, 8150, 8192, 100_000, 3_000_000 };
        var keys = new BlockSet();
        var blocks = new BlockSet();
        foreach (var size in sizes)
        {
            random.NextBytes(keys.Add(Math.Min(size, 1024)));
            random.NextBytes(blocks.Add(size));
        }
        var expected = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < sizes.Length; i++)
            expected[CheckpointHistory.Name(3, keys[i])] = Convert.ToHexString(blocks[i]);
        store.Save(new Checkpoint(History.Make(1).Header, [.. sizes.Select(_ => 3)], keys, blocks));
        CollectionAssert.AreEqual(expected, CheckpointHistory.Load(store));
    }

    [TestMethod]
    public void The_store_keeps_copies()
    {
        using var store = Open();
        var checkpoint = Of((0, "k", "before"));
        store.Save(checkpoint);
        checkpoint.Blocks.Clear();
        checkpoint.Blocks.Add("AFTER!"u8);
        CollectionAssert.AreEqual(new[] { "k0=before" }, Texts(store));
    }

    [TestMethod]
    public void A_checkpoint_of_uneven_lists_is_refused()
    {
        using var store = Open();
        var exception = Assert.ThrowsExactly<ArgumentException>(
            () => store.Save(new Checkpoint(History.Make(4).Header, [0, 1], new BlockSet(), new BlockSet())));
        StringAssert.StartsWith(exception.Message, "checkpoint 4 has 2 entities, 0 keys and 0 blocks. Give one of each an entry.");
        Assert.IsNull(store.LoadHeader());
    }

    [TestMethod]
    public void An_erasure_takes_the_block_and_leaves_a_tombstone()
    {
        using var store = Open();
        store.Erase([Tombstone("early", 1)]);
        Assert.IsNull(store.LoadHeader());
        Assert.AreEqual("early 1", Describe(store));
        store.Save(Of((0, "k", "block"), (1, "k", "other"), (0, "early", "again")));
        store.Erase([Tombstone("k", 5), Tombstone("never", 7)]);
        CollectionAssert.AreEqual(new[] { "early0=again", "k1=other" }, Texts(store).Order(StringComparer.Ordinal).ToArray());
        Assert.AreEqual("early 1, k 5, never 7", Describe(store));
        Assert.AreEqual(JsonSerializer.Serialize(Tombstone("k", 5)), JsonSerializer.Serialize(store.LoadTombstones().Single(tombstone => tombstone.Sequence == 5)));
    }

    [TestMethod]
    public void Of_a_key_the_tombstone_of_the_greatest_sequence_stands()
    {
        using var store = Open();
        store.Erase([Tombstone("k", 5), Tombstone("k", 3)]);
        Assert.AreEqual("k 5", Describe(store));
        store.Save(Of((0, "k", "new")) with { TombstonesChanged = [Tombstone("k", 4)], TombstonesDropped = [Tombstone("k", 4)] });
        Assert.AreEqual("k 5", Describe(store));
        CollectionAssert.AreEqual(new[] { "k0=new" }, Texts(store));
        store.Save(Of() with { TombstonesChanged = [Tombstone("k", 5) with { Guards = [], Earlier = [] }] });
        Assert.IsEmpty(store.LoadTombstones().Single().Guards);
        Assert.IsEmpty(store.LoadTombstones().Single().Earlier);
        CollectionAssert.AreEqual(new[] { "k0=new" }, Texts(store));
        store.Save(Of() with { TombstonesDropped = [Tombstone("k", 5)] });
        Assert.AreEqual("", Describe(store));
    }

    [TestMethod]
    public void What_a_checkpoint_erases_goes_before_its_blocks_come()
    {
        using var store = Open();
        store.Save(Of((0, "old", "x"), (0, "anew", "x")));
        store.Save(Of((0, "anew", "y")) with { Erased = [Tombstone("old", 1), Tombstone("anew", 2)] });
        CollectionAssert.AreEqual(new[] { "anew0=y" }, Texts(store));
        Assert.AreEqual("anew 2, old 1", Describe(store));
    }

    [TestMethod]
    public void A_checkpoint_can_replace_all()
    {
        using var store = Open();
        store.Save(Of((0, "k", "x"), (1, "gone", "x")));
        store.Erase([Tombstone("t", 4)]);
        store.Save(Of((1, "k", "y")) with { ReplacesAll = true, TombstonesChanged = [Tombstone("u", 2)] });
        CollectionAssert.AreEqual(new[] { "k1=y" }, Texts(store));
        Assert.AreEqual("u 2", Describe(store));
    }

    private static Tombstone Tombstone(string key, long sequence) => new()
    {
        Entity = 0,
        Key = System.Text.Encoding.UTF8.GetBytes(key),
        Sequence = sequence,
        Incarnation = new Guid(7, 0, 0, new byte[8]),
        ErasedAtMs = 1_527_811_200_000,
        Guards = [new TombstoneGuard("payments", [3, 0, long.MaxValue]), new TombstoneGuard("écran", [])],
        Earlier = [[new TombstoneGuard("payments", [1, 0, 2])], [], [new TombstoneGuard("payments", [2]), new TombstoneGuard("écran", [])]],
    };

    private static string Describe(IEntityStore store) => string.Join(", ", store.LoadTombstones()
        .Select(tombstone => $"{System.Text.Encoding.UTF8.GetString(tombstone.Key)} {tombstone.Sequence}").Order(StringComparer.Ordinal));

    private protected void AssertHolds(IEntityStore store, long sequence)
    {
        Assert.AreEqual(JsonSerializer.Serialize(History.Make(sequence).Header), JsonSerializer.Serialize(store.LoadHeader()));
        CollectionAssert.AreEqual(History.StateAt(sequence), CheckpointHistory.Load(store));
    }

    private protected Checkpoint Of(params (int Entity, string Key, string Block)[] entries)
    {
        var keys = new BlockSet();
        var blocks = new BlockSet();
        foreach (var (_, key, block) in entries)
        {
            keys.Add(System.Text.Encoding.UTF8.GetBytes(key));
            blocks.Add(System.Text.Encoding.UTF8.GetBytes(block));
        }
        return new Checkpoint(History.Make(1).Header, [.. entries.Select(entry => entry.Entity)], keys, blocks);
    }

    private static List<string> Texts(IEntityStore store)
    {
        var texts = new List<string>();
        store.LoadBlocks((entity, key, block) =>
            texts.Add($"{System.Text.Encoding.UTF8.GetString(key)}{entity}={System.Text.Encoding.UTF8.GetString(block)}"));
        texts.Sort(StringComparer.Ordinal);
        return texts;
    }
}
