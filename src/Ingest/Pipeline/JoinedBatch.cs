using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>The events of a joined source that a batch of one of its sides makes. They take effect, are scored and sent with that batch. Reused.</summary>
internal sealed class JoinedBatch
{
    private readonly ComputedFeatures[] _computed;

    public JoinedBatch(ProjectPlan plan, SourcePlan source)
    {
        var services = plan.ServicesOn(source);
        Source = source;
        Events = new EventBatch(source.Schema);
        Vectors = [.. services.Select(service => new VectorBatch(service))];
        Apply = new ApplyBatch(source.Index, Events, Vectors);
        _computed = [.. services.Select(service => new ComputedFeatures(service, source.Schema))];
    }

    public SourcePlan Source { get; }

    public EventBatch Events { get; }

    public VectorBatch[] Vectors { get; }

    public ApplyBatch Apply { get; }

    /// <summary>Makes room for the vectors of the events that the runtime has given.</summary>
    public void ResetVectors()
    {
        foreach (var vectors in Vectors)
            vectors.Reset(Events.Count);
    }

    /// <summary>Completes the vectors, once the events are applied.</summary>
    public void Compute()
    {
        for (var vector = 0; vector < Vectors.Length; vector++)
            _computed[vector].Fill(Vectors[vector], Events);
    }
}
