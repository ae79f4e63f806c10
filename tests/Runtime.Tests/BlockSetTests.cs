namespace FeatureStore.Runtime.Tests;

[TestClass]
public sealed class BlockSetTests
{
    [TestMethod]
    public void EntriesReadBackWhateverTheirSizes()
    {
        const int Seed = 6;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var set = new BlockSet();
        for (var round = 0; round < 30; round++)
        {
            var entries = Enumerable.Range(0, random.Next(200)).Select(_ => new byte[random.Next(20) == 0 ? random.Next(100_000) : random.Next(40)]).ToList();
            foreach (var entry in entries)
            {
                random.NextBytes(entry);
                set.Add(entry);
            }

            Assert.AreEqual(entries.Count, set.Count);
            Assert.AreEqual(entries.Sum(entry => (long)entry.Length), set.TotalLength);
            for (var index = 0; index < entries.Count; index++)
            {
                Assert.IsTrue(set[index].SequenceEqual(entries[index]));
                Assert.IsTrue(set.Memory(index).Span.SequenceEqual(entries[index]));
            }

            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => set[entries.Count].Length);
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => set.Memory(-1));
            set.Clear();
            Assert.AreEqual(0, set.TotalLength);
        }
    }

    [TestMethod]
    public void MemoryIsKept()
    {
        var set = new BlockSet();
        for (var round = 0; round < 4; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var entry = 0; entry < 1000; entry++)
                set.Add(100 + entry % 7);
            set.Clear();
            if (round > 0)
                Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }

    /// <summary>A checkpoint of a large state is larger than one array can be. Untouched memory costs nothing.</summary>
    [TestMethod]
    public void ASetMayBeLargerThanTwoGigabytes()
    {
        const int EntryBytes = 100_000_000;
        var set = new BlockSet();
        for (byte entry = 0; entry < 25; entry++)
            set.Add(EntryBytes)[^1] = entry;
        Assert.AreEqual(25L * EntryBytes, set.TotalLength);
        for (byte entry = 0; entry < 25; entry++)
            Assert.AreEqual(entry, set[entry][^1]);
    }
}
