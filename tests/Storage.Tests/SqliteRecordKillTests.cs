using System.Diagnostics;
using System.Globalization;
using FeatureStore.Storage.Sqlite;

namespace FeatureStore.Storage.Tests;

/// <summary>Processes that write to one file of records, killed in the midst of it.</summary>
[TestClass]
public sealed class SqliteRecordKillTests
{
    private const int Processes = 2;
    private const int Kills = 6;
    private const int Seed = 29;

    [TestMethod]
    public async Task Killed_processes_leave_all_that_was_answered()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File("cluster.db");
        var random = new Random(Seed);
        var answered = new Dictionary<string, int>();
        for (var kill = 0; kill < Kills; kill++)
        {
            using (var first = Start(path, "0"))
            using (var second = Start(path, "1"))
            {
                Process[] processes = [first, second];
                // One dies, and the other goes on; then it dies too.
                Read(first, random.Next(20, 200));
                first.Kill();
                Read(second, random.Next(20, 200));
                second.Kill();
                foreach (var process in processes)
                {
                    Read(process, int.MaxValue);
                    process.WaitForExit();
                }
            }

            using var store = new SqliteRecordStore(path, "test");
            foreach (var (name, number) in answered)
                Assert.IsGreaterThanOrEqualTo(number, BitConverter.ToInt32((await store.ReadAsync(name)).Bytes), $"seed {Seed}, kill {kill}, record {name}");
        }

        Assert.AreEqual(Processes * Program.Records, answered.Count);

        void Read(Process process, int lines)
        {
            for (var line = 0; line < lines && process.StandardOutput.ReadLine() is { } text; line++)
            {
                var separator = text.IndexOf(' ', StringComparison.Ordinal);
                // The kill may have cut the last line.
                if (text.EndsWith('.'))
                    answered[text[..separator]] = int.Parse(text[separator..^1], CultureInfo.InvariantCulture);
            }
        }
    }

    private static Process Start(string path, string name) =>
        Process.Start(new ProcessStartInfo("dotnet", [typeof(Program).Assembly.Location, "count", path, name]) { RedirectStandardOutput = true })!;
}
