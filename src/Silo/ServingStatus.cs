using FeatureStore.Runtime;

namespace FeatureStore.Silo;

/// <summary>The pipeline's status; of a silo that only serves, that it runs.</summary>
internal sealed class ServingStatus : IPipelineStatus
{
    private volatile IPipelineStatus? _pipeline;
    private volatile bool _serves;

    public PipelineStatus Current => _pipeline?.Current ?? new PipelineStatus
    {
        Phase = _serves ? PipelinePhase.Running : PipelinePhase.Starting,
        Detail = _serves ? "Serves; another silo ingests." : null,
        TimeMs = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds(),
    };

    public void Follow(IPipelineStatus pipeline) => _pipeline = pipeline;

    public void Serve() => _serves = true;
}
