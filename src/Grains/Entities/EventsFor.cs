using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Grains.Entities;

/// <summary>Events on their way to entities of one type.</summary>
/// <param name="Route">What they do there.</param>
/// <param name="Events">The events, among others.</param>
/// <param name="Source">Where they come from.</param>
/// <param name="Interval">Number of their interval.</param>
/// <param name="Generations">By source and partition, how often the partition was made anew; null: none ever.</param>
internal readonly record struct EventsFor(Route Route, EventBatch Events, SourcePlan Source, long Interval, int[][]? Generations)
{
    /// <summary>Index of the source whose offset an event has: of a pair, the one of the record that made it.</summary>
    public int Origin(in EventHeader header) => Source.Join is null ? Source.Index : header.Origin;

    /// <summary>How often a partition was made anew.</summary>
    public int Generation(int source, int partition) => Generations is { } generations && partition < generations[source].Length ? generations[source][partition] : 0;
}

/// <summary>Where an entity's part of what is read after each event goes: one after the other, or right into the vectors of a batch.</summary>
internal ref struct ValueTarget
{
    private readonly ApplyBatch? _batch;
    private readonly EnrichedRows? _enriched;
    private Span<double> _values;

    public ValueTarget(Span<double> values, int vectors)
    {
        _values = values;
        Vectors = vectors;
    }

    public ValueTarget(ApplyBatch batch, EnrichedRows enriched)
    {
        _batch = batch;
        _enriched = enriched;
        Vectors = batch.Vectors.Count;
    }

    /// <summary>How many of the source's vectors are wanted.</summary>
    public int Vectors { get; }

    public void Read(Route route, ReadOnlySpan<byte> block, int row, long timeMs)
    {
        if (_batch is null)
        {
            Append(route, block, timeMs, route.Enrichment.Features);
            for (var vector = 0; vector < Vectors; vector++)
                Append(route, block, timeMs, route.Slices[vector].Features);
            return;
        }

        if (route.Enrichment.Features.Length > 0)
            route.Enrichment.Read(route.Entity, block, timeMs, _enriched!.Row(row));
        for (var vector = 0; vector < Vectors; vector++)
        {
            if (route.Slices[vector].Features.Length > 0)
                route.Slices[vector].Read(route.Entity, block, timeMs, _batch.Vectors[vector].Row(row));
        }
    }

    private void Append(Route route, ReadOnlySpan<byte> block, long timeMs, int[] features)
    {
        route.Entity.Read(block, timeMs, features, _values[..features.Length]);
        _values = _values[features.Length..];
    }
}
