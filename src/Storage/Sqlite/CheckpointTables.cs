using FeatureStore.Runtime;
using Microsoft.Data.Sqlite;

namespace FeatureStore.Storage.Sqlite;

/// <summary>The tables that hold a checkpoint's header, one row or a few each, and the statements that write them.</summary>
internal sealed class CheckpointTables : IDisposable
{
    public const string Schema =
        """
        CREATE TABLE checkpoint(
            id INTEGER PRIMARY KEY CHECK (id = 1),
            sequence INTEGER NOT NULL,
            incarnation TEXT NOT NULL,
            layout_fingerprint INTEGER NOT NULL,
            cluster_id TEXT NOT NULL,
            crc INTEGER NOT NULL);
        CREATE TABLE partitions(
            topic TEXT NOT NULL,
            partition INTEGER NOT NULL,
            next_offset INTEGER NOT NULL,
            newest_ms INTEGER NOT NULL,
            witness_offset INTEGER NOT NULL,
            witness_timestamp_ms INTEGER NOT NULL,
            witness_hash INTEGER NOT NULL,
            seen_ids BLOB NOT NULL,
            PRIMARY KEY(topic, partition));
        CREATE TABLE stream_times(source TEXT PRIMARY KEY, time_ms INTEGER NOT NULL);
        """;

    public const string LayoutSchema = "CREATE TABLE layouts(entity INTEGER PRIMARY KEY, name TEXT NOT NULL, layout TEXT NOT NULL);";

    private readonly SqliteConnection _connection;
    private readonly SqliteStatement _deleteLayouts;
    private readonly SqliteStatement _insertLayout;
    private readonly SqliteStatement _deletePartitions;
    private readonly SqliteStatement _deleteStreamTimes;
    private readonly SqliteStatement _insertPartition;
    private readonly SqliteStatement _insertStreamTime;
    private readonly SqliteStatement _replaceCheckpoint;

