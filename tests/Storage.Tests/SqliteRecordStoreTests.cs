using System.Text;
using FeatureStore.Runtime;
using FeatureStore.Storage.Sqlite;
using Microsoft.Data.Sqlite;

namespace FeatureStore.Storage.Tests;

[TestClass]
public sealed class SqliteRecordStoreTests : IDisposable
{
    private const string RestoreHint = "Stop all silos and restore a copy, or remove it: its state is rebuilt from the stream.";
    private readonly TemporaryDirectory _directory = new();

    private string Database => _directory.File("cluster.db");

    public void Dispose() => _directory.Dispose();

    [TestMethod]
    public async Task A_record_is_absent_then_there_and_absent_again()
    {
        using var store = Open();
        Assert.AreEqual(0, (await store.ReadAsync("a")).Version);
        Assert.IsEmpty((await store.ReadAsync("a")).Bytes);
        var first = await WriteAsync(store, "a", "one", 0);
        Assert.AreEqual("one", await TextAsync(store, "a", first));
        var second = await WriteAsync(store, "a", "", first);
        Assert.AreEqual("", await TextAsync(store, "a", second));
        Assert.AreEqual(new RecordChange(true, 0), await store.DeleteAsync("a", second));
        Assert.AreEqual(0, (await store.ReadAsync("a")).Version);
        Assert.AreEqual(new RecordChange(true, 0), await store.DeleteAsync("a", 0));
        var third = await WriteAsync(store, "a", "anew", 0);
        CollectionAssert.AllItemsAreUnique(new[] { first, second, third });
    }

    [TestMethod]
    public async Task A_write_over_another_version_is_refused_and_changes_nothing()
    {
        using var store = Open();
        using var other = Open();
        var first = await WriteAsync(store, "a", "one", 0);
        Assert.AreEqual(new RecordChange(false, first), await other.WriteAsync("a", Bytes("x"), 0));
        var second = await WriteAsync(other, "a", "two", first);
        Assert.AreEqual(new RecordChange(false, second), await store.WriteAsync("a", Bytes("x"), first));
        Assert.AreEqual(new RecordChange(false, second), await store.DeleteAsync("a", first));
        Assert.AreEqual(new RecordChange(false, second), await store.DeleteAsync("a", 0));
        Assert.AreEqual("two", await TextAsync(store, "a", second));
        Assert.IsTrue((await other.DeleteAsync("a", second)).IsDone);
        Assert.AreEqual(new RecordChange(false, 0), await store.WriteAsync("a", Bytes("x"), second));
        Assert.AreEqual(new RecordChange(false, 0), await store.DeleteAsync("a", second));
        Assert.AreEqual(0, (await store.ReadAsync("a")).Version);
    }

    /// <summary>Of writes that share a transaction, one is refused.</summary>
    [TestMethod]
    public async Task A_refused_write_does_not_hold_up_the_others()
    {
        using var store = Open();
        var known = await WriteAsync(store, "5", "five", 0);
        var changes = await HeldAsync(() => Enumerable.Range(0, 10).Select(record => store.WriteAsync($"{record}", Bytes("new"), 0)));
        for (var record = 0; record < 10; record++)
        {
            Assert.AreEqual(record != 5, changes[record].IsDone, $"{record}");
            Assert.AreEqual(record == 5 ? "five" : "new", await TextAsync(store, $"{record}", record == 5 ? known : changes[record].Version));
        }
    }

    [TestMethod]
    public async Task Writes_that_wait_together_share_a_transaction()
    {
        const int Count = 2000;
        using var store = Open();
        var changes = await HeldAsync(() => Enumerable.Range(0, Count).Select(record => store.WriteAsync($"{record}", Bytes("some bytes"), 0)));
        Assert.IsTrue(changes.All(change => change.IsDone));
        // Each transaction writes at least one page to the log.
        Assert.IsLessThan(200 * 8192, new FileInfo(Database + "-wal").Length);
    }

