using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>Events of one source on their way from reading to sending, with all that must stay alive meanwhile. Reused.</summary>
internal sealed class PipelineBatch
{
    private readonly int _recordsMax;
    private readonly long _bytesMax;
    private nint[] _handles = new nint[256];
    private int _handleCount;
    private long _bytes;

    public PipelineBatch(SourcePlan source, IReadOnlyList<ServicePlan> services, int partitions, IngestOptions options, IReadOnlyList<JoinedBatch>? joined = null)
    {
        _recordsMax = options.BatchRecordsMax;
        _bytesMax = options.BatchBytesMax;
        Source = source;
        Events = new EventBatch(source.Schema);
        Vectors = [.. services.Select(service => new VectorBatch(service))];
        Joined = joined ?? [];
        Apply = new ApplyBatch(source.Index, Events, Vectors, [.. Joined.Select(batch => batch.Events)]);
        NextOffsets = new long[partitions];
    }

    public SourcePlan Source { get; }

    public EventBatch Events { get; }

    public VectorBatch[] Vectors { get; }

    /// <summary>One a join that the source is a side of.</summary>
    public IReadOnlyList<JoinedBatch> Joined { get; }

    public ApplyBatch Apply { get; }

    /// <summary>Refused records that the batch passed over.</summary>
    public List<RefusedRecord> Refused { get; } = [];

    /// <summary>Of each partition of the lane, in its order, the offset of the first record after the batch.</summary>
    public long[] NextOffsets { get; }

    /// <summary>Place in the order of all batches that are published, from 1.</summary>
    public long Sequence { get; set; }

    /// <summary>When reading began, in ticks of the time provider.</summary>
    public long ReadAt { get; set; }

    /// <summary>Records that the batch holds.</summary>
    public int RecordCount => _handleCount;

    public bool IsFull => _handleCount >= _recordsMax || _bytes >= _bytesMax;

    public ReadOnlySpan<nint> Handles => _handles.AsSpan(0, _handleCount);

    /// <summary>Keeps a record of a length until the batch is released.</summary>
    public void Hold(nint handle, int lengthBytes)
    {
        _bytes += lengthBytes;
        if (_handleCount == _handles.Length)
            Array.Resize(ref _handles, _handleCount * 2);
        _handles[_handleCount++] = handle;
    }

    public void Clear()
    {
        Events.Clear();
        foreach (var joined in Joined)
            joined.Events.Clear();
        Refused.Clear();
        _handleCount = 0;
        _bytes = 0;
    }
}

/// <summary>A record that becomes a dead letter.</summary>
/// <param name="Header">Where it came from and its bytes.</param>
/// <param name="Rejection">Why.</param>
internal readonly record struct RefusedRecord(EventHeader Header, DeadLetters.Rejection Rejection);
