using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using FeatureStore.Storage.Sqlite;

namespace FeatureStore.Storage.Tests;

/// <summary>Another process on the data: killed in the midst of saving, or turned away.</summary>
[TestClass]
public sealed class SqliteKillTests
{
    private const int Kills = 12;
    private const int Seed = 23;

    [TestMethod]
    public void A_process_killed_while_it_saves_leaves_one_whole_checkpoint()
    {
        using var directory = new TemporaryDirectory();
        var random = new Random(Seed);
        var history = new CheckpointHistory(Seed);
        var saved = 0L;
        for (var kill = 0; kill < Kills; kill++)
        {
            var moment = random.Next(1, 60);
            var printed = SaveAndKill(directory.Path, afterCheckpoints: moment);
            Assert.IsGreaterThan(saved, printed, $"seed {Seed}, kill {kill}");
            using var store = new SqliteEntityStore(directory.Path, Program.SmallLog);
            var header = store.LoadHeader()!;
            // What was printed was saved; the kill may have hit just after one more.
            Assert.IsInRange(printed, printed + 1, header.Sequence, $"seed {Seed}, kill {kill}");
            Assert.AreEqual(JsonSerializer.Serialize(history.Make(header.Sequence).Header), JsonSerializer.Serialize(header), $"seed {Seed}, kill {kill}");
            CollectionAssert.AreEqual(history.StateAt(header.Sequence), CheckpointHistory.Load(store), $"seed {Seed}, kill {kill}");
            saved = header.Sequence;
        }
    }

    [TestMethod]
    public void A_second_process_is_refused_in_one_sentence_of_fact_and_one_of_advice()
    {
        using var directory = new TemporaryDirectory();
        using var store = new SqliteEntityStore(directory.Path);
        using var process = Start(directory.Path);
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.AreEqual(2, process.ExitCode);
        Assert.AreEqual(
            $"data directory \"{directory.Path}\" is in use: another process holds its file \"lock\". Stop that process, or give another data directory.",
            error.Trim());
    }

    /// <summary>Returns the last checkpoint that the process said it had saved.</summary>
    private static long SaveAndKill(string directory, int afterCheckpoints)
    {
        using var process = Start(directory);
        var last = "";
        for (var i = 0; i < afterCheckpoints; i++)
            last = process.StandardOutput.ReadLine() ?? throw new AssertFailedException(process.StandardError.ReadToEnd());
        process.Kill();
        for (var line = process.StandardOutput.ReadLine(); line is not null; line = process.StandardOutput.ReadLine())
            last = line;
        process.WaitForExit();
        return long.Parse(last, CultureInfo.InvariantCulture);
    }

    private static Process Start(string directory) => Process.Start(
        new ProcessStartInfo("dotnet", [typeof(Program).Assembly.Location, "save", directory, Seed.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
}
