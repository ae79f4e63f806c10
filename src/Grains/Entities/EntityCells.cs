using System.Collections.Concurrent;
using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Storage;

namespace FeatureStore.Grains.Entities;

/// <summary>The entities that are active on this silo.</summary>
internal sealed partial class EntityCells(ClusterPlan plan, IServiceProvider services, ILocalSiloDetails silo, ILogger<EntityCells> logger)
{
    private readonly ConcurrentDictionary<string, EntityCell> _cells = new(StringComparer.Ordinal);

    private volatile OwnerRecord? _owner;

    public ClusterPlan Plan => plan;

    /// <summary>Where the record of the stream's owner is.</summary>
    public GrainId CheckpointId { get; } = GrainId.Create("featurestore-checkpoint", plan.Project.Definition.Project);

    public SiloAddress Silo => silo.SiloAddress;

    public IGrainStorage Storage => field ??= services.GetKeyedService<IGrainStorage>(ClusterNames.Storage)
        ?? throw new InvalidOperationException($"No grain storage provider is named \"{ClusterNames.Storage}\". Add one to the silo, as in AddMemoryGrainStorage(\"{ClusterNames.Storage}\").");

    public int Count => _cells.Count;

    /// <summary>The record of the stream's owner, as it was at the beginning of a term or later.</summary>
    public async ValueTask<OwnerRecord> OwnerAsync(long term)
    {
        if (_owner is { Term: > 0 } known && known.Term >= term)
            return known;
        var state = new GrainState<StoredState> { State = new StoredState() };
        await Storage.ReadStateAsync(ClusterNames.CheckpointState, CheckpointId, state).ConfigureAwait(false);
        return _owner = state.RecordExists && state.State is { Bytes.Length: > 0 } ? OwnerRecord.Read(state.State.Bytes) : new OwnerRecord();
    }

    public EntityCell Create(IGrainContext context) => new(this, context);

    public void Add(EntityCell cell) => _cells[cell.Address] = cell;

    public void Remove(EntityCell cell)
    {
        _cells.TryRemove(KeyValuePair.Create(cell.Address, cell));
        cell.Dispose();
    }

    public EntityCell? Find(string address) => _cells.GetValueOrDefault(address);

    /// <summary>Appends the block of an entity that is active here.</summary>
    public bool TryRead(string address, BlockSet blocks) => Find(address)?.TryRead(blocks) == true;

    [LoggerMessage(Level = LogLevel.Debug, Message = "The record of entity {Address} could not be written; it is tried again")]
    public partial void LogWriteFailed(Exception exception, string address);
}
