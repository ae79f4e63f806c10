#if ORLEANS
using System.Buffers.Binary;
using System.Diagnostics;
using FeatureStore.Core.Plans;
using FeatureStore.Grains;
using FeatureStore.Grains.Placement;
using FeatureStore.Harness;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using FeatureStore.Storage;
using FeatureStore.Storage.Redis;
using Microsoft.Extensions.DependencyInjection;

namespace FeatureStore.Benchmarks;

/// <summary>Look-ups of customers' blocks, without HTTP: from the runtimes, and from Redis.</summary>
internal static class LookUpRun
{
    private const int Readers = 4;
    private static readonly TimeSpan _warmUp = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _time = TimeSpan.FromSeconds(3);

    public static void Run(ProjectPlan plan, Transaction[] transactions)
    {
        using var local = new LocalRuntime(plan, new LocalRuntimeOptions { Shards = 1 });
        ClusterRun.Apply(plan, local, null, transactions);
        Print("local", local.ReadAsync, transactions);
        using (var cluster = ClusterRun.Start(plan, 3, EntityPlacementPreference.Owner))
        {
            var (runtime, checkpoints) = ClusterRun.Own(cluster);
            ClusterRun.Apply(plan, runtime, checkpoints, transactions);
            Print("from the owner's silo", runtime.ReadAsync, transactions);
            Print("from another silo", ClusterRun.Services(cluster, 1).GetRequiredService<OrleansRuntime>().ReadAsync, transactions);
        }

        using var server = RedisServer.Start();
        var store = HotStore(plan, server, local, transactions);
        try
        {
            Print("from Redis", store.GetAsync, transactions);
        }
        finally
        {
            store.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    /// <summary>A hot store that has the customers.</summary>
    public static RedisHotStore HotStore(ProjectPlan plan, RedisServer server, LocalRuntime local, Transaction[] transactions)
    {
        var store = new RedisHotStore("bench", [.. plan.Entities.Select(entity => entity.Name)], new RedisHotStoreOptions { Configuration = server.Address, GetTimeoutMs = 1000 });
        var (keys, blocks) = (new BlockSet(), new BlockSet());
        foreach (var customer in transactions.Select(transaction => transaction.Customer).Distinct())
            BinaryPrimitives.WriteInt64BigEndian(keys.Add(8), customer);
        local.ReadAsync(0, keys, blocks, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        Wait.Until(Publishes, TimeSpan.FromSeconds(10), () => "Redis takes nothing.");
        return store;

        bool Publishes()
        {
            try
            {
                store.PublishAsync(new HotBlocks(0, 1, keys, [.. Enumerable.Repeat(1L, keys.Count)], blocks), CancellationToken.None).AsTask().GetAwaiter().GetResult();
                return true;
            }
            catch (HotStoreException)
            {
                // The connection is being made.
                return false;
            }
        }
    }

    private static void Print(string name, Func<int, BlockSet, BlockSet, CancellationToken, ValueTask> read, Transaction[] transactions)
    {
        foreach (var width in new[] { 1, 50 })
        {
            ReadFor(_warmUp);
            var cost = new Cost();
            var latencies = ReadFor(_time);
            var keys = latencies.Count * (long)width;
            Console.WriteLine($"look-ups, {name,-21}: {keys / _time.TotalSeconds,9:N0} keys/s by {Readers} readers, {width,2} a call; {cost.CpuMicroseconds / keys,5:F2} µs of processor a key; a call {ClusterRun.Percentiles(latencies)}");

            List<double> ReadFor(TimeSpan time)
            {
                var stop = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
                return [.. Task.WhenAll(Enumerable.Range(1, Readers).Select(seed => Task.Run(() => ReadUntilAsync(read, transactions, width, stop, seed)))).GetAwaiter().GetResult().SelectMany(of => of)];
            }
        }
    }

    private static async Task<List<double>> ReadUntilAsync(
        Func<int, BlockSet, BlockSet, CancellationToken, ValueTask> read, Transaction[] transactions, int width, long stop, int seed)
    {
        var random = new Random(seed);
        var (keys, blocks) = (new BlockSet(), new BlockSet());
        List<double> latencies = [];
        while (Stopwatch.GetTimestamp() < stop)
        {
            keys.Clear();
            blocks.Clear();
            for (var key = 0; key < width; key++)
                BinaryPrimitives.WriteInt64BigEndian(keys.Add(8), transactions[random.Next(transactions.Length)].Customer);
            var start = Stopwatch.GetTimestamp();
            await read(0, keys, blocks, CancellationToken.None).ConfigureAwait(false);
            latencies.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            for (var key = 0; key < width; key++)
            {
                if (blocks[key].IsEmpty)
                    throw new InvalidOperationException("A customer of the stream has no block.");
            }
        }

        return latencies;
    }
}
#endif
