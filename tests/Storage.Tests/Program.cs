using FeatureStore.Storage.Sqlite;

namespace FeatureStore.Storage.Tests;

/// <summary>What the test assembly does when it is started as a process of its own.</summary>
internal static class Program
{
    /// <summary>Small, so that the log is copied into the database every few checkpoints, and a kill can hit that too.</summary>
    public static readonly SqliteEntityStoreOptions SmallLog = new() { LogBytesMax = 256 << 10 };

    public static async Task<int> Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["save", var directory, var seed]:
                return SaveForEver(directory, int.Parse(seed));
            case ["bench-sqlite", var directory]:
                StoreBenchmark.Run(directory);
                return 0;
            case ["bench-redis"]:
                await HotStoreBenchmark.RunAsync();
                return 0;
            default:
                await Console.Error.WriteLineAsync("use: save DIRECTORY SEED | bench-sqlite DIRECTORY | bench-redis");
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
}
