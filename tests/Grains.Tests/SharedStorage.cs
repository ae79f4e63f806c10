using System.Collections.Concurrent;
using System.Globalization;
using FeatureStore.Grains.Persistence;
using Orleans.Storage;

namespace FeatureStore.Grains.Tests;

/// <summary>Grain storage that outlives silos, as a database does: ETags, and faults on request.</summary>
internal sealed class SharedStorage : IGrainStorage
{
    private readonly ConcurrentDictionary<(string State, GrainId Id), (byte[] Bytes, string ETag)> _records = new();
    private long _etags;

    /// <summary>Sees, and may fail, every write before it happens.</summary>
    public Action<string, GrainId, byte[]>? BeforeWrite { get; set; }

    /// <summary>Sees, and may hold up, every read before it happens.</summary>
    public Func<GrainId, Task>? BeforeRead { get; set; }

    /// <summary>Called after a write has happened: an exception from here is an answer that was lost.</summary>
    public Action<string>? AfterWrite { get; set; }

    public int Writes { get; private set; }

    public IEnumerable<(GrainId Id, byte[] Bytes)> Records(string state) =>
        _records.Where(record => record.Key.State == state).Select(record => (record.Key.Id, record.Value.Bytes));

    public void Replace(string state, GrainId id, byte[] bytes) => _records[(state, id)] = (bytes, NextETag());

    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        if (BeforeRead is not null)
            await BeforeRead(grainId);
        if (_records.TryGetValue((stateName, grainId), out var record))
        {
            grainState.State = (T)(object)new StoredState { Bytes = record.Bytes };
            grainState.ETag = record.ETag;
            grainState.RecordExists = true;
        }
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var bytes = ((StoredState)(object)grainState.State!).Bytes;
        BeforeWrite?.Invoke(stateName, grainId, bytes);
        lock (_records)
        {
            var stored = _records.TryGetValue((stateName, grainId), out var record) ? record.ETag : null;
            if (stored != grainState.ETag)
                throw new InconsistentStateException("The ETag is another.", stored, grainState.ETag);
            grainState.ETag = NextETag();
            grainState.RecordExists = true;
            _records[(stateName, grainId)] = (bytes, grainState.ETag);
            Writes++;
        }

        AfterWrite?.Invoke(stateName);
        return Task.CompletedTask;
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        _records.TryRemove((stateName, grainId), out _);
        grainState.ETag = null;
        grainState.RecordExists = false;
        return Task.CompletedTask;
    }

    private string NextETag() => Interlocked.Increment(ref _etags).ToString(CultureInfo.InvariantCulture);
}
