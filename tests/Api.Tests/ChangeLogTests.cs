using System.Buffers.Binary;
using FeatureStore.Api.Changes;

namespace FeatureStore.Api.Tests;

[TestClass]
public sealed class ChangeLogTests
{
    /// <summary>Against a list of all changes ever: what is kept is the newest of each of the entities that changed last.</summary>
    [TestMethod]
    public void KeepsTheNewestChangeOfTheEntitiesThatChangedLast()
    {
        const int Seed = 1;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        for (var run = 0; run < 200; run++)
        {
            var (kept, keys) = (random.Next(1, 20), random.Next(1, 40));
            var log = new ChangeLog(2, kept);
            List<(long Number, int Entity, long Key)> all = [];
            for (var step = 0; step < 200; step++)
            {
                if (random.Next(50) == 0)
                    log.Skip();
                var (entity, key) = (random.Next(2), (long)random.Next(keys));
                var before = Latest(all, kept);
                log.Append(entity, Key(key), out var replaced, out var dropped);
                all.Add((log.Last, entity, key));
                var known = before.Find(change => change.Entity == entity && change.Key == key);
                Assert.AreEqual(known.Number, replaced);
                Assert.AreEqual(known.Number == 0 && before.Count == kept ? before[0].Number : 0, dropped?.Number ?? 0);
                Check(log, Latest(all, kept), random);
            }

            log.Forget(0);
            List<Change> left = [];
            log.Read(0, _ => true, int.MaxValue, left);
            CollectionAssert.AreEqual(Latest(all, kept).Where(change => change.Entity == 1).ToList(), left.Select(Tuple).ToList());
        }
    }

    private static void Check(ChangeLog log, List<(long Number, int Entity, long Key)> expected, Random random)
    {
        var (after, countMax, entity) = (random.NextInt64(log.Last + 1), random.Next(1, 12), random.Next(3));
        var wanted = expected.Where(change => change.Number > after && (entity == 2 || change.Entity == entity)).ToList();
        List<Change> changes = [];
        var position = log.Read(after, change => entity == 2 || change.Entity == entity, countMax, changes);
        CollectionAssert.AreEqual(wanted.Take(countMax).ToList(), changes.Select(Tuple).ToList());
        // Nothing that is wanted lies between what was read and where reading goes on.
        Assert.IsTrue(position <= log.Last && (wanted.Count > countMax ? position >= wanted[countMax - 1].Number && position < wanted[countMax].Number : position == log.Last));
    }

    private static List<(long Number, int Entity, long Key)> Latest(List<(long Number, int Entity, long Key)> all, int kept) =>
        [.. all.GroupBy(change => (change.Entity, change.Key)).Select(group => group.MaxBy(change => change.Number)).OrderBy(change => change.Number).TakeLast(kept)];

    private static (long Number, int Entity, long Key) Tuple(Change change) => (change.Number, change.Entity, BinaryPrimitives.ReadInt64BigEndian(change.Key));

    private static byte[] Key(long key)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, key);
        return bytes;
    }
}
