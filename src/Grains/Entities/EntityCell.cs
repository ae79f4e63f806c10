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
/// <para>The cell is its own lock: a lock beside it would be one more miss of the processor's caches for each event.</para>
/// </summary>
internal sealed class EntityCell : IDisposable
{
    /// <summary>Processor lines that a cell takes.</summary>
    public const int Lines = 4;

    /// <summary>Largest state that goes with an entity to another silo, bytes: Orleans sends a thousand in one message, of 100 MB at most.</summary>
    private const int MovedBytesMax = 64 * 1024;

    [ThreadStatic]
    private static EventBatch?[]? _scratch;

    /// <summary>How long a block is as good as just loaded: shorter than an owner takes to forget an entity or to be followed by another,</summary>
    private static readonly TimeSpan _freshTime = TimeSpan.FromMilliseconds(100);

    /// <summary>and, where only reads come, which load it again for each other.</summary>
    private static readonly TimeSpan _freshReadTime = TimeSpan.FromSeconds(2);

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

    private long _loadedAt;

    /// <summary>Whether an owner has called since.</summary>
    private bool _isCalled;

    /// <summary>Tells a write that began before an erasure.</summary>
    private int _erasures;
    private bool _isClosed;

    /// <summary>When it was last applied to or read (<see cref="EntityCells.NowSeconds"/>).</summary>
    private int _usedAt;

    /// <summary>Of those who know already that it has changed.</summary>
    private int _marks;
    private Write? _writing;

    public EntityCell(EntityCells cells, IGrainContext context)
    {
        _cells = cells;
        _context = context;
        Address = context.GrainId.Key.ToString()!;
        (_plan, _key) = EntityAddress.Parse(cells.Plan, Address);
        _isExact = cells.Plan.IsExact(_plan);
    }

    public string Address { get; }

    /// <summary>Index of the entity plan.</summary>
    public int Entity => _plan.Index;

    /// <summary>When it was last applied to or read (<see cref="EntityCells.NowSeconds"/>). Any thread.</summary>
    public int UsedAt => Volatile.Read(ref _usedAt);

    /// <summary>Whether all that is known of it is durable, and offered to the hot store. Without the lock: a moment later it may be otherwise.</summary>
    public bool IsSettled => !_isDirty && _writing is null && (_marks & EntityCells.PublishMark) == 0;

    /// <summary>Bytes of the live block. As <see cref="IsSettled"/>.</summary>
    public int Length => _live?.Length ?? 0;

    /// <summary>Names the live state. While entered.</summary>
    public long Epoch => _epoch;

    /// <summary>Whether this may be a second activation, of which no owner knows: readers are better off with a new one.</summary>
    public bool IsDoubtful => !_isCalled && _cells.IsDoubtful(_loadedAt, _freshReadTime);

