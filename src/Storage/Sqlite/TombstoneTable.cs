using System.Buffers.Binary;
using System.Text;
using FeatureStore.Runtime;
using Microsoft.Data.Sqlite;

namespace FeatureStore.Storage.Sqlite;

/// <summary>
/// The table of tombstones. Guards are one value: of each topic its name (int32 length, UTF-8), the number of its partitions (int32), and their
/// offsets (int64), little-endian. Behind them those of earlier erasures, the oldest first, a topic without a name before each.
/// </summary>
internal sealed class TombstoneTable : IDisposable
{
    public const string Schema =
        """
        CREATE TABLE tombstones(
            entity INTEGER NOT NULL,
            key BLOB NOT NULL,
            sequence INTEGER NOT NULL,
            incarnation TEXT NOT NULL,
            erased_at_ms INTEGER NOT NULL,
            guards BLOB NOT NULL,
            crc INTEGER NOT NULL,
            PRIMARY KEY(entity, key)) WITHOUT ROWID;
        """;

    private static readonly TombstoneGuard _separator = new("", []);

    private readonly SqliteConnection _connection;
    private readonly SqliteStatement _upsert;
    private readonly SqliteStatement _delete;

    public TombstoneTable(SqliteConnection connection)
    {
        _connection = connection;
        _upsert = new(connection,
            "INSERT INTO tombstones VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(entity, key) DO UPDATE SET sequence = excluded.sequence, " +
            "incarnation = excluded.incarnation, erased_at_ms = excluded.erased_at_ms, guards = excluded.guards, crc = excluded.crc WHERE excluded.sequence >= sequence");
        _delete = new(connection, "DELETE FROM tombstones WHERE entity = ?1 AND key = ?2 AND sequence = ?3");
    }

    public void Save(IReadOnlyList<Tombstone> tombstones)
    {
        foreach (var tombstone in tombstones)
        {
            var guards = Encode(tombstone);
            _upsert.Bind(1, tombstone.Entity).Bind(2, tombstone.Key).Bind(3, tombstone.Sequence).Bind(4, tombstone.Incarnation.ToString())
                .Bind(5, tombstone.ErasedAtMs).Bind(6, guards).Bind(7, Crc(tombstone, guards)).Execute();
        }
    }

    public void Delete(IReadOnlyList<Tombstone> tombstones)
    {
        foreach (var tombstone in tombstones)
            _delete.Bind(1, tombstone.Entity).Bind(2, tombstone.Key).Bind(3, tombstone.Sequence).Execute();
    }

    /// <summary>Reads them all.</summary>
    /// <exception cref="InvalidDataException">What is stored is not what was saved.</exception>
    public IReadOnlyList<Tombstone> Load()
    {
        using var rows = new SqliteStatement(_connection, "SELECT entity, key, sequence, incarnation, erased_at_ms, guards, crc FROM tombstones");
        var tombstones = new List<Tombstone>();
        while (rows.Read())
        {
            var guards = rows.Bytes(5).ToArray();
            var tombstone = new Tombstone
            {
                Entity = (int)rows.Int64(0),
                Key = rows.Bytes(1).ToArray(),
                Sequence = rows.Int64(2),
                Incarnation = Guid.TryParse(rows.Text(3), out var incarnation) ? incarnation : default,
                ErasedAtMs = rows.Int64(4),
                Guards = [],
            };
            if (Crc(tombstone, guards) != rows.Int64(6))
                throw new InvalidDataException($"the tombstone of entity {tombstone.Entity}, key 0x{Convert.ToHexString(tombstone.Key)} does not match its checksum");
            tombstones.Add(Decode(tombstone, guards));
        }

        return tombstones;
    }

    public void Dispose()
    {
        _upsert.Dispose();
        _delete.Dispose();
    }

    private static byte[] Encode(Tombstone tombstone)
    {
        using var bytes = new MemoryStream();
        Span<byte> number = stackalloc byte[8];
        foreach (var guard in tombstone.Guards.Concat(tombstone.Earlier.SelectMany(erasure => erasure.Prepend(_separator))))
        {
            var topic = Encoding.UTF8.GetBytes(guard.Topic);
            BinaryPrimitives.WriteInt32LittleEndian(number, topic.Length);
            bytes.Write(number[..4]);
            bytes.Write(topic);
            BinaryPrimitives.WriteInt32LittleEndian(number, guard.NextOffsets.Count);
            bytes.Write(number[..4]);
            foreach (var offset in guard.NextOffsets)
            {
                BinaryPrimitives.WriteInt64LittleEndian(number, offset);
                bytes.Write(number);
            }
        }

        return bytes.ToArray();
    }

    /// <summary>The bytes are as they were written: the checksum says so.</summary>
    private static Tombstone Decode(Tombstone tombstone, ReadOnlySpan<byte> bytes)
    {
        List<List<TombstoneGuard>> erasures = [[]];
        while (!bytes.IsEmpty)
        {
            var topicLength = BinaryPrimitives.ReadInt32LittleEndian(bytes);
            var topic = Encoding.UTF8.GetString(bytes.Slice(4, topicLength));
            bytes = bytes[(4 + topicLength)..];
            var offsets = new long[BinaryPrimitives.ReadInt32LittleEndian(bytes)];
            for (var partition = 0; partition < offsets.Length; partition++)
                offsets[partition] = BinaryPrimitives.ReadInt64LittleEndian(bytes[(4 + partition * 8)..]);
            if (topicLength == 0)
                erasures.Add([]);
            else
                erasures[^1].Add(new TombstoneGuard(topic, offsets));
            bytes = bytes[(4 + offsets.Length * 8)..];
        }

        return tombstone with { Guards = erasures[0], Earlier = erasures[1..] };
    }

    private static uint Crc(Tombstone tombstone, byte[] guards)
    {
        var crc = new Crc32C();
        crc.Add(tombstone.Entity);
        crc.Add(tombstone.Key);
        crc.Add(tombstone.Sequence);
        crc.Add(tombstone.Incarnation.ToByteArray());
        crc.Add(tombstone.ErasedAtMs);
        crc.Add(guards);
        return crc.Value;
    }
}
