using System.Text;
using FeatureStore.Core.Events;

namespace FeatureStore.Core.Tests.Events;

[TestClass]
public sealed class SeenIdsTests
{
    private static readonly TimeSpan _lateness = TimeSpan.FromMilliseconds(100);
    private static readonly UInt128 _seed = new(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);

    [TestMethod]
    public void An_id_is_a_repeat_until_the_lateness_has_passed()
    {
        var ids = new SeenIds(_lateness, _seed);
        Assert.IsTrue(ids.Add(1, 1000));
        Assert.IsFalse(ids.Add(1, 1000));
        Assert.IsTrue(ids.Add(2, 1100));
        Assert.IsFalse(ids.Add(1, 1050));
        Assert.IsTrue(ids.Add(3, 1101));
        Assert.IsTrue(ids.Add(1, 1101));
        Assert.IsFalse(ids.Add(2, 1150));
        Assert.AreEqual(3, ids.Count);
        Assert.AreEqual(1150, ids.NewestMs);
    }

    [TestMethod]
    public void An_id_that_is_too_late_is_not_remembered()
    {
        var ids = new SeenIds(TimeSpan.Zero, _seed);
        Assert.IsTrue(ids.Add(1, 1000));
        Assert.IsTrue(ids.Add(2, 999));
        Assert.IsTrue(ids.Add(2, 999));
        Assert.IsFalse(ids.Add(1, 1000));
        Assert.AreEqual(1, ids.Count);
    }

    [TestMethod]
    public void Extreme_times_and_ids_do_no_harm()
    {
        var ids = new SeenIds(TimeSpan.FromDays(10_000_000), _seed);
        Assert.IsTrue(ids.Add(long.MinValue, long.MinValue));
        Assert.IsFalse(ids.Add(long.MinValue, long.MinValue));
        Assert.IsTrue(ids.Add(long.MaxValue, long.MaxValue));
        Assert.IsTrue(ids.Add(long.MinValue, long.MaxValue));
        Assert.IsFalse(SeenIds.Deserialize(ids.Serialize(), _lateness).Add(long.MaxValue, 0));
    }

    [TestMethod]
    public void Texts_that_are_alike_are_told_apart()
    {
        var ids = new SeenIds(_lateness, _seed);
        var texts = new HashSet<string>();
        for (var length = 0; length < 70; length++)
        {
            foreach (var character in "\0a")
            {
                texts.Add(new string(character, length));
                texts.Add("x" + new string(character, length));
                texts.Add(new string(character, length) + "x");
            }
        }

        for (var i = 0; i < 100_000; i++)
            texts.Add($"order-{i}");
        foreach (var text in texts)
            Assert.IsTrue(ids.Add(Encoding.UTF8.GetBytes(text), 0), text);
        foreach (var text in texts)
            Assert.IsFalse(ids.Add(Encoding.UTF8.GetBytes(text), 0), text);
    }

    [TestMethod]
    [DataRow(1, 1_000_000, 300)]
    [DataRow(2, 1_000_000, 5)]
    [DataRow(3, 50, 1000)]
    [DataRow(4, 1, 10)]
    [DataRow(5, 300, 1000)]
    public void Answers_as_a_plain_list_does(int seed, int idsMax, int distinct)
    {
        var random = new Random(seed);
        var ids = new SeenIds(_lateness, new UInt128((ulong)random.NextInt64(), (ulong)random.NextInt64()), idsMax);
        var list = new List<(long Id, long TimeMs)>();
        var all = new Dictionary<long, long>();
        var newestMs = 0L;
        var evicted = 0L;
        for (var i = 0; i < 20_000; i++)
        {
            if (i % 997 == 0)
                ids = Reload(ids, idsMax, ref evicted);
            // Multiples of a power of two, which a weak hash would put side by side.
            var id = (long)random.Next(distinct) << random.Next(3) * 20;
            var timeMs = Math.Max(newestMs, i / 10) - (random.Next(5) > 0 ? random.Next(20) : random.Next(130));
            newestMs = Math.Max(newestMs, timeMs);
            var text = Encoding.UTF8.GetBytes($"{id}");
            var added = seed % 2 == 0 ? ids.Add(text, timeMs) : ids.Add(id, timeMs);

            Assert.AreEqual(AddToList(list, id, timeMs, newestMs - 100, idsMax, ref evicted), added, $"seed {seed}, event {i}");
            Assert.AreEqual(list.Count, ids.Count, $"seed {seed}, event {i}");
            Assert.AreEqual(evicted, ids.EvictedCount, $"seed {seed}, event {i}");
            if (idsMax < 1_000_000)
                continue;
            // Without the bound, how ids are kept must not show.
            var isRepeat = all.TryGetValue(id, out var rememberedMs) && rememberedMs >= newestMs - 100;
            Assert.AreEqual(!isRepeat, added, $"seed {seed}, event {i}");
            if (added)
                all[id] = timeMs;
        }
    }