    /// <summary>Writers of two stores on one file, as of two processes, all write over the same version: one of them does.</summary>
    [TestMethod]
    public async Task Of_the_writers_of_two_stores_over_one_version_one_is_done()
    {
        const int Rounds = 60, Writers = 8;
        using var store = Open();
        using var other = Open();
        Assert.AreEqual(store.Id, other.Id);
        for (var round = 0; round < Rounds; round++)
        {
            var known = await store.ReadAsync("a");
            Assert.AreEqual(known.Version, (await other.ReadAsync("a")).Version);
            using var together = new Barrier(Writers);
            var changes = await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Factory.StartNew(() =>
            {
                together.SignalAndWait();
                return (writer % 2 == 0 ? store : other).WriteAsync("a", Bytes($"{round} {writer}"), known.Version);
            }, TaskCreationOptions.LongRunning).Unwrap()));
            var winner = Enumerable.Range(0, Writers).Single(writer => changes[writer].IsDone);
            Assert.AreEqual($"{round} {winner}", await TextAsync(other, "a", changes[winner].Version));
        }
    }

    [TestMethod]
    public async Task What_was_written_is_there_after_opening_again()
    {
        Guid id;
        var versions = new long[500];
        using (var store = Open())
        {
            id = store.Id;
            var writes = Enumerable.Range(0, versions.Length).Select(record => store.WriteAsync($"{record}", new byte[record * 40], 0)).ToList();
            store.Dispose();
            // What waits when the store is closed is written first.
            for (var record = 0; record < versions.Length; record++)
                versions[record] = (await writes[record]).Version;
            await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => store.WriteAsync("a", default, 0));
            await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => store.ReadAsync("a").AsTask());
        }

        Assert.IsFalse(File.Exists(Database + "-wal"), "a clean stop leaves a log");
        using var again = Open();
        Assert.AreEqual(id, again.Id);
        for (var record = 0; record < versions.Length; record++)
        {
            var read = await again.ReadAsync($"{record}");
            Assert.AreEqual(versions[record], read.Version);
            Assert.HasCount(record * 40, read.Bytes);
        }
    }

    [TestMethod]
    public async Task Several_that_open_a_new_file_at_once_get_the_same_store()
    {
        var stores = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(Open)));
        Assert.HasCount(1, stores.Select(store => store.Id).Distinct());
        foreach (var store in stores)
            store.Dispose();
    }

    [TestMethod]
    public async Task A_record_that_changed_on_the_disk_is_found()
    {
        using (var store = Open())
        {
            await WriteAsync(store, "customer/1", "one", 0);
            await WriteAsync(store, "customer/2", "two", 0);
        }

        Change("UPDATE records SET bytes = x'6f6e66' WHERE name = 'customer/1'");
        using var damaged = Open();
        var exception = await Assert.ThrowsExactlyAsync<EntityStoreException>(() => damaged.ReadAsync("customer/1").AsTask());
        Assert.AreEqual($"grain storage \"{Database}\" is damaged: record \"customer/1\" does not match its checksum. {RestoreHint}", exception.Message);
        Assert.AreEqual("two", Encoding.UTF8.GetString((await damaged.ReadAsync("customer/2")).Bytes));
    }

    [TestMethod]
    public void A_file_that_is_no_database_is_refused()
    {
        File.WriteAllBytes(Database, [.. Enumerable.Repeat((byte)'x', 20_000)]);
        AssertRefused($"grain storage \"{Database}\" is damaged: SQLite Error 26: 'file is not a database'. {RestoreHint}");
    }

    [TestMethod]
    public async Task A_truncated_database_is_refused()
    {
        using (var store = Open())
            await Task.WhenAll(Enumerable.Range(0, 300).Select(record => store.WriteAsync($"{record}", new byte[3000], 0)));
        using (var file = File.OpenWrite(Database))
            file.SetLength(file.Length / 2);
        var exception = await Assert.ThrowsExactlyAsync<EntityStoreException>(async () =>
        {
            using var store = Open();
            for (var record = 0; record < 300; record++)
                await store.ReadAsync($"{record}");
        });
        StringAssert.StartsWith(exception.Message, $"grain storage \"{Database}\" is damaged: SQLite Error 11: ");
        StringAssert.EndsWith(exception.Message, RestoreHint);
    }

    [TestMethod]
    public void Other_data_are_refused()
    {
        Open().Dispose();
        var exception = Assert.ThrowsExactly<EntityStoreException>(() => new SqliteRecordStore(Database, "other"));
        Assert.AreEqual($"grain storage \"{Database}\" is of project \"test\", and this one is \"other\". Give another data directory.", exception.Message);
        Change("PRAGMA user_version = 2");
        AssertRefused($"grain storage \"{Database}\" is of format 2, and this version reads up to 1. Run the version that wrote it, or give another data directory.");
        Change("PRAGMA application_id = 1");
        AssertRefused($"grain storage \"{Database}\" is another program's SQLite database. Give another data directory.");
    }

    [TestMethod]
    public void A_folder_that_cannot_be_made_is_refused()
    {
        File.WriteAllText(_directory.File("file"), "");
        var path = Path.Combine(_directory.File("file"), "data", "cluster.db");
        var exception = Assert.ThrowsExactly<EntityStoreException>(() => new SqliteRecordStore(path, "test"));
        StringAssert.StartsWith(exception.Message, $"grain storage \"{path}\" cannot be used: ");
        StringAssert.EndsWith(exception.Message, ". Give a directory that this process may write.");
    }

    [TestMethod]
    public async Task A_file_removed_while_in_use_is_noticed()
    {
        using var store = Open();
        await WriteAsync(store, "a", "one", 0);
        File.Delete(Database);
        var exception = await Assert.ThrowsExactlyAsync<EntityStoreException>(() => store.WriteAsync("b", Bytes("two"), 0));
        Assert.AreEqual(
            $"grain storage \"{Database}\" is lost: the file was removed while in use; 1 records were not written. Stop all silos, and restore it or start with an empty data directory.", exception.Message);
    }

    [TestMethod]
    public async Task A_full_disk_refuses_writes_until_there_is_space()
    {
        using var disk = SmallDisk.TryMount(4);
        if (disk is null)
            Assert.Inconclusive("This process may not mount a small file system.");
        var path = Path.Combine(disk.Path, "cluster.db");
        using var store = new SqliteRecordStore(path, "test");
        var version = await WriteAsync(store, "a", "one", 0);
        var filler = Path.Combine(disk.Path, "filler");
        File.WriteAllBytes(filler, new byte[3 << 20]);
        var exception = await Assert.ThrowsExactlyAsync<EntityStoreException>(() => store.WriteAsync("a", new byte[2 << 20], version));
        StringAssert.EndsWith(exception.Message, "the disk is full; 1 records were not written. Free space on it.");
        Assert.AreEqual("one", await TextAsync(store, "a", version));
        File.Delete(filler);
        await WriteAsync(store, "a", "two", version);
    }

    private SqliteRecordStore Open() => new(Database, "test");

    /// <summary>Starts writes while another process has the database for itself: they wait together.</summary>
    private async Task<RecordChange[]> HeldAsync(Func<IEnumerable<Task<RecordChange>>> start)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Database, Pooling = false }.ToString());
        connection.Open();
        connection.Run("BEGIN IMMEDIATE");
        var writes = start().ToList();
        connection.Run("COMMIT");
        return await Task.WhenAll(writes);
    }

    private static async Task<long> WriteAsync(SqliteRecordStore store, string name, string text, long version)
    {
        var change = await store.WriteAsync(name, Bytes(text), version);
        Assert.IsTrue(change.IsDone);
        Assert.AreNotEqual(0, change.Version);
        return change.Version;
    }

    private static async Task<string> TextAsync(SqliteRecordStore store, string name, long version)
    {
        var record = await store.ReadAsync(name);
        Assert.AreEqual(version, record.Version);
        return Encoding.UTF8.GetString(record.Bytes);
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private void AssertRefused(string message) => Assert.AreEqual(message, Assert.ThrowsExactly<EntityStoreException>(Open).Message);

    private void Change(string sql)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Database, Pooling = false }.ToString());
        connection.Open();
        connection.Run(sql);
    }
}
