using System.Globalization;
using FeatureStore.Runtime;
using Orleans.Storage;

namespace FeatureStore.Grains.Persistence;

/// <summary>Grain storage over a <see cref="IRecordStore"/>: a record's ETag is its version.</summary>
internal sealed class RecordGrainStorage(IRecordStore store) : IGrainStorage
{
    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var record = await store.ReadAsync(Name(stateName, grainId)).ConfigureAwait(false);
        grainState.State = StoredStateSerializer.State<T>(record.Bytes);
        Know(grainState, record.Version);
    }

    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        Know(grainState, Done(await store.WriteAsync(Name(stateName, grainId), StoredStateSerializer.Bytes(grainState.State), Version(grainState)).ConfigureAwait(false), grainState));

    public async Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        Know(grainState, Done(await store.DeleteAsync(Name(stateName, grainId), Version(grainState)).ConfigureAwait(false), grainState));
        grainState.State = StoredStateSerializer.State<T>([]);
    }

    private static string Name(string stateName, GrainId grainId) => $"{stateName}/{grainId}";

    private static string? ETag(long version) => version == 0 ? null : version.ToString(CultureInfo.InvariantCulture);

    private static void Know<T>(IGrainState<T> state, long version) => (state.ETag, state.RecordExists) = (ETag(version), version != 0);

    private static long Version<T>(IGrainState<T> state) =>
        string.IsNullOrEmpty(state.ETag) ? 0
        : long.TryParse(state.ETag, NumberStyles.None, CultureInfo.InvariantCulture, out var version) && version > 0 ? version
        : throw new InconsistentStateException($"\"{state.ETag}\" is no ETag of this grain storage.", "", state.ETag);

    private static long Done<T>(RecordChange change, IGrainState<T> state) => change.IsDone
        ? change.Version
        : throw new InconsistentStateException("The record is another than the one that was read: somebody else has written or deleted it.", ETag(change.Version) ?? "", state.ETag ?? "");
}