    [TestMethod]
    public void A_lower_bound_keeps_the_newest()
    {
        var ids = new SeenIds(_lateness, _seed);
        for (var id = 0; id < 1000; id++)
            ids.Add(id, id / 100);
        var fewer = SeenIds.Deserialize(ids.Serialize(), _lateness, 10);
        Assert.AreEqual(10, fewer.Count);
        Assert.IsFalse(fewer.Add(990, 9));
        Assert.IsTrue(fewer.Add(989, 9));
    }

    [TestMethod]
    public void Corrupt_bytes_are_refused()
    {
        var ids = new SeenIds(_lateness, _seed);
        ids.Add(5, 1000);
        ids.Add("text"u8, 1001);
        var bytes = ids.Serialize();
        for (var at = 0; at < bytes.Length; at++)
        {
            Refuse(bytes.AsSpan(0, at).ToArray());
            var changed = bytes.ToArray();
            changed[at] ^= 0x10;
            Refuse(changed);
        }

        StringAssert.Contains(Refuse([.. bytes, 0]), "Remembered ids cannot be read: its checksum does not match. Restore the checkpoint, or start without it.", StringComparison.Ordinal);
        StringAssert.Contains(Refuse([]), "0 bytes are too few", StringComparison.Ordinal);
        bytes[0] = 2;
        StringAssert.Contains(Refuse(bytes), "its version is 2, and this program knows version 1", StringComparison.Ordinal);
    }

    [TestMethod]
    public void Steady_state_allocates_nothing()
    {
        const int PerRound = 5000;
        var ids = new SeenIds(TimeSpan.FromSeconds(20), _seed);
        var id = 0L;
        for (var round = 0; round < 100; round++)
        {
            var allocated = GC.GetAllocatedBytesForCurrentThread();
            for (var end = id + PerRound; id < end; id++)
                ids.Add(id, id / 2);
            allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
            Assert.IsTrue(round < 50 || allocated == 0, $"{allocated} bytes in round {round}");
        }

        Assert.AreEqual(40_002, ids.Count);
        Assert.IsLessThan(8 * ids.Count, ids.Serialize().Length);
    }

    private static bool AddToList(List<(long Id, long TimeMs)> list, long id, long timeMs, long oldestMs, int idsMax, ref long evicted)
    {
        while (list.Count > 0 && list[0].TimeMs < oldestMs)
            list.RemoveAt(0);
        var at = list.FindIndex(entry => entry.Id == id);
        if (at >= 0)
        {
            if (list[at].TimeMs >= oldestMs)
                return false;
            list[at] = (id, timeMs);
            return true;
        }

        if (timeMs < oldestMs)
            return true;
        if (list.Count == idsMax)
        {
            list.RemoveAt(0);
            evicted++;
        }

        list.Add((id, timeMs));
        return true;
    }

    private static SeenIds Reload(SeenIds ids, int idsMax, ref long evicted)
    {
        evicted = 0;
        return SeenIds.Deserialize(ids.Serialize(), _lateness, idsMax);
    }

    private static string Refuse(byte[] bytes) => Assert.ThrowsExactly<InvalidDataException>(() => SeenIds.Deserialize(bytes, _lateness)).Message;
}
