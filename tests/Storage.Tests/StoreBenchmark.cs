using System.Diagnostics;
using FeatureStore.Runtime;
using FeatureStore.Storage.Sqlite;

namespace FeatureStore.Storage.Tests;

/// <summary>What a checkpoint costs: 15,000 blocks of 3 KB, new, over themselves, and among ten times as many.</summary>
internal static class StoreBenchmark
{
    private const int Dirty = 15_000;
    private const int BlockBytes = 3_000;

    public static void Run(string directory)
    {
        var random = new Random(1);
        using var store = new SqliteEntityStore(directory);
        // The first calls pay for compilation.
        Save(store, random, Enumerable.Range(10_000_000, 100), null);
        Save(store, random, Enumerable.Range(0, Dirty), "new");
        for (var round = 0; round < 5; round++)
            Save(store, random, Enumerable.Range(0, Dirty), "update of all");
        Save(store, random, Enumerable.Range(Dirty, 9 * Dirty), "135,000 more");
        for (var round = 0; round < 5; round++)
            Save(store, random, random.GetItems([.. Enumerable.Range(0, 10 * Dirty)], Dirty).Distinct(), "update of a tenth");
        var started = Stopwatch.GetTimestamp();
        var (count, bytes) = (0L, 0L);
        store.LoadBlocks((_, key, block) =>
        {
            count++;
            bytes += block.Length;
        });
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        Console.WriteLine($"load: {count / seconds:n0} blocks/s, {bytes / seconds / 1e6:n0} MB/s");
        foreach (var file in new DirectoryInfo(directory).GetFiles())
            Console.WriteLine($"{file.Name}: {file.Length / 1e6:n1} MB");
    }

    private static void Save(SqliteEntityStore store, Random random, IEnumerable<int> ids, string? name)
    {
        int[] shuffled = [.. ids];
        random.Shuffle(shuffled);
        var keys = new BlockSet();
        var blocks = new BlockSet();
        foreach (var id in shuffled)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(keys.Add(sizeof(long)), id * 7919L);
            random.NextBytes(blocks.Add(BlockBytes));
        }
        var header = new CheckpointHeader
        {
            LayoutFingerprint = 1,
            Incarnation = Guid.Empty,
            Sequence = 1,
            ClusterId = "c",
            Partitions = [],
            StreamTimesMs = new Dictionary<string, long>(),
        };
        var checkpoint = new Checkpoint(header, [.. shuffled.Select(id => id & 1)], keys, blocks);
        using var process = Process.GetCurrentProcess();
        var processor = process.TotalProcessorTime;
        var started = Stopwatch.GetTimestamp();
        store.Save(checkpoint);
        var wall = Stopwatch.GetElapsedTime(started);
        process.Refresh();
        if (name is not null)
            Console.WriteLine($"save, {name}: {shuffled.Length} blocks, CPU {(process.TotalProcessorTime - processor).TotalMilliseconds:n0} ms, wall {wall.TotalMilliseconds:n0} ms");
    }
}
