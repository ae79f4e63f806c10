using System.Diagnostics;
using FeatureStore.Runtime;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace FeatureStore.Storage.Sqlite;

/// <summary>
/// Checkpoints in one SQLite database, `checkpoint.db`, in a data directory that one process holds at a time.
/// A checkpoint is one transaction: whenever the process or the machine stops, the database holds one whole checkpoint.
/// One call at a time; calls wait for each other. A failed <see cref="Save"/> leaves the checkpoint before it, and the next one may succeed.
/// </summary>
public sealed class SqliteEntityStore : IEntityStore
{
    /// <summary>Format of the data; goes up with every change that older versions cannot read.</summary>
    public const int FormatVersion = 2;

    /// <summary>Marks the file as ours among SQLite databases ("FeSt").</summary>
    private const int ApplicationId = 0x46655374;

    /// <summary>
    /// A row and an index on the key, not WITHOUT ROWID: an index page holds a quarter of itself of each row and sends the rest to overflow pages,
    /// which makes blocks of some KiB five times as dear to save. Pages of 8 KiB hold two common blocks; larger ones write more for one
    /// changed block among many, smaller ones overflow.
    /// </summary>
    private const int PageBytes = 8192;

    private const string Schema =
        """
        CREATE TABLE blocks(
            entity INTEGER NOT NULL,
            key BLOB NOT NULL,
            block BLOB NOT NULL,
            crc INTEGER NOT NULL,
            UNIQUE(entity, key));
        """;

    private readonly Lock _gate = new();
    private readonly SqliteEntityStoreOptions _options;
    private readonly string _path;
    private readonly SqliteErrors _errors;
    private readonly DirectoryLock _lock;
    private readonly SqliteConnection _connection;
    private readonly CheckpointTables _header;
    private readonly TombstoneTable _tombstones;
    private readonly SqliteStatement _begin;
    private readonly SqliteStatement _commit;
    private readonly SqliteStatement _delete;
    private readonly SqliteStatement _upsert;
    private int[] _order = [];
    private bool _disposed;

