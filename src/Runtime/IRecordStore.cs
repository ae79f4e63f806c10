namespace FeatureStore.Runtime;

/// <summary>
/// Records by name, that several processes read and write at once. Each write gives its record another version; who replaces or deletes a record says which version
/// it knows, and is refused where there is another one. What a call has answered survives a power cut. Thread-safe.
/// </summary>
public interface IRecordStore : IDisposable
{
    /// <summary>Names this store: two are the same only where this is.</summary>
    Guid Id { get; }

    /// <summary>Reads a record, with all writes to it that have been answered to whomever.</summary>
    /// <exception cref="IOException">The store cannot be read, or the record is damaged.</exception>
    ValueTask<VersionedRecord> ReadAsync(string name);

    /// <summary>Writes a record.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="bytes">Not to be changed before the call has ended.</param>
    /// <param name="version">Of the record that it replaces; 0: there is none.</param>
    /// <returns>The version of the record that is there now: the new one, or, where the write was refused, the other one.</returns>
    /// <exception cref="IOException">The store cannot write. The record is as it was.</exception>
    Task<RecordChange> WriteAsync(string name, ReadOnlyMemory<byte> bytes, long version);

    /// <summary>Deletes a record. As <see cref="WriteAsync"/>; a record that is not there is deleted with version 0.</summary>
    Task<RecordChange> DeleteAsync(string name, long version);
}

/// <summary>A record as it was read.</summary>
/// <param name="Version">0: there is none.</param>
/// <param name="Bytes">Empty where there is none.</param>
public readonly record struct VersionedRecord(long Version, byte[] Bytes);

/// <summary>What became of a write.</summary>
/// <param name="IsDone">Whether it happened.</param>
/// <param name="Version">Of the record that is there now; 0: there is none.</param>
public readonly record struct RecordChange(bool IsDone, long Version);
