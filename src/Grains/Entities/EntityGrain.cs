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

    private const int LoadsMax = 16;

    private EntityCell? _cell;

    /// <summary>The newest term in which the entity was moved.</summary>
    private long _movedIn;

    public IGrainContext GrainContext => context;

    private EntityCell Cell => _cell ?? throw new InvalidOperationException("A call came before the activation was complete.");

    public async Task OnActivateAsync(CancellationToken token)
    {
        var cell = cells.Create(context);
        await cell.LoadAsync(0);
        cells.Add(cell);
        _cell = cell;
    }

    /// <summary>Nothing has to be saved here: what is not durable is sent again by the owner of the stream.</summary>
    public Task OnDeactivateAsync(DeactivationReason reason, CancellationToken token)
    {
        if (_cell is not null)
            cells.Remove(_cell);
        return Task.CompletedTask;
    }

    /// <summary>Not the block, which is loaded at the first call of a term anyway.</summary>
    public void OnDehydrate(IDehydrationContext migration)
    {
        GrainsInstruments.Moves.Add(1);
        migration.TryAddValue(MovedInKey, _movedIn);
    }

    public void OnRehydrate(IRehydrationContext migration) => migration.TryGetValue(MovedInKey, out _movedIn);

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
