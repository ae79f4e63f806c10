using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>
/// Merges the partitions of a source by event time, so that none runs further ahead of the slowest active one than the source's alignment allows
/// (architecture, "Alignment").
/// </summary>
internal sealed class SourceLane
{
    private readonly IEventSource _records;
    private readonly PartitionLane[] _partitions;
    private readonly RequestFiller[] _fillers;
    private readonly long _alignMs;

    public SourceLane(ProjectPlan plan, SourcePlan source, IEventSource records, PartitionLane[] partitions)
    {
        Source = source;
        _records = records;
        _partitions = partitions;
        _alignMs = (long)source.Definition.Align.TotalMilliseconds;
        Services = plan.ServicesOn(source);
        _fillers = [.. Services.Select(service => new RequestFiller(service, source.Schema))];
    }

    public SourcePlan Source { get; }

    public IReadOnlyList<ServicePlan> Services { get; }

    public IReadOnlyList<PartitionLane> Partitions => _partitions;

    public IEventSource Records => _records;

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

        while (!batch.IsFull && LetThroughOnce(batch, silent))
        {
        }

        for (var index = 0; index < _partitions.Length; index++)
            batch.NextOffsets[index] = _partitions[index].NextOffset;
        for (var vector = 0; vector < batch.Vectors.Length; vector++)
            _fillers[vector].Fill(batch.Vectors[vector], batch.Events);
    }

    /// <summary>Looks whether the partitions that hold others back are at their end. Where nothing waits, nothing is asked.</summary>
    public void ProbeIdle()
    {
        if (!Array.Exists(_partitions, partition => partition.HasRecord))
            return;
        foreach (var partition in _partitions)
        {
            // A broker that is away would hold up reading once a partition.
            if (!partition.ProbeIdle())
                return;
        }
    }

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
        var boundMs = long.MaxValue;
        foreach (var partition in _partitions)
        {
            if (partition != first && !partition.IsIdle && !(silent && partition.IsCaughtUpWithPublished))
                boundMs = Math.Min(boundMs, BoundMs(first, partition));
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
    /// Latest event time that a partition may let through before another one moves. An event exactly the alignment ahead waits: what the other one may still
    /// bring, at most the lateness behind its position, is then older than anything that a window with a delay of alignment and lateness covers.
    /// A strict merge takes equal times in the order of the partitions.
    /// </summary>
    private long BoundMs(PartitionLane partition, PartitionLane other)
    {
        var inclusive = _alignMs == 0 && partition.Partition < other.Partition;
        return other.PositionMs == long.MinValue ? long.MinValue : other.PositionMs + _alignMs - (inclusive ? 0 : 1);
    }

    /// <summary>Fills the part of a service's vectors that comes from the events themselves.</summary>
    private sealed class RequestFiller
    {
        private readonly (int Feature, CompiledExpression Expression, bool IsText)[] _features;

        public RequestFiller(ServicePlan service, RowSchema schema)
        {
            _features = [.. Enumerable.Range(0, service.Features.Count)
                .Where(feature => service.Features[feature].Origin is FeatureOrigin.OfRequest)
                .Select(feature => (feature, Compile(((FeatureOrigin.OfRequest)service.Features[feature].Origin).Text, schema), service.Features[feature].IsText))];
        }

        public void Fill(VectorBatch vectors, EventBatch events)
        {
            vectors.Reset(events.Count);
            foreach (var (feature, expression, isText) in _features)
            {
                for (var row = 0; row < events.Count; row++)
                {
                    var fields = events.Row(row);
                    if (!isText)
                        vectors[row, feature] = expression.EvaluateNumber(fields);
                    else if (expression.TryEvaluateText(fields, out var text))
                        vectors.SetText(row, feature, text);
                }
            }
        }

        private static CompiledExpression Compile(string text, RowSchema schema) =>
            CompiledExpression.Compile(text, schema, out var error) ?? throw new ArgumentException($"expression \"{text}\": {error!.Message}");
    }
}
