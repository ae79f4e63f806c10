using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>
/// Merges the partitions of a source by event time, so that none runs further ahead of the slowest active one than the source's alignment allows
/// (architecture, "Alignment"). Sources whose events meet, such as one that enriches the other, hold each other back in the same way, and so do the partitions of other slices.
/// </summary>
internal sealed class SourceLane
{
    private readonly IEventSource _records;
    private readonly PartitionLane[] _partitions;
    private readonly ComputedFeatures[] _computed;
    private readonly long _alignMs;
    private readonly ProjectPlan _plan;
    private Peer[] _peers = [];

    /// <summary>The source, its peers, theirs and so on; and the least alignment among them.</summary>
    private SourceLane[] _circle = [];
    private long _circleAlignMs;

    /// <summary>Null where there is no other slice.</summary>
    private SliceAlignment? _slices;

    /// <summary>Where a batch ends: after half the alignment, so that others learn of it and go on while this slice does the other half.</summary>
    private long _batchEndMs;

    public SourceLane(ProjectPlan plan, SourcePlan source, IEventSource records, PartitionLane[] partitions)
    {
        _plan = plan;
        Source = source;
        _records = records;
        _partitions = partitions;
        _alignMs = (long)source.Definition.Align.TotalMilliseconds;
        Services = plan.ServicesOn(source);
        _computed = [.. Services.Select(service => new ComputedFeatures(service, source.Schema))];
    }

    public SourcePlan Source { get; }

    public IReadOnlyList<ServicePlan> Services { get; }

    public IReadOnlyList<PartitionLane> Partitions => _partitions;

    public IEventSource Records => _records;

    /// <summary>A value of each of the topic's partitions, by number; of those that the lane does not have, another.</summary>
    public long[] ByNumber(Func<PartitionLane, long> value, long otherwise)
    {
        var values = new long[_records.Partitions];
        values.AsSpan().Fill(otherwise);
        foreach (var partition in _partitions)
            values[partition.Partition] = value(partition);
        return values;
    }

    /// <summary>Whether every partition has reached P.</summary>
    public bool IsCaughtUpWithPublished
    {
        get
        {
            foreach (var partition in _partitions)
            {
                if (!partition.IsCaughtUpWithPublished)
                    return false;
            }

            return true;
        }
    }

    /// <summary>
    /// Sets what holds this source back, and is held back by it, as its own partitions are: of a list of sources those that the plan calls its peers; and of its topic and theirs, the partitions of other slices.
    /// </summary>
    public void AlignWith(IReadOnlyList<SourceLane> sources, SliceAlignment? slices = null)
    {
        _peers = [.. sources
            .Where(other => Source.Peers.Contains(other.Source))
            .Select(other => new Peer(other, Math.Min(_alignMs, other._alignMs), Source.Index < other.Source.Index))];
        _slices = slices;
        List<SourceLane> circle = [this];
        for (var index = 0; index < circle.Count; index++)
            circle.AddRange(sources.Where(other => circle[index].Source.Peers.Contains(other.Source) && !circle.Contains(other)));
        _circle = [.. circle];
        _circleAlignMs = circle.Min(lane => lane._alignMs);
    }

    /// <summary>A batch for the source's events, and what is made of them.</summary>
    public PipelineBatch NewBatch(IngestOptions options) =>
        new(Source, Services, _partitions.Length, options, [.. Source.Joins.Select(join => new JoinedBatch(_plan, join.Source))]);

    /// <summary>Fills a batch with what may take effect now.</summary>
    /// <param name="batch">An empty batch.</param>
    /// <param name="silent">Whether only records before P are let through.</param>
    public void Fill(PipelineBatch batch, bool silent)
    {
        foreach (var partition in _partitions)
        {
            partition.IsHeldBack = false;
            partition.Fill();
        }

        _batchEndMs = long.MaxValue;
        while (!batch.IsFull && LetThroughOnce(batch, silent))
        {
        }

        for (var index = 0; index < _partitions.Length; index++)
            batch.NextOffsets[index] = _partitions[index].NextOffset;
        foreach (var vectors in batch.Vectors)
            vectors.Reset(batch.Events.Count);
    }

    /// <summary>Completes the vectors of a batch, once the runtime has applied it: expressions may use the entities' features.</summary>
    public void Compute(PipelineBatch batch)
    {
        for (var vector = 0; vector < batch.Vectors.Length; vector++)
            _computed[vector].Fill(batch.Vectors[vector], batch.Events);
        foreach (var joined in batch.Joined)
            joined.Compute();
    }

