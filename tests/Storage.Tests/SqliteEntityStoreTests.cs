using System.Text;
using FeatureStore.Runtime;
using FeatureStore.Storage.Sqlite;
using Microsoft.Data.Sqlite;

namespace FeatureStore.Storage.Tests;

[TestClass]
public sealed class SqliteEntityStoreTests : EntityStoreContract, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Database => _directory.File("checkpoint.db");

    public void Dispose() => _directory.Dispose();

    protected override IEntityStore Open() => new SqliteEntityStore(_directory.Path);

    [TestMethod]
    public void A_store_opened_again_holds_the_last_checkpoint()
    {
        for (var sequence = 1L; sequence <= 5; sequence++)
        {
            using var store = Open();
            store.Save(History.Make(sequence));
            store.Dispose();
            Assert.ThrowsExactly<ObjectDisposedException>(() => store.Save(History.Make(9)));
        }
        using var reopened = Open();
        AssertHolds(reopened, 5);
    }

    [TestMethod]
    public void A_directory_in_use_is_refused_and_a_left_lock_file_is_not_in_the_way()
    {
        using (var store = Open())
        {
            store.Save(History.Make(1));
            AssertRefused($"data directory \"{_directory.Path}\" is in use: another process holds its file \"lock\". Stop that process, or give another data directory.");
            store.Save(History.Make(2));
        }
        Assert.IsTrue(File.Exists(_directory.File("lock")));
        using var reopened = Open();
        AssertHolds(reopened, 2);
    }

    [TestMethod]
    public void A_directory_that_cannot_be_made_is_refused()
    {
        File.WriteAllText(_directory.File("file"), "");
        var path = Path.Combine(_directory.File("file"), "data");
        var exception = Assert.ThrowsExactly<EntityStoreException>(() => new SqliteEntityStore(path));
        StringAssert.StartsWith(exception.Message, $"data directory \"{path}\" cannot be used: ");
        StringAssert.EndsWith(exception.Message, ". Give a directory that this process may write.");
    }

    [TestMethod]
    public void Data_of_a_newer_version_are_refused()
    {
        Open().Dispose();
        Change("PRAGMA user_version = 3");
        AssertRefused($"checkpoint \"{Database}\" is of format 3, and this version reads up to 2. Run the version that wrote it, or give another data directory.");
    }

    [TestMethod]
    public void Data_of_the_first_version_are_taken_over()
    {
        using (var store = Open())
            store.Save(History.Make(1) with { Header = History.Make(1).Header with { Layouts = [] } });
        Change("DROP TABLE layouts; DROP TABLE tombstones; PRAGMA user_version = 1");
        using (var store = Open())
        {
            Assert.AreEqual(1, store.LoadHeader()!.Sequence);
            Assert.IsEmpty(store.LoadHeader()!.Layouts);
            CollectionAssert.AreEqual(History.StateAt(1), CheckpointHistory.Load(store));
            Assert.IsEmpty(store.LoadTombstones());
            store.Erase([new Tombstone { Entity = 0, Key = [1], Sequence = 1, Incarnation = default, ErasedAtMs = 0, Guards = [] }]);
        }

        using var again = Open();
        Assert.HasCount(1, again.LoadTombstones());
    }

    [TestMethod]
    public void A_damaged_tombstone_is_found()
    {
        using (var store = Open())
            store.Erase([new Tombstone { Entity = 0, Key = [1], Sequence = 1, Incarnation = default, ErasedAtMs = 0, Guards = [new TombstoneGuard("t", [5])] }]);
        Change("UPDATE tombstones SET sequence = 2");
        using var damaged = Open();
        var exception = Assert.ThrowsExactly<EntityStoreException>(damaged.LoadTombstones);
        StringAssert.StartsWith(exception.Message, $"checkpoint \"{Database}\" is damaged: the tombstone of entity 0, key 0x01 does not match its checksum. ");
    }

    [TestMethod]
    public void Another_programs_database_is_refused_and_untouched()
    {
        Change("CREATE TABLE songs(title TEXT)");
        var before = File.ReadAllBytes(Database);
        AssertRefused($"checkpoint \"{Database}\" is another program's SQLite database. Give another data directory.");
        Assert.IsTrue(before.AsSpan(100).SequenceEqual(File.ReadAllBytes(Database).AsSpan(100)));
    }

    [TestMethod]
    public void A_file_that_is_no_database_is_refused()
    {
        var text = new byte[20_000];
        Array.Fill(text, (byte)'x');
        File.WriteAllBytes(Database, text);
        AssertRefused($"checkpoint \"{Database}\" is damaged: SQLite Error 26: 'file is not a database'. {RestoreHint}");
        Assert.IsTrue(text.AsSpan().SequenceEqual(File.ReadAllBytes(Database)));
    }

    [TestMethod]
    public void A_truncated_database_is_refused_or_fails_to_load()
    {
        Fill();
        using (var file = File.OpenWrite(Database))
            file.SetLength(file.Length / 2);
        var exception = Assert.ThrowsExactly<EntityStoreException>(Load);
        StringAssert.StartsWith(exception.Message, $"checkpoint \"{Database}\" is damaged: ");
        StringAssert.EndsWith(exception.Message, RestoreHint);
    }

    [TestMethod]
    public void A_flipped_bit_in_a_block_is_found()
    {
        var block = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("the-block-of-k/", 20)));
        using (var store = Open())
            store.Save(Of((1, "k", Encoding.ASCII.GetString(block))));
        var bytes = File.ReadAllBytes(Database);
        bytes[bytes.AsSpan().IndexOf(block) + 100] ^= 4;
        File.WriteAllBytes(Database, bytes);
        var exception = Assert.ThrowsExactly<EntityStoreException>(Load);
        Assert.AreEqual($"checkpoint \"{Database}\" is damaged: the block of entity 1, key 0x6B does not match its checksum. {RestoreHint}", exception.Message);
    }

    [TestMethod]
    [DataRow("UPDATE partitions SET next_offset = next_offset + 1 WHERE partition = 1")]
    [DataRow("UPDATE partitions SET seen_ids = x'01'")]
    [DataRow("UPDATE stream_times SET time_ms = 5 WHERE source = 'never'")]
    [DataRow("UPDATE checkpoint SET incarnation = 'none'")]
    [DataRow("DELETE FROM partitions WHERE partition = 0")]
    public void A_changed_header_is_found(string change)
    {
        Fill();
        Change(change);
        using var store = Open();
        var exception = Assert.ThrowsExactly<EntityStoreException>(store.LoadHeader);
        Assert.AreEqual($"checkpoint \"{Database}\" is damaged: the header of checkpoint 3 does not match its checksum. {RestoreHint}", exception.Message);
    }

    [TestMethod]
    public void A_missing_table_is_told_when_the_store_opens()
    {
        Fill();
        Change("DROP TABLE blocks");
        AssertRefused($"checkpoint \"{Database}\" is damaged: SQLite Error 1: 'no such table: blocks'. {RestoreHint}");
        // The refused opening has let go of the directory.
        using var again = new DirectoryLock(_directory.Path);
    }

    [TestMethod]
    public void A_full_database_keeps_the_checkpoint_before_and_takes_the_next_that_fits()
    {
        using var store = new SqliteEntityStore(_directory.Path, new SqliteEntityStoreOptions { DatabaseBytesMax = 2 << 20 });
        store.Save(History.Make(1));
        var large = new BlockSet();
        large.Add(3 << 20);
        var keys = new BlockSet();
        keys.Add("large"u8);
        var exception = Assert.ThrowsExactly<EntityStoreException>(() => store.Save(new Checkpoint(History.Make(2).Header, [0], keys, large)));
        Assert.AreEqual(
            $"checkpoint \"{Database}\": the disk is full, or the database is at its limit of 2097152 bytes; checkpoint 2 with 1 blocks was not saved, the one before stands. Free space, or raise the limit.",
            exception.Message);
        AssertHolds(store, 1);
        store.Save(History.Make(2));
        AssertHolds(store, 2);
    }

    [TestMethod]
    public void A_full_disk_keeps_the_checkpoint_before_and_takes_the_next_once_there_is_space()
    {
        using var disk = SmallDisk.TryMount(megabytes: 4);
        if (disk is null)
            Assert.Inconclusive("a 4 MB tmpfs cannot be mounted here");
        using var store = new SqliteEntityStore(disk.Path);
        store.Save(History.Make(1));
        var ballast = Path.Combine(disk.Path, "ballast");
        var space = (int)new DriveInfo(disk.Path).AvailableFreeSpace;
        File.WriteAllBytes(ballast, new byte[space - (64 << 10)]);
        var exception = Assert.ThrowsExactly<EntityStoreException>(() => store.Save(History.Make(2)));
        Assert.AreEqual(
            $"checkpoint \"{Path.Combine(disk.Path, "checkpoint.db")}\": the disk is full; checkpoint 2 with {History.Make(2).Entities.Count} blocks was not saved, the one before stands. Free space on it.",
            exception.Message);
        AssertHolds(store, 1);
        File.Delete(ballast);
        store.Save(History.Make(2));
        AssertHolds(store, 2);
    }

    [TestMethod]
    public void A_removed_file_is_told()
    {
        using var store = Open();
        store.Save(History.Make(1));
        File.Delete(Database);
        var exception = Assert.ThrowsExactly<EntityStoreException>(() => store.Save(History.Make(2)));
        Assert.AreEqual($"checkpoint \"{Database}\" is lost: the file was removed while in use. Restore it, or start with an empty data directory.", exception.Message);
    }

    [TestMethod]
    public void The_log_never_outgrows_its_limit_and_one_checkpoint()
    {
        const int CheckpointBytes = 1 << 20;
        var options = new SqliteEntityStoreOptions { LogBytesMax = 2 << 20 };
        using var store = new SqliteEntityStore(_directory.Path, options);
        var longest = 0L;
        for (var sequence = 1; sequence <= 20; sequence++)
        {
            var keys = new BlockSet();
            keys.Add([(byte)(sequence % 4)]);
            var blocks = new BlockSet();
            blocks.Add(CheckpointBytes).Fill((byte)sequence);
            store.Save(new Checkpoint(History.Make(sequence).Header, [0], keys, blocks));
            longest = Math.Max(longest, new FileInfo(Database + "-wal").Length);
        }
        Assert.IsInRange(options.LogBytesMax / 2, options.LogBytesMax + CheckpointBytes * 5 / 4, longest);
    }

    /// <summary>A power cut may leave any beginning of the log, and rubbish after it.</summary>
    [TestMethod]
    public void A_log_cut_anywhere_leaves_an_older_whole_checkpoint()
    {
        const int Seed = 17;
        using var copy = new TemporaryDirectory();
        byte[] database, log;
        using (var store = Open())
        {
            for (var sequence = 1L; sequence <= 12; sequence++)
                store.Save(History.Make(sequence));
            database = File.ReadAllBytes(Database);
            log = File.ReadAllBytes(Database + "-wal");
        }
        var random = new Random(Seed);
        var sequences = new SortedSet<long>();
        for (var round = 0; round < 40; round++)
        {
            var cut = log.AsSpan(0, random.Next(log.Length + 1)).ToArray();
            random.NextBytes(cut.AsSpan(Math.Max(0, cut.Length - random.Next(10_000))));
            File.WriteAllBytes(copy.File("checkpoint.db"), database);
            File.WriteAllBytes(copy.File("checkpoint.db-wal"), cut);
            using var store = new SqliteEntityStore(copy.Path);
            var sequence = store.LoadHeader()?.Sequence ?? 0;
            sequences.Add(sequence);
            if (sequence == 0)
                Assert.IsEmpty(CheckpointHistory.Load(store));
            else
                AssertHolds(store, sequence);
        }
        Assert.IsGreaterThan(5, sequences.Count, $"seed {Seed}: the cuts hit {string.Join(", ", sequences)} only");
    }

    [TestMethod]
    public void Options_out_of_range_are_refused()
    {
        AssertOption(new() { LogBytesMax = 1 }, "option \"LogBytesMax\": 1 bytes is out of range. Use 65536 to 4294967296.");
        AssertOption(new() { CacheBytes = 0 }, "option \"CacheBytes\": 0 bytes is out of range. Use 1048576 to 4294967296.");
        AssertOption(new() { DatabaseBytesMax = -1 }, "option \"DatabaseBytesMax\": -1 bytes is out of range. Use 0 to 9223372036854775807.");

        void AssertOption(SqliteEntityStoreOptions options, string message) =>
            StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new SqliteEntityStore(_directory.Path, options)).Message, message);
    }

    private static string RestoreHint => "Restore the data directory from a copy, or start with an empty one: its state is rebuilt from the stream.";

    private void AssertRefused(string message) => Assert.AreEqual(message, Assert.ThrowsExactly<EntityStoreException>(() => Open().Dispose()).Message);

    private void Load()
    {
        using var store = Open();
        store.LoadHeader();
        CheckpointHistory.Load(store);
    }

    private void Fill()
    {
        using var store = Open();
        for (var sequence = 1L; sequence <= 3; sequence++)
            store.Save(History.Make(sequence));
    }

    private void Change(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={Database};Pooling=false");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
