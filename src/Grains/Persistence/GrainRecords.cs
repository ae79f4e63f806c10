using FeatureStore.Grains.Ownership;
using Orleans.Storage;

namespace FeatureStore.Grains.Persistence;

/// <summary>Records of grain storage that the owner of the stream alone writes.</summary>
internal static class GrainRecords
{
    /// <returns>The bytes, empty where there is no record; and its ETag.</returns>
    public static async Task<(byte[] Bytes, string? ETag)> ReadAsync(IGrainStorage storage, string state, GrainId id, CancellationToken cancellationToken)
    {
        var record = new GrainState<StoredState> { State = new StoredState() };
        await storage.ReadStateAsync(state, id, record, cancellationToken).ConfigureAwait(false);
        return (record.RecordExists && record.State is { } stored ? stored.Bytes : [], record.ETag);
    }

    /// <summary>Writes a record.</summary>
    /// <returns>Its ETag.</returns>
    /// <exception cref="OwnerFencedException">Another owner has written it.</exception>
    public static async Task<string?> WriteAsync(IGrainStorage storage, string state, GrainId id, byte[] bytes, string? etag, CancellationToken cancellationToken)
    {
        var record = new GrainState<StoredState> { State = new StoredState { Bytes = bytes }, ETag = etag, RecordExists = etag is not null };
        try
        {
            await storage.WriteStateAsync(state, id, record, cancellationToken).ConfigureAwait(false);
            return record.ETag;
        }
        catch (InconsistentStateException exception)
        {
            // A write whose answer was lost looks the same: then the record is our own.
            var (stored, newest) = await ReadAsync(storage, state, id, cancellationToken).ConfigureAwait(false);
            return stored.AsSpan().SequenceEqual(bytes) ? newest : throw new OwnerFencedException(null, exception);
        }
    }

    /// <summary>Removes a record.</summary>
    /// <returns>Whether there was one.</returns>
    public static async Task<bool> RemoveAsync(IGrainStorage storage, string state, GrainId id, CancellationToken cancellationToken)
    {
        var record = new GrainState<StoredState> { State = new StoredState() };
        await storage.ReadStateAsync(state, id, record, cancellationToken).ConfigureAwait(false);
        if (!record.RecordExists || record.State is not { Bytes.Length: > 0 })
            return false;
        await storage.ClearStateAsync(state, id, record, cancellationToken).ConfigureAwait(false);
        return true;
    }
}
