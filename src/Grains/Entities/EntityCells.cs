using System.Collections.Concurrent;
using FeatureStore.Grains.Changes;
using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Storage;

namespace FeatureStore.Grains.Entities;

/// <summary>The entities that are active on this silo.</summary>
internal sealed partial class EntityCells : IEntityCounts
{
    /// <summary>Mark of the hot store.</summary>
    public const int PublishMark = 1;

    /// <summary>Mark of those who listen to changes.</summary>
    public const int TellMark = 2;

    private static readonly TimeSpan _settleTime = TimeSpan.FromSeconds(30);

    private readonly ClusterPlan _plan;
    private readonly IServiceProvider _services;
    private readonly ILocalSiloDetails _silo;
    private readonly ILogger<EntityCells> _logger;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, EntityCell> _cells = new(StringComparer.Ordinal);

    private readonly BlockLedger[] _ledgers;

    private volatile OwnerRecord? _owner;
    private long _settledAt = long.MinValue;
    private volatile int _nowSeconds;
    private volatile bool _isShedding;

    public EntityCells(ClusterPlan plan, IServiceProvider services, ILocalSiloDetails silo, ILogger<EntityCells> logger)
    {
        (_plan, _services, _silo, _logger) = (plan, services, silo, logger);
        _time = services.GetRequiredService<TimeProvider>();
        CheckpointId = GrainId.Create("featurestore-checkpoint", plan.Project.Definition.Project);
        Tracked = new int[plan.Project.Entities.Count];
        _ledgers = [.. plan.Project.Entities.Select(_ => new BlockLedger())];
        (ToPublish, ToTell) = (new ChangedCells(this, PublishMark), new ChangedCells(this, TellMark));
    }

    public ClusterPlan Plan => _plan;

    /// <summary>Where the record of the stream's owner is.</summary>
    public GrainId CheckpointId { get; }

    public SiloAddress Silo => _silo.SiloAddress;

    /// <summary>What a hot store lacks. Entities that have just become active are among it.</summary>
    public ChangedCells ToPublish { get; }

    /// <summary>What those who listen to changes have not been told.</summary>
    public ChangedCells ToTell { get; }

    /// <summary>By entity type, the marks of those who want to know of changes.</summary>
    public int[] Tracked { get; }

    public IGrainStorage Storage => field ??= _services.GetKeyedService<IGrainStorage>(ClusterNames.Storage)
        ?? throw new InvalidOperationException($"No grain storage provider is named \"{ClusterNames.Storage}\". Add one to the silo, as in AddMemoryGrainStorage(\"{ClusterNames.Storage}\").");

    public int Count => _cells.Count;

    /// <summary>The cells, while others may come and go.</summary>
    public IEnumerable<EntityCell> All => _cells.Select(pair => pair.Value);

    /// <summary>The clock by which the use of entities is told: seconds, as <see cref="EntityShedding"/> sets it.</summary>
    public int NowSeconds
    {
        get => _nowSeconds;
        set => _nowSeconds = value;
    }

    /// <inheritdoc/>
    public bool IsShedding
    {
        get => _isShedding;
        set => _isShedding = value;
    }

    /// <inheritdoc/>
    public IReadOnlyList<EntityCount> Counts => [.. _plan.Project.Entities.Select(entity => new EntityCount(entity.Name, Ledger(entity.Index).Entities, Ledger(entity.Index).Bytes))];

    ulong? IEntityCounts.Fingerprint => _plan.Fingerprint;

    /// <summary>What is active of an entity type.</summary>
    public BlockLedger Ledger(int entity) => _ledgers[entity];

    /// <summary>The record of the stream's owner, as it was at the beginning of a term or later.</summary>
    public async ValueTask<OwnerRecord> OwnerAsync(long term)
    {
        if (_owner is { Term: > 0 } known && known.Term >= term)
            return known;
        var state = new GrainState<StoredState> { State = new StoredState() };
        await Storage.ReadStateAsync(ClusterNames.CheckpointState, CheckpointId, state).ConfigureAwait(false);
        return _owner = state.RecordExists && state.State is { Bytes.Length: > 0 } ? OwnerRecord.Read(state.State.Bytes) : new OwnerRecord();
    }

    /// <summary>Has those whose marks these are take note of a cell.</summary>
    public void Tell(int entity, EntityCell cell, int marks)
    {
        if ((marks & PublishMark) != 0)
            ToPublish.Add(entity, cell);
        if ((marks & TellMark) != 0)
            ToTell.Add(entity, cell);
    }

    /// <summary>Names the history of state; null before any silo has owned the stream.</summary>
    public async ValueTask<Guid?> IncarnationAsync(CancellationToken cancellationToken)
    {
        var owner = await OwnerAsync(1).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
        return owner.Term > 0 ? owner.Incarnation : null;
    }

    /// <summary>A timestamp.</summary>
    public long Now => _time.GetTimestamp();

    /// <summary>
    /// Says that silos have come or gone. For a while after it an entity may have two activations, as the directory's parts change hands: the one that the owner's events go to, and one
    /// that a read made meanwhile, whose block falls behind.
    /// </summary>
    public void Unsettle() => Volatile.Write(ref _settledAt, Now + (long)(_settleTime.TotalSeconds * _time.TimestampFrequency));

    /// <summary>Whether a block was loaded longer ago than some time.</summary>
    public bool IsOlder(long loadedAt, TimeSpan age) => _time.GetElapsedTime(loadedAt) > age;

    /// <summary>Whether a block was loaded longer ago than some time, and in a while in which there may have been two activations.</summary>
    public bool IsDoubtful(long loadedAt, TimeSpan age) => loadedAt < Volatile.Read(ref _settledAt) && IsOlder(loadedAt, age);

    public EntityCell Create(IGrainContext context) => new(this, context);

    /// <summary>Takes an entity in that has become active. Once.</summary>
    public void Add(EntityCell cell)
    {
        _cells[cell.Address] = cell;
        Ledger(cell.Entity).AddEntities(1);
    }

    /// <summary>Gives an entity up that is active no more. Once.</summary>
    public void Remove(EntityCell cell)
    {
        Ledger(cell.Entity).AddEntities(-1);
        _cells.TryRemove(KeyValuePair.Create(cell.Address, cell));
        cell.Dispose();
    }

    public EntityCell? Find(string address) => _cells.GetValueOrDefault(address);

    /// <summary>Appends the block of an entity that is active here.</summary>
    public bool TryRead(string address, BlockSet blocks) => Find(address)?.TryRead(blocks) == true;

    [LoggerMessage(Level = LogLevel.Debug, Message = "The record of entity {Address} could not be written; it is tried again")]
    public partial void LogWriteFailed(Exception exception, string address);
}
