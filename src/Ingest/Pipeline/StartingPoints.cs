using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Ingest.Kafka;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>Where each partition of a source goes on: from S of the checkpoint in silence to P, and from there publishing (architecture, "Exactly once").</summary>
internal static class StartingPoints
{
    private const string Advice = "If it was recreated on purpose, start once with --accept-recreated-topics; or use an empty data directory and another project name.";

    /// <param name="plan">The compiled definitions.</param>
    /// <param name="source">The source.</param>
    /// <param name="records">Its topic.</param>
    /// <param name="last">The checkpoint that the state is of; null where there is none.</param>
    /// <param name="published">P of each partition that was ever answered.</param>
    /// <param name="acceptRecreated">Whether the operator knows that the topic may be another, or lack records: it is read from its beginning then.</param>
    /// <param name="time">The clock.</param>
    /// <param name="slice">Whose partitions are opened.</param>
    /// <exception cref="IngestConfigurationException">The topic is not the one that was read, or has lost records that the state needs.</exception>
    public static PartitionLane[] Open(
        ProjectPlan plan, SourcePlan source, IEventSource records, CheckpointHeader? last, IReadOnlyDictionary<(string Topic, int Partition), long> published,
        bool acceptRecreated, TimeProvider time, Slice slice = default)
    {
        var saved = last?.Partitions.Where(saved => saved.Topic == records.Topic).ToDictionary(saved => saved.Partition) ?? [];
        if (saved.Count > 0 && saved.Keys.Max() is var newest && newest >= records.Partitions && !acceptRecreated)
        {
            throw new IngestConfigurationException(
                $"Topic \"{records.Topic}\" has {records.Partitions} partitions, and the checkpoint was made from one with {newest + 1}: the topic was recreated. {Advice}");
        }

        return [.. Enumerable.Range(0, records.Partitions).Where(slice.Has).Select(Open)];

        PartitionLane Open(int partition)
        {
            var (first, end) = records.QueryOffsets(partition);
            var start = saved.GetValueOrDefault(partition);
            var answered = published.GetValueOrDefault((records.Topic, partition), -1);
            var read = Math.Max(start?.NextOffset ?? 0, answered);
            var isRecreated = read > end;
            if (isRecreated)
            {
                if (!acceptRecreated)
                {
                    throw new IngestConfigurationException(
                        $"{records.Topic}/{partition} ends at offset {end}, before offset {read} that was read earlier: the topic was recreated. {Advice}");
                }

                start = start is null ? null : start with { NextOffset = first, WitnessOffset = -1 };
                answered = -1;
            }

            if (start is not null && start.NextOffset < first)
            {
                if (!acceptRecreated)
                {
                    throw new IngestConfigurationException(
                        $"{records.Topic}/{partition} begins at offset {first}, and the checkpoint needs it from {start.NextOffset}: records are gone before they were read. " +
                        "Keep records longer than the store may be down; to go on without them, start once with --accept-recreated-topics.");
                }

                start = start with { NextOffset = first, WitnessOffset = -1 };
            }

            return new PartitionLane(source, records, partition, start, first, answered, new RecordDecoder(plan, source), time)
            {
                AcceptsAnyWitness = acceptRecreated,
                IsRecreated = isRecreated,
                Settles = plan.Definition.FeatureViews.Any(view => view.Source == source.Definition.Name
                    && view.Features.Any(feature => feature.Window is WindowDefinition.Session or WindowDefinition.Last)),
            };
        }
    }
}
