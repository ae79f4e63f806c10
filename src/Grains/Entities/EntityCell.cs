using System.Runtime.InteropServices;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Grains.Payloads;
using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using Orleans.Storage;

namespace FeatureStore.Grains.Entities;

/// <summary>
/// One entity's block, live and as of the last cut, and what of its past does not count any more.
/// <para>
/// Invariant: durable ≤ cut ≤ P, and durable ≤ live. Events carry the number of their interval between two cuts. The first event of a later interval
/// that finds undurable ones of an earlier interval copies the block first; only that copy, or a block that no later event has touched, is ever written.
/// Whoever sends the events says when a cut is published and may be written (architecture, "Exactly once").
/// </para>
/// <para>
/// An epoch names a line of live states: while it stays the same, nothing that was applied is missing. Records that the block already contains are passed over.
/// </para>
/// <para>
/// A durable block may be ahead of S, up to P, and passes over what it contains when the stream goes on from S. An entity that has to be exact
/// (<see cref="ClusterPlan.IsExact"/>) keeps, with the block of a cut, that of the complete checkpoint before it; a new owner goes on from that one unless the cut was completed.
/// </para>
/// <para>
/// Several slices of a stream may call. All are in one interval at a time, so that an event of an earlier interval than the newest is one that is sent again since the block went back: it
/// goes into both blocks. What one slice has written may lack what another still sends again; each waits until its own events are in, and S until all do.
/// </para>
/// </summary>
internal sealed class EntityCell : IDisposable
{
    [ThreadStatic]
    private static EventBatch?[]? _scratch;

    [ThreadStatic]
    private static AppliedOffsets? _before;

    private readonly Lock _gate = new();
    private readonly EntityCells _cells;
    private readonly IGrainContext _context;
    private readonly EntityPlan _plan;
    private readonly bool _isExact;
    private byte[]? _key;
    private NativeBlock? _live;

    /// <summary>What the block contains, and what was erased. Of an exact entity only the latter: its block contains what came before its cut.</summary>
    private AppliedOffsets _applied = new();

    /// <summary>What the sequence of the next new block goes on from.</summary>
    private long _sequence;

    /// <summary>Of an exact entity the durable block, and the term and interval that it is as of.</summary>
    private byte[] _durable = [];
    private long _durableTerm;
    private long _durableInterval;

    /// <summary>The owner whose history the durable block is of.</summary>
    private long _ownerTerm;

    /// <summary>The block as of the last cut; null where no event has come since, or all before it are durable.</summary>
    private NativeBlock? _atCut;
    private AppliedOffsets? _appliedAtCut;

    private string? _etag;
    private long _term;
    private CallNumbers _calls;
    private long _epoch;

    /// <summary>Interval of the newest event that is not durable.</summary>
    private long _interval;
    private bool _isDirty;

    /// <summary>Tells a write that began before an erasure.</summary>
    private int _erasures;
    private bool _isClosed;
    private Task? _writing;

    /// <summary>The cut that is being written,</summary>
    private long _writingInterval;

    /// <summary>and whether an event before it has come since that began: another slice sends it again.</summary>
    private bool _isOvertaken;

    public EntityCell(EntityCells cells, IGrainContext context)
    {
        _cells = cells;
        _context = context;
        Address = context.GrainId.Key.ToString()!;
        (_plan, _key) = EntityAddress.Parse(cells.Plan, Address);
        _isExact = cells.Plan.IsExact(_plan);
    }

    public string Address { get; }

    /// <summary>Takes in the durable block, in place of what is live. Not while another load is under way.</summary>
    /// <param name="term">Of the owner that asks; 0: nobody does.</param>
    /// <exception cref="InvalidDataException">The record does not fit the definitions.</exception>
    public async Task LoadAsync(long term)
    {
        Task? writing;
        lock (_gate)
        {
            // Until the end of it, nobody's.
            _epoch = -1;
            writing = _writing;
        }

        if (writing is not null)
            await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var owner = await _cells.OwnerAsync(term).ConfigureAwait(false);
        var state = new GrainState<StoredState> { State = new StoredState() };
        await _cells.Storage.ReadStateAsync(ClusterNames.EntityState, _context.GrainId, state).ConfigureAwait(false);
        lock (_gate)
        {
            _live?.Dispose();
            _live = null;
            DropCut();
            _applied = new AppliedOffsets();
            (_sequence, _durable, _durableTerm, _durableInterval) = (0, [], 0, 0);
            _ownerTerm = Math.Max(term, owner.Term);
            _isDirty = false;
            _interval = 0;
            _etag = state.ETag;
            if (state.RecordExists && state.State is { Bytes.Length: > 0 })
                Restore(state.State.Bytes, owner);
            _epoch = Random.Shared.NextInt64(1, long.MaxValue);
        }
    }

