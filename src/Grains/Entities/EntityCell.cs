using System.Runtime.InteropServices;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Grains.Payloads;
using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;
using Orleans.Storage;

namespace FeatureStore.Grains.Entities;

/// <summary>
/// One entity's block, live and as of the last cut, and the offsets that each contains.
/// <para>
/// Invariant: durable ≤ cut ≤ P, and durable ≤ live. Events carry the number of their interval between two cuts. The first event of a later interval
/// that finds undurable ones of an earlier interval copies the block first; only that copy, or a block that no later event has touched, is ever written.
/// Whoever sends the events says when a cut is published and may be written (architecture, "Exactly once").
/// </para>
/// <para>
/// An epoch names a line of live states: while it stays the same, nothing that was applied is missing. Records that the block already contains are passed over.
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
    private byte[]? _key;
    private NativeBlock? _live;
    private AppliedOffsets _applied = new();

    /// <summary>The block as of the last cut; null where no event has come since, or all before it are durable.</summary>
    private NativeBlock? _atCut;
    private AppliedOffsets? _appliedAtCut;

    private string? _etag;
    private long _term;
    private long _call;
    private long _epoch;

    /// <summary>Interval of the newest event that is not durable.</summary>
    private long _interval;
    private bool _isDirty;
    private bool _isClosed;
    private Task? _writing;

    public EntityCell(EntityCells cells, IGrainContext context)
    {
        _cells = cells;
        _context = context;
        Address = context.GrainId.Key.ToString()!;
        (_plan, _key) = EntityAddress.Parse(cells.Plan, Address);
    }

    public string Address { get; }

    /// <summary>Takes in the durable block, in place of what is live. Not while another load is under way.</summary>
    /// <exception cref="InvalidDataException">The record does not fit the definitions.</exception>
    public async Task LoadAsync()
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
        var state = new GrainState<StoredState> { State = new StoredState() };
        await _cells.Storage.ReadStateAsync(ClusterNames.EntityState, _context.GrainId, state).ConfigureAwait(false);
        lock (_gate)
        {
            _live?.Dispose();
            _live = null;
            DropCut();
            _applied = new AppliedOffsets();
            _isDirty = false;
            _interval = 0;
            _etag = state.ETag;
            if (state.RecordExists && state.State is { Bytes.Length: > 0 })
                Restore(state.State.Bytes);
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
            if (_isDirty && (call.Term > _term || call.Epoch == 0 || request.Interval < _interval || request.Interval > _interval && _atCut is not null))
                return null;
            (_term, _call) = (call.Term, call.Number);
            if (_isClosed || call.Epoch != 0 && call.Epoch != _epoch)
                return Reply(ApplyStatus.Behind, 0);
            var route = _cells.Plan.Route(request.Source, _plan.Index)!;
            var reply = Reply(ApplyStatus.Applied, call.Epoch, new byte[request.Count * route.ValuesPerEvent(request.Vectors) * sizeof(double)]);
            Apply(route, request, events ?? Decode(request), rows, MemoryMarshal.Cast<byte, double>(reply.Values.AsSpan()));
            return reply;
        }
    }

    /// <summary>Takes a new caller, or one that does not know what became of its last call.</summary>
    /// <returns>The epoch; null where the block has first to go back (<see cref="LoadAsync"/>).</returns>
    public ApplyReply? BeginRollBack(OwnerCall call)
    {
        lock (_gate)
        {
            if (IsOld(call) is { } old)
                return old;
            if (_isDirty)
                return null;
            (_term, _call) = (call.Term, call.Number);
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
        TaskCompletionSource written;
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
            record = _interval <= interval ? EntityRecord.Write(_applied, _live!.Span) : EntityRecord.Write(_appliedAtCut!, _atCut!.Span);
            written = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _writing = written.Task;
        }

        try
        {
            var state = new GrainState<StoredState> { State = new StoredState { Bytes = record }, ETag = _etag, RecordExists = _etag is not null };
            await _cells.Storage.WriteStateAsync(ClusterNames.EntityState, _context.GrainId, state).ConfigureAwait(false);
            GrainsInstruments.SavedBlocks.Add(1);
            lock (_gate)
            {
                _etag = state.ETag;
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
        : call.Term == _term && call.Number <= _call ? Reply(ApplyStatus.Behind, 0)
        : null;

    private ApplyReply Reply(ApplyStatus status, long epochKnown, byte[]? values = null) => new()
    {
        Status = status,
        Epoch = _epoch,
        Silo = epochKnown == _epoch ? null : _cells.Silo,
        Values = values ?? [],
    };

    private void Restore(byte[] record)
    {
        _applied = EntityRecord.Read(record, out var block);
        if (_plan.Check(block) is { } problem)
            throw new InvalidDataException($"The stored block of entity \"{Address}\" {problem}. It was written under other definitions, or is damaged: start with the old definitions, or with an empty store.");
        _key ??= EntityPlan.Key(block).ToArray();
        if (EntityAddress.Of(_plan, EntityPlan.Key(block)) != Address)
            throw new InvalidDataException($"The record of entity \"{Address}\" has another key than its place. Restore a copy of the store, or start with an empty one.");
        _live = NativeBlock.CopyOf(block);
    }

    private void Apply(EntityRoute route, ApplyRequest request, EventBatch events, List<int>? rows, Span<double> values)
    {
        _key ??= request.Key ?? throw new InvalidDataException($"The first call to entity \"{Address}\" lacks the key.");
        var source = _cells.Plan.SourceIds[request.Source];
        // All rows of a record are in one call: what counts is where the call began.
        AppliedOffsets? before = null;
        for (var index = 0; index < request.Count; index++)
        {
            var row = rows is null ? index : rows[index];
            ref readonly var header = ref events[row];
            if (route.Feeds && header.Offset >= (before ?? _applied).Next(source, header.Partition))
            {
                if (before is null)
                {
                    before = _before ??= new AppliedOffsets();
                    before.CopyFrom(_applied);
                    BeginWrite(request.Interval);
                }

                _applied.Advance(source, header.Partition, header.Offset + 1);
                Change(route, events.Row(row), header);
            }

            if (header.IsRetraction)
                continue;
            foreach (var slice in route.Slices.AsSpan(0, request.Vectors))
            {
                _plan.Read(_live is null ? default : _live.Span, header.TimeMs, slice.Features, values[..slice.Features.Length]);
                values = values[slice.Features.Length..];
            }
        }
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
            _atCut = NativeBlock.CopyOf(_live!.Span);
            (_appliedAtCut = new AppliedOffsets()).CopyFrom(_applied);
        }

        _isDirty = true;
        _interval = interval;
    }

    private void Change(EntityRoute route, in FieldRow row, in EventHeader header)
    {
        if (_live is null)
        {
            _live = new NativeBlock(_plan.EmptyLength(_key!.Length));
            _plan.Initialize(_live.Span, _key);
        }

        if (!header.IsRetraction)
        {
            while (_plan.Apply(_live.Span, route.Source.Index, row, header.TimeMs) is > 0 and var wanted)
                Resize(wanted);
        }
        else if (_plan.CanRetract(_live.Span, route.Source.Index, header.TimeMs))
        {
            while (_plan.Retract(_live.Span, route.Source.Index, row, header.TimeMs) is > 0 and var wanted)
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
