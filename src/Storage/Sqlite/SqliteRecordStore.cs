using System.Diagnostics;
using FeatureStore.Runtime;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace FeatureStore.Storage.Sqlite;

/// <summary>
/// Records in one SQLite database, for the processes of one machine: the file has to be on a local disk. Writes that come while a transaction is on its way to the disk go together
/// in the next one, so that thousands at once wait for the disk a few times. A write that is refused, of a version that is not there any more, does not hold up the others of its transaction.
/// </summary>
public sealed class SqliteRecordStore : IRecordStore
{
    /// <summary>Format of the data; goes up with every change that older versions cannot read.</summary>
    public const int FormatVersion = 1;

    /// <summary>Marks the file as ours among SQLite databases ("FeSr").</summary>
    private const int ApplicationId = 0x46655372;

    /// <summary>As of <see cref="SqliteEntityStore"/>, whose rows are alike.</summary>
    private const int PageBytes = 8192;

    private const int LogBytesMax = 64 << 20;
    private const int CacheBytes = 16 << 20;
    private const int ReadersMax = 4;
    private const int ReaderCacheBytes = 4 << 20;

    /// <summary>Writes that wait at once; further callers wait to be let in.</summary>
    private const int WaitingMax = 16_384;

    /// <summary>Bounds how long another process waits for its turn.</summary>
    private const int TransactionWritesMax = 2048;
    private const int TransactionBytesMax = 16 << 20;
    private const int BusyMs = 10_000;

    private const string Schema =
        """
        CREATE TABLE store(id TEXT NOT NULL, project TEXT NOT NULL);
        CREATE TABLE records(
            name TEXT NOT NULL UNIQUE,
            version INTEGER NOT NULL,
            bytes BLOB NOT NULL,
            crc INTEGER NOT NULL);
        """;

    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _admitted = new(WaitingMax);
    private readonly SemaphoreSlim _reading = new(ReadersMax);
    private readonly Stack<Reader> _readers = new();
    private readonly Queue<Write> _waiting = new();
    private readonly string _path;
    private readonly SqliteErrors _errors;
    private readonly SqliteConnection _connection;
    private readonly SqliteStatement _begin;
    private readonly SqliteStatement _commit;
    private readonly SqliteStatement _insert;
    private readonly SqliteStatement _update;
    private readonly SqliteStatement _delete;
    private readonly SqliteStatement _version;
    private Task _writing = Task.CompletedTask;
    private bool _isWriting;
    private bool _isDisposed;

