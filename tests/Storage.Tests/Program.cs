using FeatureStore.Storage.Sqlite;

namespace FeatureStore.Storage.Tests;

/// <summary>What the test assembly does when it is started as a process of its own.</summary>
internal static class Program
{
    /// <summary>Small, so that the log is copied into the database every few checkpoints, and a kill can hit that too.</summary>
    public static readonly SqliteEntityStoreOptions SmallLog = new() { LogBytesMax = 256 << 10 };

    /// <summary>Counted up by each process that counts.</summary>
    public const int Records = 20;

    public static async Task<int> Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["save", var directory, var seed]:
                return SaveForEver(directory, int.Parse(seed));
            case ["count", var path, var name]:
                await CountForEverAsync(path, name);
                return 0;
            case ["bench-records", var directory]:
                await RecordsBenchmark.RunAsync(directory);
                return 0;
            case ["bench-sqlite", var directory]:
                StoreBenchmark.Run(directory);
                return 0;
            case ["bench-redis"]:
                await HotStoreBenchmark.RunAsync();
                return 0;
            default:
                await Console.Error.WriteLineAsync("use: save DIRECTORY SEED | count FILE NAME | bench-sqlite DIRECTORY | bench-records DIRECTORY | bench-redis");
                return 2;
        }
    }

    /// <summary>Saves checkpoints of a history, from where the store is, and prints the number of each; until killed, or refused.</summary>
    private static int SaveForEver(string directory, int seed)
    {
        try
        {
            using var store = new SqliteEntityStore(directory, SmallLog);
            var history = new CheckpointHistory(seed);
            for (var sequence = (store.LoadHeader()?.Sequence ?? 0) + 1; ; sequence++)
            {
                store.Save(history.Make(sequence));
                Console.WriteLine(sequence);
            }
        }
        catch (EntityStoreException exception)
        {
            Console.Error.WriteLine(exception.Message);
            return 2;
        }
    }

    /// <summary>Counts records up, all at once, from where they are, and prints each number that the store has answered; until killed.</summary>
    private static async Task CountForEverAsync(string path, string process)
    {
        using var store = new SqliteRecordStore(path, "test");
        await Task.WhenAll(Enumerable.Range(0, Records).Select(async record =>
        {
            var name = $"{process}/{record}";
            var (version, bytes) = await store.ReadAsync(name);
            for (var number = version == 0 ? 1 : BitConverter.ToInt32(bytes) + 1; ; number++)
            {
                version = (await store.WriteAsync(name, BitConverter.GetBytes(number), version)).Version;
                Console.WriteLine($"{name} {number}.");
            }
        }));
    }
}
