using FeatureStore.Runtime;

namespace FeatureStore.Grains.Slices;

/// <summary>What several pipelines of a silo do, as one.</summary>
internal static class SliceStatus
{
    public static PipelineStatus Merge(IReadOnlyList<PipelineStatus> pipelines, long timeMs)
    {
        var publishing = pipelines.Select(pipeline => pipeline.Publish).OfType<PublishStatus>().ToList();
        return new PipelineStatus
        {
            // The one that is least far speaks for all; that one has stopped is news.
            Phase = pipelines.Count == 0 ? PipelinePhase.Running
                : pipelines.Any(pipeline => pipeline.Phase == PipelinePhase.Stopped) ? PipelinePhase.Stopped
                : pipelines.Min(pipeline => pipeline.Phase),
            Detail = pipelines.Select(pipeline => pipeline.Detail).FirstOrDefault(detail => detail is not null),
            TimeMs = timeMs,
            Sources = [.. pipelines.SelectMany(pipeline => pipeline.Sources).GroupBy(source => source.Name).Select(source => source.First() with
            {
                StreamTimeMs = source.Max(slice => slice.StreamTimeMs),
                Partitions = [.. source.SelectMany(slice => slice.Partitions).OrderBy(partition => partition.Partition)],
            })],
            Publish = publishing.Count == 0 ? null : new PublishStatus(publishing.Max(publish => publish.P50Ms), publishing.Max(publish => publish.P99Ms), publishing.Sum(publish => publish.PerSecond)),
        };
    }
}
