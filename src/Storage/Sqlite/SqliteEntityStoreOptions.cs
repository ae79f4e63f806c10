namespace FeatureStore.Storage.Sqlite;

/// <summary>Sizes of a <see cref="SqliteEntityStore"/>.</summary>
public sealed record SqliteEntityStoreOptions
{
    /// <summary>
    /// Bytes of write-ahead log after which its pages are copied into the database; default 64 MiB, range 64 KiB to 4 GiB.
    /// The log is never longer than this and the pages of the largest checkpoint together.
    /// </summary>
    public long LogBytesMax { get; init; } = 64 << 20;

    /// <summary>Page cache in bytes; default 16 MiB, range 1 MiB to 4 GiB.</summary>
    public long CacheBytes { get; init; } = 16 << 20;

    /// <summary>Largest database file in bytes, to the page; default 0: as large as the disk allows. A checkpoint that does not fit fails as on a full disk.</summary>
    public long DatabaseBytesMax { get; init; }

    internal void Validate()
    {
        Check(LogBytesMax, 64L << 10, 4L << 30, nameof(LogBytesMax));
        Check(CacheBytes, 1L << 20, 4L << 30, nameof(CacheBytes));
        Check(DatabaseBytesMax, 0, long.MaxValue, nameof(DatabaseBytesMax));
    }

    private static void Check(long value, long min, long max, string name)
    {
        if (value < min || value > max)
            throw new ArgumentOutOfRangeException(name, $"option \"{name}\": {value} bytes is out of range. Use {min} to {max}.");
    }
}
