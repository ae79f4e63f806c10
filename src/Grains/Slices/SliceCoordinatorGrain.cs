using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Ownership;
using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Placement;
using Orleans.Runtime.Placement;

namespace FeatureStore.Grains.Slices;

/// <summary>
/// Divides the stream among the silos that consume, and makes their cuts one.
/// <para>
/// A term is a division of the slices. A planned change (a silo joins or leaves) happens at a cut behind which nobody goes on: the next term begins where everything is published and durable. Any
/// other (a silo is gone, a pipeline has failed) begins the next term at once: all go back to S, and in silence to P. The term, and the ETag of the checkpoint's record, shut out
/// whoever still works in an earlier one; among them an earlier activation of this grain, which keeps nothing else. One that starts goes on with the term that it finds, if all slices are under way in it and none is at a cut; else
/// it begins one. So that it can, this grain goes to another silo, when its own leaves, only once that is so.
/// </para>
/// <para>
/// A cut has phases (<see cref="CutPhase"/>), each of which begins when all slices have ended the one before. So S is written when everything before it is published, and then durable.
/// </para>
/// </summary>
[GrainType("featurestore-slice-coordinator")]
[PreferLocalPlacement]
[KeepAlive]
[Reentrant]
internal sealed partial class SliceCoordinatorGrain(
    ClusterPlan plan, EntityCells cells, ISiloStatusOracle silos, OrleansRuntimeOptions options, TimeProvider time, ILogger<SliceCoordinatorGrain> logger) : Grain, ISliceCoordinatorGrain, IGrainMigrationParticipant
{
    private const int JoinWaitsMax = 5;
    private const string OwnersKey = "featurestore.owners";
    private static readonly TimeSpan _watchMax = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _tick = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan _pauseMax = TimeSpan.FromSeconds(30);

    /// <summary>How long a silo that leaves waits for a moment in which another can take over: less than a call may take.</summary>
    private static readonly TimeSpan _leaveMax = TimeSpan.FromSeconds(5);

    /// <summary>How long whoever asks for an erasure waits for it: less than a call may take.</summary>
    private static readonly TimeSpan _eraseMax = TimeSpan.FromSeconds(20);

    private readonly Guid _id = Guid.NewGuid();
    private readonly Dictionary<SiloAddress, Member> _members = [];
    private readonly SiloAddress?[] _claims = new SiloAddress?[plan.Slices];

    /// <summary>By slice, what was under way in an earlier activation's term.</summary>
    private readonly (long Term, SliceReport? Slice)[] _found = new (long, SliceReport?)[plan.Slices];
    private readonly List<Erasure> _erasures = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _version = 1;
    private OwnerRecord? _record;
    private string? _etag;

    /// <summary>By slice; empty where nobody consumes.</summary>
    private SiloAddress[] _owners = [];
    private SliceReport?[] _slices = [];
    private CutState? _cut;
    private bool _isOver;

    /// <summary>Whether this activation has begun a term.</summary>
    private bool _hasBegun;
    private long _next;
    private CheckpointStatus? _status;
    private long _settlesAt;
    private long _unsettledAt;
    private long _retryAt;
    private int _failures;
    private bool _isWriting;

    /// <summary>Whether this silo leaves,</summary>
    private bool _leaves;

    /// <summary>and this grain has left it.</summary>
    private readonly TaskCompletionSource _left = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Who had slices when this grain came here,</summary>
    private SiloAddress[] _awaited = [];

    /// <summary>and until when they are waited for.</summary>
    private long _awaitedUntil;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        Unsettle();
        this.RegisterGrainTimer(
            _ =>
            {
                Advance();
                return Task.CompletedTask;
            },
            new GrainTimerCreationOptions(_tick, _tick) { Interleave = true, KeepAlive = true });
        return Task.CompletedTask;
    }

    public void OnDehydrate(IDehydrationContext migration) => migration.TryAddValue(OwnersKey, _owners);

    public void OnRehydrate(IRehydrationContext migration)
    {
        if (migration.TryGetValue<SiloAddress[]>(OwnersKey, out var owners))
            (_awaited, _awaitedUntil) = (owners!, time.GetTimestamp() + (long)(options.SilenceMax.TotalSeconds * time.TimestampFrequency));
    }

    public async ValueTask<SliceOrder> ReportAsync([Immutable] MemberReport report)
    {
        var refusal = report.Fingerprint == plan.Fingerprint && report.SliceCount == plan.Slices ? null
            : $"This silo divides the stream into {report.SliceCount} slices, and the cluster into {plan.Slices}, or they run other definitions. Stop all silos, then start them with the same --slices and definitions.";
        if (refusal is null)
        {
            var held = _members.Where(member => !member.Key.Equals(report.Silo) && member.Value.Waits.Contains((byte)SliceWait.Held)).Select(member => (Silo: member.Key, Others: OthersOf(member.Key))).ToList();
            Take(report);
            // Whoever is held back learns at once what lets it go on.
            if (held.Exists(member => HaveMoved(OthersOf(member.Silo), member.Others)))
                Changed();
        }

        Advance();
        if (report.HasLeft && report.Silo.Equals(cells.Silo) && !_leaves)
            await LeaveAsync();
        return OrderFor(report.Silo, refusal);
    }

    public async ValueTask<SliceOrder> WatchAsync(SiloAddress silo, Guid coordinator, long version)
    {
        if (coordinator == _id && version == _version)
            await Task.WhenAny(_changed.Task, Task.Delay(_watchMax, time));
        return OrderFor(silo, null);
    }

    public async ValueTask<string?> EraseAsync(string entity, [Immutable] byte[] key)
    {
        if (plan.Entity(entity) is not { } found)
            return $"The silo that divides the stream does not know entity \"{entity}\". Roll the same definitions out to all silos.";
        if (_owners.Length == 0)
            return "No silo ingests the project at the moment, and entities are erased where the stream is. Repeat the request when one does.";
        var erasure = new Erasure(found.Index, key);
        _erasures.Add(erasure);
        Advance();
        var ended = await Task.WhenAny(erasure.Done.Task, _left.Task, Task.Delay(_eraseMax, time));
        if (ended == erasure.Done.Task)
            return null;
        return ended == _left.Task ? "The entity is not erased durably yet: the silo that divides the stream leaves. Repeat the request to know when it is."
            : $"The entity is not erased durably yet, after {_eraseMax.TotalSeconds:0} s: slices of the stream or the grain storage are away. Repeat the request to know when it is.";
    }

    private void Take(MemberReport report)
    {
        if (report.HasLeft)
        {
            if (_members.Remove(report.Silo))
                Changed();
            return;
        }

        if (!_members.TryGetValue(report.Silo, out var member))
        {
            _members.Add(report.Silo, member = new Member());
            Unsettle();
        }

        member.SeenAt = time.GetTimestamp();
        member.IsDraining |= report.IsDraining;
        member.Clock = report.Clock;
        var waitsMore = report.Waits.Where((wait, source) => wait > member.Waits.ElementAtOrDefault(source)).Any();
        member.Waits = report.Waits;
        if (waitsMore)
            Changed();
        foreach (var slice in report.Slices)
        {
            // Who had a slice under an earlier activation of this grain best keeps it.
            if (_owners.Length == 0)
                (_claims[slice.Slice], _found[slice.Slice]) = (report.Silo, (report.Term, slice));
            else if (report.Term == _record!.Term && _owners[slice.Slice].Equals(report.Silo))
                _slices[slice.Slice] = slice;
        }
    }

    /// <summary>Goes to another silo, as soon as it finds there what it needs.</summary>
    private async Task LeaveAsync()
    {
        _leaves = true;
        for (var start = time.GetTimestamp(); !IsAtRest() && time.GetElapsedTime(start) < _leaveMax; Advance())
            await Task.Delay(_tick, time);
        if (_members.Keys.FirstOrDefault(silo => !_members[silo].IsDraining) is not { } next)
        {
            _leaves = false;
            return;
        }

        RequestContext.Set(IPlacementDirector.PlacementHintKey, next);
        MigrateOnIdle();
        // Whoever still waits for an answer holds that up.
        _left.SetResult();
        Changed();
    }

    /// <summary>Whether all slices are under way, none of them is at a cut, and each knows of the last one that it is complete.</summary>
    private bool IsAtRest() => !_isWriting && !_isOver && _cut is null
        && Array.TrueForAll(_slices, slice => IsUnderWay(slice, _next - 1));

    /// <summary>Whether a slice is under way since a cut that it knows to be complete, and at none.</summary>
    private static bool IsUnderWay(SliceReport? slice, long? cut) => slice is { IsStarted: true, Failure: null } && slice.Completed == cut && slice.Gathered == cut;

    /// <summary>Does what is to be done now. Whatever may have changed something calls it.</summary>
    private void Advance()
    {
        if (_left.Task.IsCompleted || _isWriting || time.GetTimestamp() < _retryAt)
            return;
        foreach (var (silo, member) in _members)
        {
            if (silos.IsDeadSilo(silo) || time.GetElapsedTime(member.SeenAt) > options.SilenceMax)
                _members.Remove(silo);
        }

        SiloAddress[] wanting = [.. _members.Where(member => !member.Value.IsDraining).Select(member => member.Key).Order()];
        var isSettled = time.GetTimestamp() >= _settlesAt;
        if (_owners.Length == 0)
        {
            // Where all slices are claimed, nobody is missing.
            if ((IsWhole() || isSettled && !IsAwaited()) && _members.Count > 0 && (wanting.Length > 0 || !_hasBegun))
                Begin(wanting, _claims, null);
        }
        else if (ReasonToEnd() is { } reason)
        {
            Begin(wanting, _owners, reason);
        }
        else if (_isOver)
        {
            Begin(wanting, _owners, null);
        }
        else if (_cut is null)
        {
            var moves = !SliceAssignment.Assign(plan.Slices, wanting, _owners).SequenceEqual(_owners) && (isSettled || Array.Exists(_owners, owner => _members[owner].IsDraining));
            if (isSettled && !moves)
                _unsettledAt = 0;
            if (Array.TrueForAll(_slices, slice => slice?.IsStarted == true) && (moves || _erasures.Count > 0 || !_leaves && Array.Exists(_slices, slice => slice!.WantsCut)))
                BeginCut(moves);
        }
        else
        {
            Advance(_cut);
        }
    }

    /// <summary>Whether one that had slices has still to say so.</summary>
    private bool IsAwaited() => time.GetTimestamp() < _awaitedUntil && Array.Exists(_awaited, silo => !_members.ContainsKey(silo) && !silos.IsDeadSilo(silo));

    /// <summary>Why the term cannot go on; null where it can.</summary>
    private string? ReasonToEnd() =>
        Array.Find(_owners, owner => !_members.ContainsKey(owner)) is { } gone ? $"silo {gone} is gone"
        : Array.Find(_slices, slice => slice?.Failure is not null)?.Failure;

    private void Begin(SiloAddress[] wanting, IReadOnlyList<SiloAddress?> before, string? reason)
    {
        var owners = SliceAssignment.Assign(plan.Slices, wanting, before);
        if (reason is not null)
            LogEnds(_record!.Term, reason);
        _ = WriteAsync(async () =>
        {
            await ReadRecordAsync();
            if (!_hasBegun && Adopt())
                return;
            var (record, interval) = _record!.BeginTerm();
            _etag = await GrainRecords.WriteAsync(cells.Storage, ClusterNames.CheckpointState, cells.CheckpointId, record.Write(), _etag, CancellationToken.None);
            _record = record;
            _next = interval;
            _owners = owners;
            _slices = new SliceReport?[owners.Length];
            _erasures.InsertRange(0, _cut?.Erasures ?? []);
            _cut = null;
            _isOver = false;
            _hasBegun = true;
            _unsettledAt = 0;
            // A pipeline that fails again and again is started again ever more slowly.
            _failures = reason is null ? 0 : _failures + 1;
            if (_failures > 1)
                RetryAfter(_failures);
            LogBegins(record.Term, owners.Length, owners.Distinct().Count(), record.Header?.Sequence ?? 0);
        });
    }

    /// <summary>Goes on with the term that an earlier activation began.</summary>
    /// <returns>False where that is not known to be whole.</returns>
    private bool Adopt()
    {
        if (_found[0].Term != _record!.Term || !IsWhole())
            return false;
        _owners = [.. _claims!];
        _slices = Array.ConvertAll(_found, found => found.Slice);
        _next = _slices[0]!.Completed + 1;
        _hasBegun = true;
        LogGoesOn(_record!.Term);
        return true;
    }

    /// <summary>Whether all slices are claimed, under way in one term, and not at a cut.</summary>
    private bool IsWhole() => Array.TrueForAll(_found, found => found.Term == _found[0].Term && IsUnderWay(found.Slice, _found[0].Slice?.Completed))
        && Array.TrueForAll(_claims, silo => _members.ContainsKey(silo!));

    private async Task ReadRecordAsync()
    {
        if (_record is not null)
            return;
        var (bytes, etag) = await GrainRecords.ReadAsync(cells.Storage, ClusterNames.CheckpointState, cells.CheckpointId, CancellationToken.None);
        _record = bytes.Length > 0 ? OwnerRecord.Read(bytes) : new OwnerRecord { Incarnation = Guid.CreateVersion7(time.GetUtcNow()) };
        _etag = etag;
    }

    private void BeginCut(bool isLast)
    {
        _cut = new CutState(_next, isLast, [.. _erasures], time.GetTimestamp());
        _erasures.Clear();
        Changed();
    }

    private void Advance(CutState cut)
    {
        while (Array.TrueForAll(_slices, slice => HasEnded(slice!, cut)))
        {
            if (cut.Phase == CutPhase.Gather)
            {
                cut.Offsets = Array.ConvertAll(_slices, slice => CutOffsets.Read(slice!.Offsets!));
                if (cut.Erasures.Count > 0)
                    cut.Guards = GuardsOf(cut);
            }

            cut.Phase = cut.Phase == CutPhase.Gather && cut.Erasures.Count == 0 ? CutPhase.Publish : cut.Phase + 1;
            Changed();
            if (cut.Phase == CutPhase.Publish)
            {
                foreach (var erasure in cut.Erasures)
                    erasure.Done.TrySetResult();
            }

            if (cut.Phase == CutPhase.Save)
                break;
        }

        if (cut.Phase == CutPhase.Save)
            _ = WriteAsync(() => SaveAsync(cut));
    }

    private static bool HasEnded(SliceReport slice, CutState cut) => cut.Interval <= cut.Phase switch
    {
        CutPhase.Gather => slice.Offsets is null ? 0 : slice.Gathered,
        CutPhase.Erase => slice.Erased,
        CutPhase.Publish => slice.Published,
        CutPhase.Flush => slice.Flushed,
        _ => 0,
    };

    private async Task SaveAsync(CutState cut)
    {
        var record = _record! with
        {
            Header = new CheckpointHeader
            {
                LayoutFingerprint = plan.Project.LayoutFingerprint,
                Layouts = Migration.LayoutsOf(plan.Project),
                Incarnation = _record.Incarnation,
                Sequence = cut.Interval,
                ClusterId = cut.Offsets.Select(offsets => offsets.ClusterId).FirstOrDefault(id => id.Length > 0) ?? "",
                Partitions = [.. cut.Offsets.SelectMany(offsets => offsets.Partitions)],
                StreamTimesMs = cut.Offsets.SelectMany(offsets => offsets.StreamTimesMs).GroupBy(source => source.Key).ToDictionary(source => source.Key, source => source.Max(times => times.Value)),
            },
            Generations = GenerationsOf(cut),
        };
        _etag = await GrainRecords.WriteAsync(cells.Storage, ClusterNames.CheckpointState, cells.CheckpointId, record.Write(), _etag, CancellationToken.None);
        _record = record;
        _status = new CheckpointStatus(
            cut.Interval, time.GetUtcNow().ToUnixTimeMilliseconds(), cut.Offsets.Sum(offsets => offsets.SizeBytes), time.GetElapsedTime(cut.BegunAt).TotalMilliseconds);
        _next = cut.Interval + 1;
        _cut = null;
        _failures = 0;
        _isOver = cut.IsLast;
    }

    /// <summary>Writes the record, and does nothing else meanwhile.</summary>
    private async Task WriteAsync(Func<Task> write)
    {
        _isWriting = true;
        try
        {
            await write();
        }
        catch (OwnerFencedException)
        {
            // Another activation, or an owner of the whole stream, has taken over. If this project's slices are to go on, a new activation begins a term.
            _owners = [];
            _hasBegun = false;
            DeactivateOnIdle();
        }
        catch (Exception exception)
        {
            LogWriteFailed(exception);
            GrainsInstruments.CheckpointFailures.Add(1);
            RetryAfter(++_failures);
        }
        finally
        {
            _isWriting = false;
            Changed();
        }

        Advance();
    }

    private void RetryAfter(int failures) =>
        _retryAt = time.GetTimestamp() + (long)(Math.Min(_pauseMax.TotalSeconds, 0.05 * (1 << Math.Min(failures, 12))) * time.TimestampFrequency);

    /// <summary>Slices move once nobody has joined for a while.</summary>
    private void Unsettle()
    {
        var now = time.GetTimestamp();
        if (_unsettledAt == 0)
            _unsettledAt = now;
        var wait = (long)(options.JoinWait.TotalSeconds * time.TimestampFrequency);
        _settlesAt = Math.Min(now + wait, _unsettledAt + JoinWaitsMax * wait);
    }

    private void Changed()
    {
        _version++;
        var changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }

    private SliceOrder OrderFor(SiloAddress silo, string? refusal) => new()
    {
        Coordinator = _id,
        Version = _version,
        Term = _hasBegun ? _record!.Term : 0,
        Slices = [.. Enumerable.Range(0, _owners.Length).Where(slice => _owners[slice].Equals(silo))],
        Cut = _cut is null ? null : new CutOrder
        {
            Interval = _cut.Interval,
            Phase = _cut.Phase,
            IsLast = _cut.IsLast,
            Erasures = _cut.Phase == CutPhase.Erase ? [.. _cut.Erasures.Select((erasure, index) => new ErasureOrder { Entity = erasure.Entity, Key = erasure.Key, Guards = _cut.Guards[index] })] : [],
        },
        Completed = _next - 1,
        CompletedMs = _status?.TimeMs ?? 0,
        DurationMs = _status?.DurationMs ?? 0,
        SizeBytes = _status?.SizeBytes ?? 0,
        Refusal = refusal,
        Others = WriteOthers(silo),
        Awaited = [.. Enumerable.Range(0, plan.Project.Sources.Count).Select(source => _members.Where(member => !member.Key.Equals(silo)).Select(member => member.Value.Waits.ElementAtOrDefault(source)).DefaultIfEmpty().Max())],
        ClockTicks = time.GetElapsedTime(0).Ticks,
    };

    /// <summary>By source, the least position of other silos' slices. One that has not said in this term where it is holds all.</summary>
    private SlicePosition[] OthersOf(SiloAddress silo)
    {
        var others = new SlicePosition[plan.Project.Sources.Count];
        Array.Fill(others, SlicePosition.None);
        for (var slice = 0; slice < _owners.Length; slice++)
        {
            if (_owners[slice].Equals(silo))
                continue;
            // Ends that are known by an earlier coordinator's clock are not known to be fresh.
            var isByThisClock = _members.TryGetValue(_owners[slice], out var member) && member.Clock == _id;
            for (var source = 0; source < others.Length; source++)
            {
                var position = SlicePosition.Read(_slices[slice]?.Positions, source);
                others[source] = SlicePosition.Least(others[source], isByThisClock || position.IdleAt == long.MaxValue ? position : position with { IdleAt = long.MinValue });
            }
        }

        return others;
    }

    private long[] WriteOthers(SiloAddress silo)
    {
        var others = OthersOf(silo);
        var values = new long[others.Length * SlicePosition.Length];
        for (var source = 0; source < others.Length; source++)
            others[source].Write(values, source);
        return values;
    }

    private static bool HaveMoved(SlicePosition[] now, SlicePosition[] before)
    {
        for (var source = 0; source < now.Length; source++)
        {
            if (now[source].HasMoved(before[source], StreamAlignment.IdleIsFresh.Ticks / 4))
                return true;
        }

        return false;
    }

    private byte[][] GuardsOf(CutState cut)
    {
        var generations = GenerationsOf(cut);
        var guards = cut.Offsets.SelectMany(offsets => offsets.Guards).GroupBy(topic => topic.Key).ToDictionary(topic => topic.Key, topic => CutOffsets.Later(topic.Select(offsets => offsets.Value)));
        return [.. cut.Erasures.Select(erasure => OrleansRuntime.GuardsOf(plan, plan.Project.Entities[erasure.Entity], guards, generations))];
    }

    private static Dictionary<string, int[]> GenerationsOf(CutState cut) => cut.Offsets.SelectMany(offsets => offsets.Generations)
        .GroupBy(topic => topic.Key).ToDictionary(topic => topic.Key, topic => CutOffsets.Later(topic.Select(offsets => offsets.Value)));

    [LoggerMessage(Level = LogLevel.Information, Message = "Term {Term}: {Slices} slices of the stream on {Silos} silos, from checkpoint {Sequence}")]
    private partial void LogBegins(long term, int slices, int silos, long sequence);

    [LoggerMessage(Level = LogLevel.Information, Message = "Term {Term} goes on; whoever divided the stream before is gone")]
    private partial void LogGoesOn(long term);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Term {Term} ends, and all slices go back to the last checkpoint: {Reason}")]
    private partial void LogEnds(long term, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The checkpoint's record could not be written; what came since the last one is not durable until it is")]
    private partial void LogWriteFailed(Exception exception);

    /// <summary>A silo that consumes, or would.</summary>
    private sealed class Member
    {
        public long SeenAt { get; set; }

        public bool IsDraining { get; set; }

        /// <summary>As of <see cref="MemberReport.Clock"/>.</summary>
        public Guid Clock { get; set; }

        /// <summary>As of <see cref="MemberReport.Waits"/>.</summary>
        public byte[] Waits { get; set; } = [];
    }

    /// <summary>The cut under way.</summary>
    private sealed class CutState(long interval, bool isLast, List<Erasure> erasures, long begunAt)
    {
        public long Interval => interval;

        public bool IsLast => isLast;

        public List<Erasure> Erasures => erasures;

        public long BegunAt => begunAt;

        public CutPhase Phase { get; set; }

        public CutOffsets[] Offsets { get; set; } = [];

        /// <summary>One an erasure.</summary>
        public byte[][] Guards { get; set; } = [];
    }

    /// <summary>An entity that somebody wants erased.</summary>
    private sealed record Erasure(int Entity, byte[] Key)
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