    /// <summary>Applies events, if the caller knows this state.</summary>
    /// <param name="call">Who calls.</param>
    /// <param name="request">The events.</param>
    /// <param name="events">Where the caller has the request's events at hand; else they are decoded.</param>
    /// <param name="rows">Which of them are the request's.</param>
    /// <returns>Null where the block has first to go back to the durable one (<see cref="LoadAsync"/>).</returns>
    public ApplyReply? Apply(OwnerCall call, ApplyRequest request, EventBatch? events = null, List<int>? rows = null)
    {
        if (request.Plan != _cells.Plan.Fingerprint)
            return new ApplyReply { Status = ApplyStatus.OtherDefinitions };
        lock (_gate)
        {
            if (IsOld(call) is { } old)
                return old;
            if (call.IsShared && call.Term == _term && !Knows(call))
                return Reply(ApplyStatus.Behind, 0);
            if (_isExact && call.Term > _ownerTerm)
                return null;
            if (_isDirty && (call.Term > _term || (call.IsShared ? !Fits(request) : call.Epoch == 0 || request.Interval < _interval || request.Interval > _interval && _atCut is not null)))
                return null;
            Accept(call);
            if (!Knows(call))
                return Reply(ApplyStatus.Behind, 0);
            if (request.Guards is { } guards)
            {
                Erase(AppliedOffsets.Read(guards), request);
                return Reply(ApplyStatus.Applied, call.Epoch);
            }

            var route = _cells.Plan.Route(request.Source, _plan.Index)!;
            var reply = Reply(ApplyStatus.Applied, call.Epoch, new byte[request.Count * ClusterPlan.ValuesPerEvent(route, request.Vectors) * sizeof(double)]);
            events ??= Decode(request);
            if (_isDirty && route.Feeds && request.Interval < _interval)
                ApplyToCut(route, request, events, rows, reply.Values.Length / sizeof(double));
            Apply(route, request, events, rows, MemoryMarshal.Cast<byte, double>(reply.Values.AsSpan()));
            return reply;
        }
    }

    /// <summary>Takes a new caller, or one that does not know what became of its last call.</summary>
    /// <param name="call">Who calls.</param>
    /// <param name="isBack">Whether the block went back for this call: what is in it since then is other slices'.</param>
    /// <returns>The epoch; null where the block has first to go back (<see cref="LoadAsync"/>).</returns>
    public ApplyReply? BeginRollBack(OwnerCall call, bool isBack = false)
    {
        lock (_gate)
        {
            if (IsOld(call) is { } old)
                return old;
            if (_isDirty && (!isBack || !call.IsShared) || _isExact && call.Term > _ownerTerm)
                return null;
            Accept(call);
            return Reply(_isClosed ? ApplyStatus.Behind : ApplyStatus.Applied, 0);
        }
    }

    /// <summary>A copy of the live block; empty where there is none.</summary>
    public byte[] Read()
    {
        lock (_gate)
            return _live is null ? [] : _live.Span.ToArray();
    }

    /// <summary>Appends the live block to a set, or an empty one.</summary>
    /// <returns>False where the activation has ended: whoever asks looks for the next one.</returns>
    public bool TryRead(BlockSet blocks)
    {
        lock (_gate)
        {
            if (_isClosed)
                return false;
            blocks.Add(_live is null ? default : _live.Span);
            return true;
        }
    }

    /// <summary>Makes the block durable as it was at the end of an interval.</summary>
    public async Task<FlushStatus> FlushAsync(long term, long interval, long epoch)
    {
        byte[] record;
        byte[] durable;
        int erasures;
        TaskCompletionSource written;
        while (Volatile.Read(ref _writing) is { } underWay)
            await underWay.ConfigureAwait(false);
        lock (_gate)
        {
            if (term < _term)
                return FlushStatus.Fenced;
            if (_isClosed || epoch != _epoch)
                return FlushStatus.Behind;
            if (_writing is not null)
                return FlushStatus.Failed;
            if (!_isDirty || _interval > interval && _atCut is null)
                return FlushStatus.Durable;
            var block = _interval <= interval ? _live is null ? default : _live.Span : _atCut!.Span;
            record = EntityRecord.Write(_isExact, term, interval, _sequence, _interval <= interval ? _applied : _appliedAtCut!, block, _durable);
            erasures = _erasures;
            durable = _isExact ? block.ToArray() : [];
            written = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _writing = written.Task;
            (_writingInterval, _isOvertaken) = (interval, false);
        }

        try
        {
            var state = new GrainState<StoredState> { State = new StoredState { Bytes = record }, ETag = _etag, RecordExists = _etag is not null };
            await _cells.Storage.WriteStateAsync(ClusterNames.EntityState, _context.GrainId, state).ConfigureAwait(false);
            GrainsInstruments.SavedBlocks.Add(1);
            lock (_gate)
            {
                _etag = state.ETag;
                if (erasures != _erasures)
                    return FlushStatus.Failed;
                (_durable, _durableTerm, _durableInterval) = (durable, term, interval);
                if (_isOvertaken)
                    return FlushStatus.Durable;
                _isDirty = _interval > interval;
                DropCut();
                return FlushStatus.Durable;
            }
        }
        catch (InconsistentStateException exception)
        {
            // Another activation of the same entity has written: this one is not the entity any more.
            GrainsInstruments.Duplicates.Add(1);
            Dispose();
            _context.Deactivate(new DeactivationReason(DeactivationReasonCode.ApplicationError, exception, "Another activation of the entity has written its record."));
            return FlushStatus.Behind;
        }
        catch (Exception exception)
        {
            _cells.LogWriteFailed(exception, Address);
            return FlushStatus.Failed;
        }
        finally
        {
            lock (_gate)
                _writing = null;
            written.SetResult();
        }
    }

