using System.Collections.Concurrent;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Storage;

namespace FeatureStore.Grains.Entities;

/// <summary>The entities that are active on this silo.</summary>
internal sealed partial class EntityCells(ClusterPlan plan, IServiceProvider services, ILocalSiloDetails silo, ILogger<EntityCells> logger)
{
    private readonly ConcurrentDictionary<string, EntityCell> _cells = new(StringComparer.Ordinal);

    public ClusterPlan Plan => plan;

    public SiloAddress Silo => silo.SiloAddress;

    public IGrainStorage Storage => field ??= services.GetKeyedService<IGrainStorage>(ClusterNames.Storage)
        ?? throw new InvalidOperationException($"No grain storage provider is named \"{ClusterNames.Storage}\". Add one to the silo, as in AddMemoryGrainStorage(\"{ClusterNames.Storage}\").");

    public int Count => _cells.Count;

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
