using FeatureStore.Core.Plans;
using FeatureStore.Grains.Persistence;
using FeatureStore.Grains.Slices;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Grains;

/// <summary>Where several slices of the stream share the entities: erasing waits for a cut of all, as only then it is known what was applied.</summary>
public sealed partial class OrleansRuntime
{
    /// <summary>Erases entities while all slices wait at a cut. What this slice keeps of them goes too.</summary>
    /// <param name="erasures">The entities.</param>
    /// <param name="calls">Whether this slice is the one that calls them.</param>
    /// <param name="cancellationToken">Ends it: the term is over.</param>
    internal async Task EraseAtCutAsync(ErasureOrder[] erasures, bool calls, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            foreach (var erasure in erasures)
            {
                if (_links[erasure.Entity].Find(KeyHash.Of(erasure.Key), erasure.Key) is { } link)
                    Release(link, long.MaxValue);
                // The others must not go on before it is durable: they would send events to a block that may still go back to what was erased.
                while (calls && !await TryEraseAsync(erasure, cancellationToken).ConfigureAwait(false))
                    await Task.Delay(_pauseMax, _time, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>What of an entity's past an erasure keeps out.</summary>
    /// <param name="plan">The definitions.</param>
    /// <param name="entity">The entity.</param>
    /// <param name="offsets">By topic and partition, the offset of the first record that counts.</param>
    /// <param name="generations">By topic and partition, how often the partition was made anew.</param>
    internal static byte[] GuardsOf(ClusterPlan plan, EntityPlan entity, IReadOnlyDictionary<string, long[]> offsets, IReadOnlyDictionary<string, int[]> generations)
    {
        var guards = new AppliedOffsets();
        foreach (var source in Passes.FeedersOf(plan.Project, entity))
        {
            var topic = source.Definition.Kafka!.Topic;
            var ofTopic = generations.GetValueOrDefault(topic, []);
            for (var partition = 0; partition < offsets[topic].Length; partition++)
                guards.Advance(plan.SourceIds[source.Index], partition, partition < ofTopic.Length ? ofTopic[partition] : 0, offsets[topic][partition]);
        }

        return guards.ToArray();
    }

    private async Task<bool> TryEraseAsync(ErasureOrder erasure, CancellationToken cancellationToken)
    {
        try
        {
            await EraseAsync(_plan.Project.Entities[erasure.Entity], erasure.Key, erasure.Guards, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception exception) when (exception is IOException or TimeoutException)
        {
            return false;
        }
    }

    private async Task EraseAtNextCutAsync(EntityPlan entity, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        string? problem;
        try
        {
            problem = await _grains.GetGrain<ISliceCoordinatorGrain>(_plan.Project.Definition.Project).EraseAsync(entity.Name, key.ToArray()).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (!IsLasting(exception, cancellationToken))
        {
            throw new EraseException($"Who divides the stream does not answer: {exception.Message} Whether the entity is erased is not known; repeat the request.", exception);
        }

        if (problem is not null)
            throw new EraseException(problem);
    }
}
