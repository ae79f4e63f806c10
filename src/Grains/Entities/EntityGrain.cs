using FeatureStore.Grains.Payloads;
using FeatureStore.Grains.Placement;
using Orleans.Concurrency;
using Orleans.Runtime.Placement;

namespace FeatureStore.Grains.Entities;

/// <summary>
/// Gives an <see cref="EntityCell"/> its identity, its place in the cluster and its turns. How long it is active <see cref="EntityShedding"/> says: Orleans does not see events that are applied
/// in place, and takes an entity that gets nothing else for idle.
/// </summary>
[GrainType("featurestore-entity")]
[EntityPlacement]
[KeepAlive]
internal sealed class EntityGrain(IGrainContext context, EntityCells cells) : IGrainBase, IEntityGrain, IGrainMigrationParticipant
{
    private const string MovedInKey = "featurestore.moved-in";
    private const string StateKey = "featurestore.state";

    private const int LoadsMax = 16;

    private EntityCell? _cell;

    /// <summary>The newest term in which the entity was moved.</summary>
    private long _movedIn;

    /// <summary>What goes with it to another silo, or has come.</summary>
    private MovedEntity? _moved;

    public IGrainContext GrainContext => context;

    private EntityCell Cell => _cell ?? throw new InvalidOperationException("A call came before the activation was complete.");

    public async Task OnActivateAsync(CancellationToken token)
    {
        var cell = cells.Create(context);
        if (_moved is null || !await cell.TryArriveAsync(_moved))
            await cell.LoadAsync(0);
        _moved = null;
        cells.Add(cell);
        _cell = cell;
    }

    /// <summary>
    /// Nothing has to be saved here: what is not durable is sent again by the owner of the stream. But where several slices call, each does so at its next call only, and whoever reads before would miss it. So what
    /// is not durable moves on when a silo leaves.
    /// </summary>
    public async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken token)
    {
        if (_cell is null)
            return;
        try
        {
            if (reason.ReasonCode is DeactivationReasonCode.ShuttingDown or DeactivationReasonCode.Migrating)
                _moved = await _cell.LeaveAsync(_movedIn, token);
        }
        finally
        {
            cells.Remove(_cell);
        }

        if (_moved is not null && reason.ReasonCode == DeactivationReasonCode.ShuttingDown)
            context.Migrate(null, token);
    }

    /// <summary>Of the block only what is not durable: the rest is loaded at the first call of a term anyway.</summary>
    public void OnDehydrate(IDehydrationContext migration)
    {
        GrainsInstruments.Moves.Add(1);
        migration.TryAddValue(MovedInKey, _movedIn);
        if (_moved is not null)
            migration.TryAddValue(StateKey, _moved);
    }

    public void OnRehydrate(IRehydrationContext migration)
    {
        migration.TryGetValue(MovedInKey, out _movedIn);
        migration.TryGetValue(StateKey, out _moved);
    }

    public async ValueTask<ApplyReply> ApplyAsync(OwnerCall call, [Immutable] ApplyRequest request)
    {
        // Once a term, to the first who calls: of several slices, each would have it.
        if (call.Term > _movedIn && RequestContext.Get(IPlacementDirector.PlacementHintKey) is SiloAddress wanted && !wanted.Equals(cells.Silo) && Cell.MayMove(call))
        {
            // Where nothing comes of it, the next call finds the entity here, and goes on.
            _movedIn = call.Term;
            this.MigrateOnIdle();
            return new ApplyReply { Status = ApplyStatus.Moves };
        }

        for (var loads = 0; ; loads++)
        {
            if (Cell.Apply(call, request, isBack: loads > 0) is { } reply)
                return reply;
            // Other slices may have been quicker to apply to the loaded block; sooner or later they are not.
            if (loads == (call.IsShared ? LoadsMax : 1))
                throw new InvalidOperationException("A block that was just loaded has nothing to go back on.");
            await Cell.LoadAsync(call.Term);
        }
    }

    public async ValueTask<ApplyReply> RollBackAsync(OwnerCall call)
    {
        if (Cell.BeginRollBack(call) is { } reply)
            return reply;
        await Cell.LoadAsync(call.Term);
        return Cell.BeginRollBack(call, isBack: true) ?? throw new InvalidOperationException("A block that was just loaded has nothing to go back on.");
    }

    public ValueTask<Immutable<byte[]?>> ReadAsync()
    {
        var block = Cell.Read();
        // Whoever asks for keys that nobody has must not fill the memory with them. A second activation of an entity is not to stay.
        if (block is { Length: 0 } || Cell.IsDoubtful)
            this.DeactivateOnIdle();
        return ValueTask.FromResult(new Immutable<byte[]?>(block));
    }
}