    /// <summary>Tells other slices how far this one is, once what it let through has taken effect.</summary>
    /// <param name="now">What the clock shows, ticks.</param>
    /// <param name="silent">As of <see cref="Fill"/>.</param>
    public void Report(long now, bool silent)
    {
        var (certainMs, activeMs, idleAt) = (long.MaxValue, long.MaxValue, long.MaxValue);
        var leastMs = silent ? LeastOfCaughtUpMs() : long.MinValue;
        foreach (var partition in _partitions)
        {
            var positionMs = silent && partition.IsCaughtUpWithPublished ? Math.Max(partition.CertainMs, leastMs) : partition.CertainMs;
            certainMs = Math.Min(certainMs, positionMs);
            if (partition.IdleAtTicks >= now - StreamAlignment.IdleIsFresh.Ticks)
                idleAt = Math.Min(idleAt, partition.IdleAtTicks);
            else
                activeMs = Math.Min(activeMs, positionMs);
        }

        _slices?.Report(Source.Index, certainMs, activeMs, idleAt);
    }

    /// <summary>
    /// A partition that has reached P stays there until all have: those that have not must not wait for others that wait for it. Of these none is held by less than this, and whoever that holds is ahead of them.
    /// </summary>
    private long LeastOfCaughtUpMs()
    {
        var leastMs = long.MaxValue;
        foreach (var lane in _circle)
        {
            foreach (var partition in lane._partitions)
                leastMs = partition.IsCaughtUpWithPublished ? leastMs : Math.Min(leastMs, partition.CertainMs);
        }

        return leastMs is long.MinValue or long.MaxValue ? long.MinValue : leastMs - _circleAlignMs + 1;
    }

    /// <summary>Looks whether the partitions that hold others back are at their end. Where nothing waits, nothing is asked.</summary>
    public void ProbeIdle()
    {
        if (_slices?.IsAwaited(Source.Index) != true && !Array.Exists(_partitions, partition => partition.HasRecord))
            return;
        // A broker that is away would hold up reading once a partition.
        if (!ProbePartitions())
            return;
        foreach (var peer in _peers)
        {
            if (!peer.Lane.ProbePartitions())
                return;
        }
    }

    /// <returns>Whether the broker answered.</returns>
    private bool ProbePartitions() => Array.TrueForAll(_partitions, partition => partition.ProbeIdle());

    private bool LetThroughOnce(PipelineBatch batch, bool silent)
    {
        PartitionLane? first = null;
        foreach (var partition in _partitions)
        {
            if (partition.HasRecord && !(silent && partition.IsCaughtUpWithPublished) && (first is null || partition.PositionMs < first.PositionMs))
                first = partition;
        }

        if (first is null)
            return false;
        var boundMs = BoundMs(_partitions, first, _alignMs, silent, null);
        foreach (var peer in _peers)
            boundMs = Math.Min(boundMs, BoundMs(peer.Lane._partitions, first, peer.AlignMs, silent, peer.IsBehind));
        if (_slices is not null && first.PositionMs <= boundMs)
            boundMs = Math.Min(boundMs, SlicesBoundMs(_slices, first.PositionMs));
        if (_slices is not null && _alignMs > 0 && first.PositionMs > long.MinValue)
        {
            if (_batchEndMs == long.MaxValue)
                _batchEndMs = first.PositionMs + _alignMs / 2;
            else if (first.PositionMs > _batchEndMs)
                return false;
            boundMs = Math.Min(boundMs, _batchEndMs);
        }

        if (first.LetThrough(batch, boundMs, silent ? first.Published : long.MaxValue) == 0)
        {
            first.IsHeldBack = true;
            return false;
        }

        first.Fill();
        return true;
    }

    /// <summary>
    /// Latest event time that a partition may let through before others move. An event exactly the alignment ahead waits: what another one may still
    /// bring, at most the lateness behind its position, is then older than anything that a window with a delay of alignment and lateness covers.
    /// A strict merge takes equal times in the order of the sources, and then of the partitions.
    /// </summary>
    private static long BoundMs(PartitionLane[] others, PartitionLane first, long alignMs, bool silent, bool? isBehind)
    {
        var boundMs = long.MaxValue;
        foreach (var other in others)
        {
            if (other == first || other.IsIdle || silent && other.IsCaughtUpWithPublished)
                continue;
            var inclusive = alignMs == 0 && (isBehind ?? first.Partition < other.Partition);
            boundMs = Math.Min(boundMs, other.PositionMs == long.MinValue ? long.MinValue : other.PositionMs + alignMs - (inclusive ? 0 : 1));
        }

        return boundMs;
    }

    /// <summary>As <see cref="BoundMs"/>, of the partitions of other slices.</summary>
    private long SlicesBoundMs(SliceAlignment slices, long timeMs)
    {
        var boundMs = slices.BoundMs(Source.Index, timeMs, _alignMs, null);
        foreach (var peer in _peers)
            boundMs = Math.Min(boundMs, slices.BoundMs(peer.Lane.Source.Index, timeMs, peer.AlignMs, peer.IsBehind));
        return boundMs;
    }

    /// <param name="Lane">Another source.</param>
    /// <param name="AlignMs">How far ahead of each other the two may be.</param>
    /// <param name="IsBehind">Whether it comes second where times are equal.</param>
    private readonly record struct Peer(SourceLane Lane, long AlignMs, bool IsBehind);
}