    /// <summary>Opens the data directory, and makes it where it is missing.</summary>
    /// <exception cref="EntityStoreException">
    /// Another process holds the directory; the data are of a newer version, damaged or another program's; the directory cannot be written.
    /// </exception>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public SqliteEntityStore(string directory, SqliteEntityStoreOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        _options = options ?? new SqliteEntityStoreOptions();
        _options.Validate();
        directory = Path.GetFullPath(directory);
        _path = Path.Combine(directory, "checkpoint.db");
        _errors = new SqliteErrors($"checkpoint \"{_path}\"", "Restore the data directory from a copy, or start with an empty one: its state is rebuilt from the stream.", _options.DatabaseBytesMax);
        _lock = new DirectoryLock(directory);
        // A pooled connection would keep the file open after Dispose.
        _connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = _path, Pooling = false }.ToString());
        try
        {
            _connection.Open();
            Configure();
            Adopt();
            _header = new CheckpointTables(_connection);
            _tombstones = new TombstoneTable(_connection);
            _begin = new SqliteStatement(_connection, "BEGIN IMMEDIATE");
            _commit = new SqliteStatement(_connection, "COMMIT");
            _delete = new SqliteStatement(_connection, "DELETE FROM blocks WHERE entity = ?1 AND key = ?2");
            _upsert = new SqliteStatement(
                _connection,
                "INSERT INTO blocks(entity, key, block, crc) VALUES (?1, ?2, ?3, ?4) " +
                "ON CONFLICT(entity, key) DO UPDATE SET block = excluded.block, crc = excluded.crc");
        }
        catch (Exception exception)
        {
            _connection.Dispose();
            _lock.Dispose();
            if (exception is SqliteException sqlite)
                throw _errors.Translate(sqlite, "it cannot be opened");
            throw;
        }
    }

    public CheckpointHeader? LoadHeader()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return Reading(_header.Load);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="EntityStoreException">A block is damaged. Those visited before it are of no use either.</exception>
    public void LoadBlocks(BlockVisitor visit)
    {
        ArgumentNullException.ThrowIfNull(visit);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            using var rows = Reading(() => new SqliteStatement(_connection, "SELECT entity, key, block, crc FROM blocks"));
            Func<bool> read = rows.Read;
            while (Reading(read))
            {
                var entity = (int)rows.Int64(0);
                var key = rows.Bytes(1);
                var block = rows.Bytes(2);
                if (Crc(entity, key, block) != rows.Int64(3))
                    throw _errors.Damaged($"the block of entity {entity}, key 0x{Convert.ToHexString(key)} does not match its checksum", null);
                visit(entity, key, block);
            }
        }
    }

    /// <inheritdoc/>
    /// <exception cref="EntityStoreException">The store cannot write: full disk, lost file. The checkpoint before stands.</exception>
    public void Save(Checkpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        checkpoint.Check();
        var count = checkpoint.Entities.Count;
        var started = Stopwatch.GetTimestamp();
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            Transact(
                () =>
                {
                    if (checkpoint.ReplacesAll)
                        _connection.Run("DELETE FROM blocks; DELETE FROM tombstones");
                    EraseBlocks(checkpoint.Erased);
                    _tombstones.Save(checkpoint.TombstonesChanged);
                    _tombstones.Delete(checkpoint.TombstonesDropped);
                    SaveBlocks(checkpoint);
                    _header.Save(checkpoint.Header);
                },
                $"checkpoint {checkpoint.Header.Sequence} with {count} blocks was not saved, the one before stands");
            StorageInstruments.DatabaseBytes.Record(new FileInfo(_path).Length);
        }
        StorageInstruments.SaveDuration.Record(Stopwatch.GetElapsedTime(started).TotalSeconds);
        StorageInstruments.SavedBlocks.Add(count);
    }

    /// <inheritdoc/>
    /// <exception cref="EntityStoreException">A tombstone is damaged.</exception>
    public IReadOnlyList<Tombstone> LoadTombstones()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return Reading(_tombstones.Load);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="EntityStoreException">The store cannot write: full disk, lost file. Nothing is erased.</exception>
    public void Erase(IReadOnlyList<Tombstone> tombstones)
    {
        ArgumentNullException.ThrowIfNull(tombstones);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            // The log reaches the disk with this commit, and freed bytes are overwritten; checkpoints do without, as the stream can replay them.
            _connection.Run("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON");
            try
            {
                Transact(() => EraseBlocks(tombstones), $"{tombstones.Count} entities were not erased");
            }
            finally
            {
                _connection.Run("PRAGMA synchronous = NORMAL; PRAGMA secure_delete = OFF");
            }
        }
    }

    /// <summary>Copies the log into the database, closes it and lets go of the directory.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            _disposed = true;
            _header.Dispose();
            _tombstones.Dispose();
            _begin.Dispose();
            _commit.Dispose();
            _delete.Dispose();
            _upsert.Dispose();
            _connection.Dispose();
            _lock.Dispose();
        }
    }

    private void Configure()
    {
        // The page size counts before the first page is written only.
        _connection.Run($"PRAGMA page_size = {PageBytes}");
        // One process alone: no shared memory file, no lock calls, and no reader outside that keeps the log from starting over.
        _connection.Run("PRAGMA locking_mode = EXCLUSIVE");
        if (_connection.Scalar("PRAGMA journal_mode = WAL") is not "wal")
            throw new EntityStoreException($"checkpoint \"{_path}\" cannot be written ahead: its file system does not allow it. Give a data directory on a local disk.");
        // A commit is not synced, only the log before it is copied into the database. So a power cut may take the newest checkpoints and leave an
        // older whole one; the events since are still in the stream, and are replayed. A killed process loses none.
        _connection.Run("PRAGMA synchronous = NORMAL");
        // The log starts over once it is this long and copied; afterwards its file is cut to the limit.
        _connection.Run($"PRAGMA wal_autocheckpoint = {_options.LogBytesMax / PageBytes}");
        _connection.Run($"PRAGMA journal_size_limit = {_options.LogBytesMax}");
        _connection.Run($"PRAGMA cache_size = {-_options.CacheBytes / 1024}");
        // Not mapped into memory: measured, a save gains nothing, and a disk error would be a SIGBUS instead of an exception.
        _connection.Run("PRAGMA mmap_size = 0");
        _connection.Run("PRAGMA busy_timeout = 1000");
        if (_options.DatabaseBytesMax > 0)
            _connection.Run($"PRAGMA max_page_count = {Math.Max(1, _options.DatabaseBytesMax / PageBytes)}");
    }

    /// <summary>Makes the tables in a new file; refuses a file that is not ours to write.</summary>
    private void Adopt()
    {
        var version = (long)_connection.Scalar("PRAGMA user_version")!;
        if (version == 0 && (long)_connection.Scalar("SELECT count(*) FROM sqlite_schema")! == 0)
        {
            _connection.Run($"BEGIN IMMEDIATE; {Schema} {CheckpointTables.Schema} {CheckpointTables.LayoutSchema} {TombstoneTable.Schema} PRAGMA application_id = {ApplicationId}; PRAGMA user_version = {FormatVersion}; COMMIT");
            return;
        }
        if ((long)_connection.Scalar("PRAGMA application_id")! != ApplicationId)
            throw new EntityStoreException($"checkpoint \"{_path}\" is another program's SQLite database. Give another data directory.");
        if (version > FormatVersion)
        {
            throw new EntityStoreException(
                $"checkpoint \"{_path}\" is of format {version}, and this version reads up to {FormatVersion}. Run the version that wrote it, or give another data directory.");
        }
        if (version == 1)
            _connection.Run($"BEGIN IMMEDIATE; {CheckpointTables.LayoutSchema} {TombstoneTable.Schema} PRAGMA user_version = {FormatVersion}; COMMIT");
    }

    /// <summary>Does it all, or nothing.</summary>
    private void Transact(Action write, string consequence)
    {
        // SQLite would go on writing into a file that nobody can open any more.
        if (!File.Exists(_path))
            throw new EntityStoreException($"checkpoint \"{_path}\" is lost: the file was removed while in use. Restore it, or start with an empty data directory.");
        try
        {
            _begin.Execute();
            write();
            _commit.Execute();
        }
        catch (SqliteException exception)
        {
            throw _errors.Translate(exception, consequence);
        }
        finally
        {
            if (raw.sqlite3_get_autocommit(_connection.Handle!) == 0)
                _connection.Run("ROLLBACK");
        }
    }

    private void EraseBlocks(IReadOnlyList<Tombstone> tombstones)
    {
        foreach (var tombstone in tombstones)
            _delete.Bind(1, tombstone.Entity).Bind(2, tombstone.Key).Execute();
        _tombstones.Save(tombstones);
    }

    private void SaveBlocks(Checkpoint checkpoint)
    {
        foreach (var index in Ordered(checkpoint))
        {
            var entity = checkpoint.Entities[index];
            var key = checkpoint.Keys[index];
            var block = checkpoint.Blocks[index];
            if (block.IsEmpty)
                _delete.Bind(1, entity).Bind(2, key).Execute();
            else
                _upsert.Bind(1, entity).Bind(2, key).Bind(3, block).Bind(4, Crc(entity, key, block)).Execute();
        }
    }

    /// <summary>
    /// The checkpoint's entries by entity and key: neighbours in the index are written together, which saves a third of the work.
    /// Entries of one key keep their order, so that the last one stands.
    /// </summary>
    private ReadOnlySpan<int> Ordered(Checkpoint checkpoint)
    {
        var count = checkpoint.Entities.Count;
        if (_order.Length < count)
            _order = new int[Math.Max(count, _order.Length * 2)];
        var order = _order.AsSpan(0, count);
        for (var i = 0; i < count; i++)
            order[i] = i;
        order.Sort((left, right) =>
        {
            var compared = checkpoint.Entities[left].CompareTo(checkpoint.Entities[right]);
            if (compared == 0)
                compared = checkpoint.Keys[left].SequenceCompareTo(checkpoint.Keys[right]);
            return compared != 0 ? compared : left.CompareTo(right);
        });
        return order;
    }

    private static uint Crc(int entity, ReadOnlySpan<byte> key, ReadOnlySpan<byte> block)
    {
        var crc = new Crc32C();
        crc.Add(entity);
        crc.Add(key);
        crc.Add(block);
        return crc.Value;
    }

    private T Reading<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (SqliteException exception)
        {
            throw _errors.Translate(exception, "it cannot be read");
        }
        catch (InvalidDataException exception)
        {
            throw _errors.Damaged(exception.Message, exception);
        }
    }
}