    /// <summary>Takes in the durable block, in place of what is live. Not while another load is under way.</summary>
    /// <param name="term">Of the owner that asks; 0: nobody does.</param>
    /// <exception cref="InvalidDataException">The record does not fit the definitions.</exception>
    public async Task LoadAsync(long term)
    {
        Task? writing;
        lock (this)
        {
            // Until the end of it, nobody's.
            _epoch = -1;
            writing = _writing?.Done.Task;
        }

        if (writing is not null)
            await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var loadedAt = _cells.Now;
        var owner = await _cells.OwnerAsync(term).ConfigureAwait(false);
        var state = new GrainState<StoredState> { State = new StoredState() };
        await _cells.Storage.ReadStateAsync(ClusterNames.EntityState, _context.GrainId, state).ConfigureAwait(false);
        lock (this)
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
            (_loadedAt, _isCalled) = (loadedAt, false);
            if (state.RecordExists && state.State is { Bytes.Length: > 0 })
            {
                Restore(state.State.Bytes, owner);
                // The hot store may lack it, where the silo that had it died.
                ChangedHere(EntityCells.PublishMark);
            }

            _epoch = Random.Shared.NextInt64(1, long.MaxValue);
            _usedAt = _cells.NowSeconds;
        }
    }

    /// <summary>Ends the activation, as its silo leaves or its entity goes to another one, and gives its state to the next, for slices: each sends again what is not durable only when it next calls. None of their entities is exact.</summary>
    /// <param name="term">The oldest of which a state is of use.</param>
    /// <param name="token">Ends the wait for a write.</param>
    /// <returns>Null where what is durable can as well be loaded.</returns>
    public async Task<MovedEntity?> LeaveAsync(long term, CancellationToken token)
    {
        while (true)
        {
            while (Volatile.Read(ref _writing) is { } underWay)
                await underWay.Done.Task.WaitAsync(token).ConfigureAwait(false);
            lock (this)
            {
                if (_writing is not null)
                    continue;
                var isOfUse = !_isClosed && _isDirty && _epoch > 0 && _term >= term && _calls.AreOfSlices && Length + (_atCut?.Length ?? 0) <= MovedBytesMax;
                var moved = !isOfUse ? null : new MovedEntity
                {
                    Plan = _cells.Plan.Fingerprint,
                    Term = _term,
                    Calls = _calls,
                    Interval = _interval,
                    Sequence = _sequence,
                    Key = _key,
                    Block = _live?.Span.ToArray(),
                    Applied = _applied.ToArray(),
                    BlockAtCut = _atCut?.Span.ToArray(),
                    AppliedAtCut = _appliedAtCut?.ToArray(),
                    ETag = _etag,
                };
                Close();
                return moved;
            }
        }
    }

    /// <summary>Takes the state in that the activation before had, in place of <see cref="LoadAsync"/>.</summary>
    /// <returns>False where it is of other definitions, or came so late that another activation has written: what is durable is loaded, and the rest sent again.</returns>
    public async Task<bool> TryArriveAsync(MovedEntity moved)
    {
        if (moved.Plan != _cells.Plan.Fingerprint)
            return false;
        var loadedAt = _cells.Now;
        var (_, etag) = await GrainRecords.ReadAsync(_cells.Storage, ClusterNames.EntityState, _context.GrainId, CancellationToken.None).ConfigureAwait(false);
        if (etag != moved.ETag)
            return false;
        lock (this)
        {
            var ledger = _cells.Ledger(_plan.Index);
            (_term, _calls) = (moved.Term, moved.Calls);
            (_interval, _isDirty, _sequence, _key) = (moved.Interval, true, moved.Sequence, moved.Key);
            (_live, _applied) = (moved.Block is null ? null : NativeBlock.CopyOf(moved.Block, ledger), AppliedOffsets.Read(moved.Applied));
            if (moved.BlockAtCut is not null)
                (_atCut, _appliedAtCut) = (NativeBlock.CopyOf(moved.BlockAtCut, ledger), AppliedOffsets.Read(moved.AppliedAtCut));
            // A new one, since an epoch says where the entity is, too: who sends to the place before learns of this one, and sends again what is not durable, which is passed over.
            _epoch = Random.Shared.NextInt64(1, long.MaxValue);
            (_loadedAt, _usedAt, _etag) = (loadedAt, _cells.NowSeconds, etag);
            ChangedHere(~0);
            return true;
        }
    }

    /// <summary>Applies events, if the caller knows this state.</summary>
    /// <param name="call">Who calls.</param>
    /// <param name="request">The events.</param>
    /// <param name="isBack">Whether the block went back for this call.</param>
    /// <returns>Null where the block has first to go back to the durable one (<see cref="LoadAsync"/>).</returns>
    public ApplyReply? Apply(OwnerCall call, ApplyRequest request, bool isBack = false)
    {
        if (request.Plan != _cells.Plan.Fingerprint)
            return new ApplyReply { Status = ApplyStatus.OtherDefinitions };
        lock (this)
        {
            var events = request.Guards is not null ? default(EventsFor) with { Interval = request.Interval } : new EventsFor(_cells.Plan.Route(request.Source, _plan.Index)!, Decode(request), _cells.Plan.Project.Sources[request.Source], request.Interval, request.Generations);
            if (Admit(call, events, [], isBack) is var status && status != ApplyStatus.Applied)
                return status is null ? null : Reply(status.Value, 0);
            if (request.Guards is { } guards)
            {
                Erase(AppliedOffsets.Read(guards), request);
                ChangedHere(~0);
                return Reply(ApplyStatus.Applied, call.Epoch);
            }

            // One event can be answered now as well: nothing of this caller has come since.
            if (call.IsRepeated && request.Count > 1 && !IsNews(events, []))
                return Reply(ApplyStatus.Repeated, 0);
            var reply = Reply(ApplyStatus.Applied, call.Epoch, new byte[request.Count * ClusterPlan.ValuesPerEvent(events.Route, request.Vectors) * sizeof(double)]);
            var target = new ValueTarget(MemoryMarshal.Cast<byte, double>(reply.Values.AsSpan()), request.Vectors);
            Apply(events, request.Key, [], ref target);
            return reply;
        }
    }

    /// <summary>Keeps all others out until <see cref="Exit"/>.</summary>
    public void Enter() => Monitor.Enter(this);

    /// <summary>As <see cref="Enter"/>, unless that would have to wait.</summary>
    public bool TryEnter() => Monitor.TryEnter(this);

    public void Exit() => Monitor.Exit(this);

    /// <summary>Asks the processor for the block, in three steps, each of which needs what the one before asked for. While entered.</summary>
    public void PrefetchBlock()
    {
        ObjectPrefetch.Lines(_applied, 1);
        if (_live is not null)
            ObjectPrefetch.Lines(_live, 1);
    }

    public void PrefetchFixed()
    {
        _applied.Prefetch();
        if (_live is not null)
            _plan.PrefetchFixed(_live.Span);
    }

    public void PrefetchRings()
    {
        if (_live is not null)
            _plan.PrefetchRings(_live.Span);
    }

    /// <summary>Applies events that the caller has at hand. While entered.</summary>
    /// <param name="call">Who calls.</param>
    /// <param name="events">The events.</param>
    /// <param name="key">The encoded key.</param>
    /// <param name="rows">Which of the events are this entity's.</param>
    /// <param name="target">Gets the values.</param>
    /// <returns>Null where the block has first to go back to the durable one (<see cref="LoadAsync"/>).</returns>
    public ApplyStatus? Apply(in OwnerCall call, in EventsFor events, byte[] key, ReadOnlySpan<int> rows, ref ValueTarget target)
    {
        var status = Admit(call, events, rows, isBack: false);
        if (status == ApplyStatus.Applied)
            Apply(events, key, rows, ref target);
        return status;
    }

    /// <summary>Whether the entity had better go to where its caller is: at the first call of a term, when it goes on from what is durable anyway. One that several slices called is as well where it is as anywhere.</summary>
    public bool MayMove(OwnerCall call)
    {
        lock (this)
            return !_isClosed && call.Epoch == 0 && call.Term > _term && !_calls.AreSeveral && _writing is null;
    }

    /// <summary>Takes a new caller, or one that does not know what became of its last call.</summary>
    /// <param name="call">Who calls.</param>
    /// <param name="isBack">Whether the block went back for this call: what is in it since then is other slices'.</param>
    /// <returns>The epoch; null where the block has first to go back (<see cref="LoadAsync"/>).</returns>
    public ApplyReply? BeginRollBack(OwnerCall call, bool isBack = false)
    {
        lock (this)
        {
            if (IsOld(call) is { } old)
                return Reply(old, 0);
            // The events before may have gone to another activation, and be durable by it.
            if (_isDirty && (!isBack || !call.IsShared) || _isExact && call.Term > _ownerTerm || !isBack && !IsVouchedFor(call) && _cells.IsOlder(_loadedAt, _freshTime))
                return null;
            Accept(call);
            return Reply(_isClosed ? ApplyStatus.Behind : ApplyStatus.Applied, 0);
        }
    }

    /// <summary>A copy of the live block; empty where there is none, null where the activation has ended.</summary>
    public byte[]? Read()
    {
        lock (this)
        {
            if (_isClosed)
                return null;
            _usedAt = _cells.NowSeconds;
            return _live is null ? [] : _live.Span.ToArray();
        }
    }

    /// <summary>As <see cref="Read"/>; null also where the activation is <see cref="IsDoubtful"/>.</summary>
    public byte[]? TryRead() => IsDoubtful ? null : Read();

    /// <summary>Appends the live block to a set, or an empty one.</summary>
    /// <returns>False where the activation has ended, or is <see cref="IsDoubtful"/>: whoever asks looks for the next one.</returns>
    public bool TryRead(BlockSet blocks)
    {
        lock (this)
        {
            if (_isClosed || IsDoubtful)
                return false;
            _usedAt = _cells.NowSeconds;
            blocks.Add(_live is null ? default : _live.Span);
            return true;
        }
    }

    /// <summary>Has those who want to know take note that the entity has changed.</summary>
    public void Changed(int marks)
    {
        lock (this)
            ChangedHere(marks);
    }

    /// <summary>Takes a mark away.</summary>
    public void Unmark(int mark)
    {
        lock (this)
            _marks &= ~mark;
    }

    /// <summary>Takes a mark away, and adds the entity as it is to what its reader takes.</summary>
    public void TakeChange(int mark, BlockSet keys, List<long>? sequences, BlockSet? blocks)
    {
        lock (this)
        {
            _marks &= ~mark;
            // Of an activation that has ended, only that the entity has changed is known.
            if (_key is null || _isClosed && blocks is not null)
                return;
            keys.Add(_key);
            sequences?.Add(_live is null ? _sequence : EntityPlan.Sequence(_live.Span));
            blocks?.Add(_live is null ? default : _live.Span);
        }
    }

    /// <summary>Makes the block durable as it was at the end of an interval.</summary>
    public async Task<FlushStatus> FlushAsync(long term, long interval, long epoch)
    {
        byte[] record;
        byte[] durable;
        int erasures;
        Write writing;
        while (Volatile.Read(ref _writing) is { } underWay)
            await underWay.Done.Task.ConfigureAwait(false);
        lock (this)
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
            _writing = writing = new Write(interval);
        }

        try
        {
            var state = new GrainState<StoredState> { State = new StoredState { Bytes = record }, ETag = _etag, RecordExists = _etag is not null };
            await _cells.Storage.WriteStateAsync(ClusterNames.EntityState, _context.GrainId, state).ConfigureAwait(false);
            GrainsInstruments.SavedBlocks.Add(1);
            lock (this)
            {
                _etag = state.ETag;
                if (erasures != _erasures)
                    return FlushStatus.Failed;
                (_durable, _durableTerm, _durableInterval) = (durable, term, interval);
                if (writing.IsOvertaken)
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
            lock (this)
                _writing = null;
            writing.Done.SetResult();
        }
    }

    /// <summary>Has the activation end, and its memory go; what would be lost by it the stream's owner sends again.</summary>
    /// <returns>Completes when it has.</returns>
    public Task DeactivateAsync(DeactivationReason reason)
    {
        _context.Deactivate(reason);
        return _context.Deactivated;
    }

    /// <summary>Ends the activation: its state is given up.</summary>
    public void Dispose()
    {
        lock (this)
            Close();
    }

    private void Close()
    {
        _isClosed = true;
        _isDirty = false;
        DropCut();
        _live?.Dispose();
        _live = null;
    }

    /// <summary>An owner that another has followed, or a call that was overtaken by a later one: whoever sent it does not wait for it any more.</summary>
    private ApplyStatus? IsOld(in OwnerCall call) =>
        call.Term < _term ? ApplyStatus.Fenced
        : call.Term == _term && call.Number <= _calls.Of(call.Slice) ? ApplyStatus.Behind
        : null;

    /// <summary>Takes a call, if the caller knows this state.</summary>
    /// <returns>Null where the block has first to go back.</returns>
    private ApplyStatus? Admit(in OwnerCall call, in EventsFor events, ReadOnlySpan<int> rows, bool isBack)
    {
        if (IsOld(call) is { } old)
            return old;
        if (call.IsShared && call.Term == _term && !Knows(call))
            return ApplyStatus.Behind;
        if (_isExact && call.Term > _ownerTerm)
            return null;
        if (_isDirty && (call.Term > _term || (call.IsShared ? !Fits(events.Interval) && IsNews(events, rows) : call.Epoch == 0 || events.Interval < _interval || events.Interval > _interval && _atCut is not null)))
            return null;
        // What is durable may have gone on without it: by another activation, or by an owner that stood still and woke up before it was followed.
        if (call.Epoch == 0 && !_isDirty && !isBack && !IsVouchedFor(call) && (_cells.IsDoubtful(_loadedAt, _freshTime) || call.Term > _term && _cells.IsOlder(_loadedAt, _freshTime)))
            return null;
        Accept(call);
        return Knows(call) ? ApplyStatus.Applied : ApplyStatus.Behind;
    }

    /// <summary>Whether this state is the one that the caller knows, or it need not know any.</summary>
    private bool Knows(in OwnerCall call) => !_isClosed && _epoch > 0 && (call.Epoch == 0 || call.Epoch == _epoch);

    /// <summary>Whether another slice of the same term goes on from this state: it has seen to it that nothing is missing, and one that had it go back would only put the other in doubt.</summary>
    private bool IsVouchedFor(in OwnerCall call) => call.IsShared && _isCalled && call.Term == _term;

    private void Accept(in OwnerCall call)
    {
        if (call.Term > _term)
            _calls = default;
        (_term, _isCalled) = (call.Term, true);
        _calls.Set(call.Slice, call.Number);
    }

    /// <summary>Whether events of one of several slices find the block of their interval.</summary>
    private bool Fits(long interval) => interval == _interval || interval < _interval == _atCut is not null;

    /// <summary>Whether events, or none where an entity is to be erased, would change the block: those that are sent again are often in it.</summary>
    private bool IsNews(in EventsFor events, ReadOnlySpan<int> rows)
    {
        if (events.Events is null)
            return true;
        for (var index = 0; events.Route.Feeds && index < (rows.IsEmpty ? events.Events.Count : rows.Length); index++)
        {
            if (IsNews(events, events.Events[rows.IsEmpty ? index : rows[index]]))
                return true;
        }

        return false;
    }

    private bool IsNews(in EventsFor events, in EventHeader header)
    {
        var origin = events.Origin(header);
        return header.Offset >= _applied.Next(_cells.Plan.SourceIds[origin], header.Partition, events.Generation(origin, header.Partition));
    }

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
        if (EntityPlan.LayoutOf(block) != _plan.LayoutFingerprint)
            throw new OtherDefinitionsException($"The stored block of entity \"{Address}\" was written under other definitions, whose layout is not known here. Roll the same definitions out to all silos, or start with the old ones.");
        if (_plan.Check(block) is { } problem)
            throw new InvalidDataException($"The stored block of entity \"{Address}\" {problem}. It was written under other definitions, or is damaged: start with the old definitions, or with an empty store.");
        _key ??= EntityPlan.Key(block).ToArray();
        if (EntityAddress.Of(_plan, EntityPlan.Key(block)) != Address)
            throw new InvalidDataException($"The record of entity \"{Address}\" has another key than its place. Restore a copy of the store, or start with an empty one.");
        _live = NativeBlock.CopyOf(block, _cells.Ledger(_plan.Index));
        _durable = _isExact ? block.ToArray() : [];
    }

    /// <summary>Applies events, all of them where no rows are named.</summary>
    private void Apply(in EventsFor events, byte[]? key, ReadOnlySpan<int> rows, ref ValueTarget target)
    {
        _key ??= key ?? throw new InvalidDataException($"The first call to entity \"{Address}\" lacks the key.");
        _usedAt = _cells.NowSeconds;
        if (_isDirty && events.Interval < _interval && events.Route.Feeds && _atCut is not null)
            ApplyToCut(events, rows, target.Vectors);
        ApplyLive(events, rows, ref target);
    }

    /// <summary>Applies events to the block as of the last cut, which they lie before.</summary>
    private void ApplyToCut(in EventsFor events, ReadOnlySpan<int> rows, int vectors)
    {
        var (live, applied) = (_live, _applied);
        var wasEmpty = _atCut!.Span.IsEmpty;
        (_live, _applied) = (wasEmpty ? null : _atCut, _appliedAtCut!);
        var unread = new ValueTarget(new double[(rows.IsEmpty ? events.Events.Count : rows.Length) * ClusterPlan.ValuesPerEvent(events.Route, vectors)], vectors);
        ApplyLive(events, rows, ref unread);
        if (wasEmpty && _live is not null)
            _atCut.Dispose();
        _atCut = _live ?? _atCut;
        (_live, _applied) = (live, applied);
    }

    private void ApplyLive(in EventsFor events, ReadOnlySpan<int> rows, ref ValueTarget target)
    {
        var feeds = events.Route.Feeds && !(_isExact && _term == _durableTerm && events.Interval <= _durableInterval);
        var isChanged = false;
        var count = rows.IsEmpty ? events.Events.Count : rows.Length;
        for (var index = 0; index < count; index++)
        {
            var row = rows.IsEmpty ? index : rows[index];
            ref readonly var header = ref events.Events[row];
            if (feeds && IsNews(events, header))
            {
                if (!isChanged)
                {
                    BeginWrite(events.Interval);
                    ChangedHere(~0);
                }

                isChanged = true;
                Change(events.Source.Index, events.Events.Row(row), header);
            }

            if (!header.IsRetraction)
                target.Read(events.Route, _live is null ? default : _live.Span, row, header.TimeMs);
        }

        // All rows of a record are in one call: none of them may keep the others out.
        for (var index = 0; isChanged && !_isExact && index < count; index++)
        {
            ref readonly var header = ref events.Events[rows.IsEmpty ? index : rows[index]];
            var origin = events.Origin(header);
            _applied.Advance(_cells.Plan.SourceIds[origin], header.Partition, events.Generation(origin, header.Partition), header.Offset + 1);
        }
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
            _atCut = NativeBlock.CopyOf(_live is null ? default : _live.Span, _cells.Ledger(_plan.Index));
            (_appliedAtCut = new AppliedOffsets()).CopyFrom(_applied);
        }

        if (_writing is not null && interval <= _writing.Interval)
            _writing.IsOvertaken = true;
        _interval = _isDirty ? Math.Max(_interval, interval) : interval;
        _isDirty = true;
    }

    private void Change(int source, in FieldRow row, in EventHeader header)
    {
        if (_live is null)
        {
            _live = new NativeBlock(_plan.EmptyLength(_key!.Length), _cells.Ledger(_plan.Index));
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

    private void ChangedHere(int marks)
    {
        var news = _cells.Tracked[_plan.Index] & marks & ~_marks;
        if (news == 0)
            return;
        _marks |= news;
        _cells.Tell(_plan.Index, this, news);
    }

    private void Resize(int length)
    {
        var resized = new NativeBlock(length, _cells.Ledger(_plan.Index));
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

    /// <summary>A write of the block as of a cut that is under way.</summary>
    private sealed class Write(long interval)
    {
        public long Interval => interval;

        /// <summary>Whether an event before the cut has come since it began: another slice sends it again.</summary>
        public bool IsOvertaken { get; set; }

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
