using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using FeatureStore.Runtime;
using FeatureStore.Storage.Redis;

namespace FeatureStore.Storage.Tests;

/// <summary>Blocks published a second, and the time of reads one after the other, on a Redis of its own on loopback.</summary>
internal static class HotStoreBenchmark
{
    private const int Count = 15_000;
    private const int BlockBytes = 3_000;
    private const int Reads = 5_000;

    public static async Task RunAsync()
    {
        using var server = RedisServer.Start();
        await using var store = new RedisHotStore("bench", ["customer"], new RedisHotStoreOptions { Configuration = server.Address, GetTimeoutMs = 1_000 });
        await Wait.UntilAsync("connected", async () => await store.GetStreamTimeAsync("s", CancellationToken.None) == long.MinValue);
        var random = new Random(1);
        var keys = new BlockSet();
        var blocks = new BlockSet();
        for (var i = 0; i < Count; i++)
        {
            BinaryPrimitives.WriteInt64BigEndian(keys.Add(sizeof(long)), i);
            random.NextBytes(blocks.Add(BlockBytes));
        }
        var emptyBytes = MemoryBytes(server);
        for (var round = 1; round <= 5; round++)
        {
            using var process = Process.GetCurrentProcess();
            var processor = process.TotalProcessorTime;
            var started = Stopwatch.GetTimestamp();
            await store.PublishAsync(new HotBlocks(0, 1, keys, [.. Enumerable.Repeat((long)round, Count)], blocks), CancellationToken.None);
            var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            process.Refresh();
            Console.WriteLine($"publish {Count} blocks of {BlockBytes} B: {Count / seconds:n0} blocks/s, CPU of the client {(process.TotalProcessorTime - processor).TotalMilliseconds:n0} ms");
        }
        foreach (var width in new[] { 1, 50 })
            await ReadAsync(store, random, width);
        Console.WriteLine($"memory: {(MemoryBytes(server) - emptyBytes) / Count} B for a block of {BlockBytes} B");
    }

    private static async Task ReadAsync(RedisHotStore store, Random random, int width)
    {
        var milliseconds = new double[Reads];
        var keys = new BlockSet();
        var blocks = new BlockSet();
        for (var read = -500; read < Reads; read++)
        {
            keys.Clear();
            for (var i = 0; i < width; i++)
                BinaryPrimitives.WriteInt64BigEndian(keys.Add(sizeof(long)), random.Next(Count));
            var started = Stopwatch.GetTimestamp();
            await store.GetAsync(0, keys, blocks, CancellationToken.None);
            if (read >= 0)
                milliseconds[read] = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        }
        Array.Sort(milliseconds);
        Console.WriteLine($"get {width} keys: p50 {milliseconds[Reads / 2]:n3} ms, p99 {milliseconds[Reads * 99 / 100]:n3} ms");
    }

    /// <summary>Bytes in use, by Redis' own count.</summary>
    private static long MemoryBytes(RedisServer server) =>
        long.Parse(server.Command("EVAL \"return tonumber(string.match(redis.call('INFO','memory'), 'used_memory:(%d+)'))\" 0")[1..], CultureInfo.InvariantCulture);
}