    public CheckpointTables(SqliteConnection connection)
    {
        _connection = connection;
        _deleteLayouts = new(connection, "DELETE FROM layouts");
        _insertLayout = new(connection, "INSERT INTO layouts VALUES (?, ?, ?)");
        _deletePartitions = new(connection, "DELETE FROM partitions");
        _deleteStreamTimes = new(connection, "DELETE FROM stream_times");
        _insertPartition = new(connection, "INSERT INTO partitions VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
        _insertStreamTime = new(connection, "INSERT INTO stream_times VALUES (?, ?)");
        _replaceCheckpoint = new(connection, "REPLACE INTO checkpoint VALUES (1, ?, ?, ?, ?, ?)");
    }

    /// <summary>Writes a header in the place of the last one, within the caller's transaction.</summary>
    public void Save(CheckpointHeader header)
    {
        _deletePartitions.Execute();
        _deleteLayouts.Execute();
        for (var entity = 0; entity < header.Layouts.Count; entity++)
        {
            var layout = header.Layouts[entity];
            _insertLayout.Bind(1, entity).Bind(2, layout.Entity).Bind(3, layout.Layout).Execute();
        }

        _deleteStreamTimes.Execute();
        foreach (var partition in header.Partitions)
        {
            _insertPartition.Bind(1, partition.Topic).Bind(2, partition.Partition).Bind(3, partition.NextOffset).Bind(4, partition.NewestMs)
                .Bind(5, partition.WitnessOffset).Bind(6, partition.WitnessTimestampMs).Bind(7, (long)partition.WitnessHash)
                .Bind(8, partition.SeenIds).Execute();
        }
        foreach (var (source, timeMs) in header.StreamTimesMs)
            _insertStreamTime.Bind(1, source).Bind(2, timeMs).Execute();
        _replaceCheckpoint.Bind(1, header.Sequence).Bind(2, header.Incarnation.ToString()).Bind(3, (long)header.LayoutFingerprint)
            .Bind(4, header.ClusterId).Bind(5, Crc(header)).Execute();
    }

    /// <summary>Reads the header; null where there is none.</summary>
    /// <exception cref="InvalidDataException">What is stored is not what was saved.</exception>
    public CheckpointHeader? Load()
    {
        using var checkpoint = new SqliteStatement(
            _connection, "SELECT sequence, incarnation, layout_fingerprint, cluster_id, crc FROM checkpoint");
        if (!checkpoint.Read())
            return null;
        var header = new CheckpointHeader
        {
            Sequence = checkpoint.Int64(0),
            Incarnation = Guid.TryParse(checkpoint.Text(1), out var incarnation) ? incarnation : default,
            LayoutFingerprint = (ulong)checkpoint.Int64(2),
            ClusterId = checkpoint.Text(3),
            Layouts = LoadLayouts(),
            Partitions = LoadPartitions(),
            StreamTimesMs = LoadStreamTimes(),
        };
        if (Crc(header) != checkpoint.Int64(4))
            throw new InvalidDataException($"the header of checkpoint {header.Sequence} does not match its checksum");
        return header;
    }

    public void Dispose()
    {
        _deletePartitions.Dispose();
        _deleteLayouts.Dispose();
        _insertLayout.Dispose();
        _deleteStreamTimes.Dispose();
        _insertPartition.Dispose();
        _insertStreamTime.Dispose();
        _replaceCheckpoint.Dispose();
    }

    private List<EntityLayout> LoadLayouts()
    {
        using var rows = new SqliteStatement(_connection, "SELECT name, layout FROM layouts ORDER BY entity");
        var layouts = new List<EntityLayout>();
        while (rows.Read())
            layouts.Add(new EntityLayout(rows.Text(0), rows.Text(1)));
        return layouts;
    }

    private List<PartitionCheckpoint> LoadPartitions()
    {
        using var rows = new SqliteStatement(
            _connection,
            "SELECT topic, partition, next_offset, newest_ms, witness_offset, witness_timestamp_ms, witness_hash, seen_ids " +
            "FROM partitions ORDER BY topic, partition");
        var partitions = new List<PartitionCheckpoint>();
        while (rows.Read())
        {
            partitions.Add(new PartitionCheckpoint
            {
                Topic = rows.Text(0),
                Partition = (int)rows.Int64(1),
                NextOffset = rows.Int64(2),
                NewestMs = rows.Int64(3),
                WitnessOffset = rows.Int64(4),
                WitnessTimestampMs = rows.Int64(5),
                WitnessHash = (ulong)rows.Int64(6),
                SeenIds = rows.Bytes(7).ToArray(),
            });
        }
        return partitions;
    }

    private Dictionary<string, long> LoadStreamTimes()
    {
        using var rows = new SqliteStatement(_connection, "SELECT source, time_ms FROM stream_times");
        var times = new Dictionary<string, long>(StringComparer.Ordinal);
        while (rows.Read())
            times.Add(rows.Text(0), rows.Int64(1));
        return times;
    }

    private static uint Crc(CheckpointHeader header)
    {
        var crc = new Crc32C();
        crc.Add(header.Sequence);
        crc.Add(header.Incarnation.ToByteArray());
        crc.Add((long)header.LayoutFingerprint);
        crc.Add(header.ClusterId);
        foreach (var partition in header.Partitions.OrderBy(p => p.Topic, StringComparer.Ordinal).ThenBy(p => p.Partition))
        {
            crc.Add(partition.Topic);
            crc.Add(partition.Partition);
            crc.Add(partition.NextOffset);
            crc.Add(partition.NewestMs);
            crc.Add(partition.WitnessOffset);
            crc.Add(partition.WitnessTimestampMs);
            crc.Add((long)partition.WitnessHash);
            crc.Add(partition.SeenIds);
        }
        foreach (var layout in header.Layouts)
        {
            crc.Add(layout.Entity);
            crc.Add(layout.Layout);
        }
        foreach (var (source, timeMs) in header.StreamTimesMs.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            crc.Add(source);
            crc.Add(timeMs);
        }
        return crc.Value;
    }
}