    /// <summary>Ends the activation: its state is given up.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isClosed = true;
            _isDirty = false;
            DropCut();
            _live?.Dispose();
            _live = null;
        }
    }

    /// <summary>An owner that another has followed, or a call that was overtaken by a later one: whoever sent it does not wait for it any more.</summary>
    private ApplyReply? IsOld(OwnerCall call) =>
        call.Term < _term ? new ApplyReply { Status = ApplyStatus.Fenced }
        : call.Term == _term && call.Number <= _calls.Of(call.Slice) ? Reply(ApplyStatus.Behind, 0)
        : null;

    /// <summary>Whether this state is the one that the caller knows, or it need not know any.</summary>
    private bool Knows(OwnerCall call) => !_isClosed && _epoch > 0 && (call.Epoch == 0 || call.Epoch == _epoch);

    private void Accept(OwnerCall call)
    {
        if (call.Term > _term)
            _calls = default;
        _term = call.Term;
        _calls.Set(call.Slice, call.Number);
    }

    /// <summary>Whether a request of one of several slices finds the block of its interval.</summary>
    private bool Fits(ApplyRequest request) =>
        request.Interval == _interval
        || request.Interval < _interval == _atCut is not null
        || request.Guards is null && !_cells.Plan.Route(request.Source, _plan.Index)!.Feeds;

    private ApplyReply Reply(ApplyStatus status, long epochKnown, byte[]? values = null) => new()
    {
        Status = status,
        Epoch = _epoch,
        Silo = epochKnown == _epoch ? null : _cells.Silo,
        Values = values ?? [],
    };

    private void Restore(byte[] bytes, OwnerRecord owner)
    {
        var record = EntityRecord.Read(bytes);
        _applied = AppliedOffsets.Read(record.Offsets);
        _sequence = record.Sequence;
        var block = record.Block;
        if (!record.IsExact || owner.Has(record.Term, record.Interval))
            (_durableTerm, _durableInterval) = (record.Term, record.Interval);
        else
            block = record.Earlier;
        if (block.IsEmpty)
            return;
        if (owner.Migration(_plan, block) is { } migration)
            block = migration.Migrate(block);
        if (_plan.Check(block) is { } problem)
            throw new InvalidDataException($"The stored block of entity \"{Address}\" {problem}. It was written under other definitions, or is damaged: start with the old definitions, or with an empty store.");
        _key ??= EntityPlan.Key(block).ToArray();
        if (EntityAddress.Of(_plan, EntityPlan.Key(block)) != Address)
            throw new InvalidDataException($"The record of entity \"{Address}\" has another key than its place. Restore a copy of the store, or start with an empty one.");
        _live = NativeBlock.CopyOf(block);
        _durable = _isExact ? block.ToArray() : [];
    }

    private void Apply(Route route, ApplyRequest request, EventBatch events, List<int>? rows, Span<double> values)
    {
        _key ??= request.Key ?? throw new InvalidDataException($"The first call to entity \"{Address}\" lacks the key.");
        var source = _cells.Plan.Project.Sources[request.Source];
        var feeds = route.Feeds && !(_isExact && _term == _durableTerm && request.Interval <= _durableInterval);
        // All rows of a record are in one call: what counts is where the call began.
        AppliedOffsets? before = null;
        for (var index = 0; index < request.Count; index++)
        {
            var row = rows is null ? index : rows[index];
            ref readonly var header = ref events[row];
            var origin = source.Join is null ? source.Index : header.Origin;
            var generation = request.Generation(origin, header.Partition);
            if (feeds && header.Offset >= (before ?? _applied).Next(_cells.Plan.SourceIds[origin], header.Partition, generation))
            {
                if (before is null)
                {
                    before = _before ??= new AppliedOffsets();
                    before.CopyFrom(_applied);
                    BeginWrite(request.Interval);
                }

                if (!_isExact)
                    _applied.Advance(_cells.Plan.SourceIds[origin], header.Partition, generation, header.Offset + 1);
                Change(source.Index, events.Row(row), header);
            }

            if (header.IsRetraction)
                continue;
            values = Read(route.Enrichment, header.TimeMs, values);
            foreach (var slice in route.Slices.AsSpan(0, request.Vectors))
                values = Read(slice, header.TimeMs, values);
        }
    }

    /// <summary>Applies events to the block as of the last cut, which they lie before.</summary>
    private void ApplyToCut(Route route, ApplyRequest request, EventBatch events, List<int>? rows, int values)
    {
        var (live, applied) = (_live, _applied);
        var wasEmpty = _atCut!.Span.IsEmpty;
        (_live, _applied) = (wasEmpty ? null : _atCut, _appliedAtCut!);
        Apply(route, request, events, rows, new double[values]);
        if (wasEmpty && _live is not null)
            _atCut.Dispose();
        _atCut = _live ?? _atCut;
        (_live, _applied) = (live, applied);
    }

    private Span<double> Read(VectorSlice slice, long timeMs, Span<double> values)
    {
        _plan.Read(_live is null ? default : _live.Span, timeMs, slice.Features, values[..slice.Features.Length]);
        return values[slice.Features.Length..];
    }

    /// <summary>Gives the block up, in every form, and keeps its past out.</summary>
    private void Erase(AppliedOffsets guards, ApplyRequest request)
    {
        _key ??= request.Key;
        _sequence = Math.Max(_sequence, _live is null ? 0 : EntityPlan.Sequence(_live.Span)) + Shard.ErasureSequences;
        _applied.Advance(guards);
        _erasures++;
        DropCut();
        _live?.Dispose();
        _live = null;
        _durable = [];
        // What comes later in the interval is not in the record.
        _interval = request.Interval - 1;
        _isDirty = true;
    }

    private EventBatch Decode(ApplyRequest request)
    {
        _scratch ??= new EventBatch?[_cells.Plan.Project.Sources.Count];
        if (_scratch.Length <= request.Source || _scratch[request.Source]?.Schema != _cells.Plan.Project.Sources[request.Source].Schema)
        {
            Array.Resize(ref _scratch, Math.Max(_scratch.Length, _cells.Plan.Project.Sources.Count));
            _scratch[request.Source] = new EventBatch(_cells.Plan.Project.Sources[request.Source].Schema);
        }

        var events = _scratch[request.Source]!;
        events.Clear();
        for (var rows = request.Rows.AsSpan(); !rows.IsEmpty; rows = rows[EventCodec.Read(rows, events)..])
        {
        }

        return events;
    }

    private void BeginWrite(long interval)
    {
        if (_isDirty && interval > _interval)
        {
            _atCut = NativeBlock.CopyOf(_live is null ? default : _live.Span);
            (_appliedAtCut = new AppliedOffsets()).CopyFrom(_applied);
        }

        _isOvertaken |= _writing is not null && interval <= _writingInterval;
        _interval = _isDirty ? Math.Max(_interval, interval) : interval;
        _isDirty = true;
    }

    private void Change(int source, in FieldRow row, in EventHeader header)
    {
        if (_live is null)
        {
            _live = new NativeBlock(_plan.EmptyLength(_key!.Length));
            _plan.Initialize(_live.Span, _key);
            if (_sequence > 0)
                EntityPlan.SetSequence(_live.Span, _sequence);
        }

        if (!header.IsRetraction)
        {
            while (_plan.Apply(_live.Span, source, row, header.TimeMs) is > 0 and var wanted)
                Resize(wanted);
        }
        else if (_plan.CanRetract(_live.Span, source, header.TimeMs))
        {
            while (_plan.Retract(_live.Span, source, row, header.TimeMs) is > 0 and var wanted)
                Resize(wanted);
        }
        else
        {
            RuntimeInstruments.RetractionsLost.Add(1, new KeyValuePair<string, object?>("entity", _plan.Name));
        }
    }

    private void Resize(int length)
    {
        var resized = new NativeBlock(length);
        _plan.Resize(_live!.Span, resized.Span);
        _live.Dispose();
        _live = resized;
    }

    private void DropCut()
    {
        _atCut?.Dispose();
        _atCut = null;
        _appliedAtCut = null;
    }
}
