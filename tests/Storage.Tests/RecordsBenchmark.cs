using System.Diagnostics;
using FeatureStore.Storage.Sqlite;

namespace FeatureStore.Storage.Tests;

/// <summary>What grain storage in SQLite costs: blocks of 1 KB, one transaction each, and as many at once as a silo writes; reads; two stores on one file.</summary>
internal static class RecordsBenchmark
{
    private const int Blocks = 20_000;
    private const int BlockBytes = 1_000;
    private const int AtOnce = 512;

    public static async Task RunAsync(string directory)
    {
        using var store = new SqliteRecordStore(Path.Combine(directory, "cluster.db"), "bench");
        using var other = new SqliteRecordStore(Path.Combine(directory, "cluster.db"), "bench");
        var versions = new long[Blocks];
        var random = new Random(1);
        await WriteAsync([store], versions, 1000, AtOnce, random, null);
        await WriteAsync([store], versions, 1000, 1, random, "one at a time");
        await WriteAsync([store], versions, Blocks, 32, random, "32 at once");
        for (var round = 0; round < 3; round++)
            await WriteAsync([store], versions, Blocks, AtOnce, random, $"{AtOnce} at once");
        await WriteAsync([store, other], versions, Blocks, AtOnce, random, $"two stores, {AtOnce} at once each");
        var started = Stopwatch.GetTimestamp();
        for (var block = 0; block < Blocks; block++)
            await store.ReadAsync(Name(block));
        Console.WriteLine($"reads, one at a time: {Blocks / Stopwatch.GetElapsedTime(started).TotalSeconds:n0}/s");
        foreach (var file in new DirectoryInfo(directory).GetFiles())
            Console.WriteLine($"{file.Name}: {file.Length / 1e6:n1} MB");
    }

    private static async Task WriteAsync(SqliteRecordStore[] stores, long[] versions, int count, int atOnce, Random random, string? name)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        random.Shuffle(order);
        var block = new byte[BlockBytes];
        random.NextBytes(block);
        using var process = Process.GetCurrentProcess();
        var processor = process.TotalProcessorTime;
        var started = Stopwatch.GetTimestamp();
        var next = -1;
        await Task.WhenAll(stores.SelectMany(store => Enumerable.Range(0, atOnce).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Increment(ref next) is var index && index < count)
            {
                var change = await store.WriteAsync(Name(order[index]), block, versions[order[index]]);
                versions[order[index]] = change.IsDone ? change.Version : throw new InvalidOperationException("A write was refused.");
            }
        }))));
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        process.Refresh();
        if (name is not null)
            Console.WriteLine($"writes, {name}: {count / seconds:n0}/s, CPU {(process.TotalProcessorTime - processor).TotalMicroseconds / count:n0} µs each");
    }

    private static string Name(int block) => $"featurestore-block/featurestore-entity/customer/{block * 7919L:x16}";
}
