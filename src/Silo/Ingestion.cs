using FeatureStore.Runtime;

namespace FeatureStore.Silo;

/// <summary>What of the stream this process consumes: all of it by one pipeline, or some slices.</summary>
/// <param name="Status">How it is doing.</param>
/// <param name="Failure">Completes, with the reason, when it cannot go on.</param>
/// <param name="StopAsync">Drains, within a time; answers whether all was done.</param>
internal sealed record Ingestion(IPipelineStatus Status, Task<Exception> Failure, Func<TimeSpan, Task<bool>> StopAsync);