    /// <summary>Opens the database, and makes it and its folder where they are missing.</summary>
    /// <param name="path">The file.</param>
    /// <param name="project">The project whose records they are.</param>
    /// <exception cref="EntityStoreException">The data are of a newer version, damaged, or another project's or program's; the file cannot be written.</exception>
    public SqliteRecordStore(string path, string project)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentException.ThrowIfNullOrEmpty(project);
        _path = Path.GetFullPath(path);
        _errors = new SqliteErrors($"grain storage \"{_path}\"", "Stop all silos and restore a copy, or remove it: its state is rebuilt from the stream.");
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EntityStoreException($"grain storage \"{_path}\" cannot be used: {exception.Message.TrimEnd('.')}. Give a directory that this process may write.", exception);
        }

        _connection = Connection();
        try
        {
            Open(_connection, CacheBytes);
            Id = Adopt(project);
            _begin = new SqliteStatement(_connection, "BEGIN IMMEDIATE");
            _commit = new SqliteStatement(_connection, "COMMIT");
            _insert = new SqliteStatement(_connection, "INSERT INTO records(name, version, bytes, crc) VALUES (?1, ?2, ?3, ?4) ON CONFLICT(name) DO NOTHING");
            _update = new SqliteStatement(_connection, "UPDATE records SET version = ?2, bytes = ?3, crc = ?4 WHERE name = ?1 AND version = ?5");
            _delete = new SqliteStatement(_connection, "DELETE FROM records WHERE name = ?1 AND version = ?2");
            _version = new SqliteStatement(_connection, "SELECT version FROM records WHERE name = ?1");
        }
        catch (Exception exception)
        {
            _connection.Dispose();
            if (exception is SqliteException sqlite)
                throw _errors.Translate(sqlite, "it cannot be opened");
            throw;
        }
    }

    /// <inheritdoc/>
    public Guid Id { get; }

    /// <inheritdoc/>
    /// <exception cref="EntityStoreException">The store cannot be read, or the record is damaged.</exception>
    public async ValueTask<VersionedRecord> ReadAsync(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        await _reading.WaitAsync().ConfigureAwait(false);
        try
        {
            var reader = TakeReader();
            try
            {
                var record = reader.Read(name, out var isDamaged);
                return isDamaged ? throw _errors.Damaged($"record \"{name}\" does not match its checksum", null) : record;
            }
            finally
            {
                lock (_gate)
                    _readers.Push(reader);
            }
        }
        catch (SqliteException exception)
        {
            throw _errors.Translate(exception, "it cannot be read");
        }
        finally
        {
            _reading.Release();
        }
    }

    /// <inheritdoc/>
    /// <exception cref="EntityStoreException">The store cannot write: full disk, lost file. The record is as it was.</exception>
    public Task<RecordChange> WriteAsync(string name, ReadOnlyMemory<byte> bytes, long version)
    {
        // Not counted up: a record that is deleted and made anew must not have a version that somebody still knows.
        return AddAsync(new Write(name, bytes, version, Random.Shared.NextInt64(1, long.MaxValue)));
    }

    /// <inheritdoc/>
    /// <exception cref="EntityStoreException">The store cannot write: full disk, lost file. The record is as it was.</exception>
    public Task<RecordChange> DeleteAsync(string name, long version) => AddAsync(new Write(name, default, version, 0));

    /// <summary>Writes what waits, and closes the database; the last of all processes to do so copies the log into it.</summary>
    public void Dispose()
    {
        Task writing;
        lock (_gate)
        {
            if (_isDisposed)
                return;
            _isDisposed = true;
            writing = _writing;
        }

        writing.GetAwaiter().GetResult();
        for (var reader = 0; reader < ReadersMax; reader++)
            _reading.Wait();
        while (_readers.TryPop(out var reader))
            reader.Dispose();
        foreach (var statement in new[] { _begin, _commit, _insert, _update, _delete, _version })
            statement.Dispose();
        _connection.Dispose();
        _reading.Release(ReadersMax);
    }

    // A pooled connection would keep the file open after Dispose.
    private SqliteConnection Connection() => new(new SqliteConnectionStringBuilder { DataSource = _path, Pooling = false }.ToString());

    private void Open(SqliteConnection connection, int cacheBytes)
    {
        connection.Open();
        connection.Run($"PRAGMA busy_timeout = {BusyMs}");
        // The page size counts before the first page is written only.
        connection.Run($"PRAGMA page_size = {PageBytes}");
        if (connection.Scalar("PRAGMA journal_mode = WAL") is not "wal")
            throw new EntityStoreException($"grain storage \"{_path}\" cannot be written ahead: its file system does not allow it. Give a data directory on a local disk.");
        // A commit waits for the disk: an erasure has to last, and a term of the stream's owner must not be given twice. What that costs, transactions of many writes share.
        connection.Run("PRAGMA synchronous = FULL");
        // What an erased entity had is overwritten.
        connection.Run("PRAGMA secure_delete = ON");
        connection.Run($"PRAGMA wal_autocheckpoint = {LogBytesMax / PageBytes}");
        connection.Run($"PRAGMA journal_size_limit = {LogBytesMax}");
        connection.Run($"PRAGMA cache_size = {-cacheBytes / 1024}");
        // A disk error would be a SIGBUS instead of an exception.
        connection.Run("PRAGMA mmap_size = 0");
    }

    /// <summary>Makes the tables in a new file; refuses a file that is not ours to write.</summary>
    private Guid Adopt(string project)
    {
        // Of processes that start at once, one makes them.
        _connection.Run("BEGIN IMMEDIATE");
        var version = (long)_connection.Scalar("PRAGMA user_version")!;
        if (version == 0 && (long)_connection.Scalar("SELECT count(*) FROM sqlite_schema")! == 0)
        {
            _connection.Run($"{Schema} PRAGMA application_id = {ApplicationId}; PRAGMA user_version = {FormatVersion}");
            using var insert = new SqliteStatement(_connection, "INSERT INTO store(id, project) VALUES (?1, ?2)");
            insert.Bind(1, Guid.CreateVersion7().ToString()).Bind(2, project).Execute();
        }
        else if ((long)_connection.Scalar("PRAGMA application_id")! != ApplicationId)
        {
            throw new EntityStoreException($"grain storage \"{_path}\" is another program's SQLite database. Give another data directory.");
        }
        else if (version > FormatVersion)
        {
            throw new EntityStoreException($"grain storage \"{_path}\" is of format {version}, and this version reads up to {FormatVersion}. Run the version that wrote it, or give another data directory.");
        }

        _connection.Run("COMMIT");
        if (_connection.Scalar("SELECT project FROM store") is string stored && stored != project)
            throw new EntityStoreException($"grain storage \"{_path}\" is of project \"{stored}\", and this one is \"{project}\". Give another data directory.");
        return Guid.TryParse(_connection.Scalar("SELECT id FROM store") as string, out var id) ? id : throw _errors.Damaged("it lacks its name", null);
    }

    private Reader TakeReader()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_readers.TryPop(out var reader))
                return reader;
        }

        var connection = Connection();
        try
        {
            Open(connection, ReaderCacheBytes);
            return new Reader(connection);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private async Task<RecordChange> AddAsync(Write write)
    {
        ArgumentException.ThrowIfNullOrEmpty(write.Name);
        ArgumentOutOfRangeException.ThrowIfNegative(write.Known);
        await _admitted.WaitAsync().ConfigureAwait(false);
        try
        {
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_isDisposed, this);
                _waiting.Enqueue(write);
                if (!_isWriting)
                {
                    _isWriting = true;
                    _writing = Task.Run(WriteAll);
                }
            }

            return await write.Done.Task.ConfigureAwait(false);
        }
        finally
        {
            _admitted.Release();
        }
    }

    /// <summary>Writes until nothing waits.</summary>
    private void WriteAll()
    {
        List<Write> writes = [];
        while (Take(writes))
        {
            try
            {
                var started = Stopwatch.GetTimestamp();
                Transact(writes);
                StorageInstruments.RecordsDuration.Record(Stopwatch.GetElapsedTime(started).TotalSeconds);
                StorageInstruments.RecordsWritten.Add(writes.Count);
                foreach (var write in writes)
                    write.Done.SetResult(write.Result);
            }
            catch (Exception exception)
            {
                foreach (var write in writes)
                    write.Done.TrySetException(exception);
            }
        }
    }

    /// <returns>False where nothing waits: then nobody writes any more.</returns>
    private bool Take(List<Write> writes)
    {
        writes.Clear();
        lock (_gate)
        {
            for (var bytes = 0L; writes.Count < TransactionWritesMax && bytes < TransactionBytesMax && _waiting.TryDequeue(out var write); bytes += write.Bytes.Length)
                writes.Add(write);
            return _isWriting = writes.Count > 0;
        }
    }

    private void Transact(List<Write> writes)
    {
        var consequence = $"{writes.Count} records were not written";
        // SQLite would go on writing into a file that nobody can open any more.
        if (!File.Exists(_path))
            throw new EntityStoreException($"grain storage \"{_path}\" is lost: the file was removed while in use; {consequence}. Stop all silos, and restore it or start with an empty data directory.");
        try
        {
            _begin.Execute();
            foreach (var write in writes)
                write.Result = Execute(write);
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

    private RecordChange Execute(Write write)
    {
        if (write.New == 0)
            _delete.Bind(1, write.Name).Bind(2, write.Known).Execute();
        else if (write.Known == 0)
            _insert.Bind(1, write.Name).Bind(2, write.New).Bind(3, write.Bytes.Span).Bind(4, Crc(write.Name, write.New, write.Bytes.Span)).Execute();
        else
            _update.Bind(1, write.Name).Bind(2, write.New).Bind(3, write.Bytes.Span).Bind(4, Crc(write.Name, write.New, write.Bytes.Span)).Bind(5, write.Known).Execute();
        if (raw.sqlite3_changes(_connection.Handle!) > 0)
            return new RecordChange(true, write.New);
        try
        {
            var there = _version.Bind(1, write.Name).Read() ? _version.Int64(0) : 0;
            return new RecordChange(write.New == 0 && write.Known == 0 && there == 0, there);
        }
        finally
        {
            _version.Reset();
        }
    }

    private static uint Crc(string name, long version, ReadOnlySpan<byte> bytes)
    {
        var crc = new Crc32C();
        crc.Add(name);
        crc.Add(version);
        crc.Add(bytes);
        return crc.Value;
    }

    /// <summary>A write that waits.</summary>
    /// <param name="name">Of the record.</param>
    /// <param name="bytes">Its new content.</param>
    /// <param name="known">The version that it replaces.</param>
    /// <param name="version">The new one; 0: the record is deleted.</param>
    private sealed class Write(string name, ReadOnlyMemory<byte> bytes, long known, long version)
    {
        public string Name { get; } = name;

        public ReadOnlyMemory<byte> Bytes { get; } = bytes;

        public long Known { get; } = known;

        public long New { get; } = version;

        public RecordChange Result { get; set; }

        public TaskCompletionSource<RecordChange> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Reader(SqliteConnection connection) : IDisposable
    {
        private readonly SqliteStatement _select = new(connection, "SELECT version, bytes, crc FROM records WHERE name = ?1");

        public VersionedRecord Read(string name, out bool isDamaged)
        {
            try
            {
                isDamaged = false;
                if (!_select.Bind(1, name).Read())
                    return new VersionedRecord(0, []);
                var record = new VersionedRecord(_select.Int64(0), _select.Bytes(1).ToArray());
                isDamaged = Crc(name, record.Version, record.Bytes) != _select.Int64(2);
                return record;
            }
            finally
            {
                // Ends the read, which would keep the log from starting over.
                _select.Reset();
            }
        }

        public void Dispose()
        {
            _select.Dispose();
            connection.Dispose();
        }
    }
}
