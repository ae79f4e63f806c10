using FeatureStore.Runtime;

namespace FeatureStore.Api.Tests.Fakes;

/// <summary>What a runtime has to tell, and how often it was asked for it.</summary>
internal sealed class WatchedChanges(IChangedEntities changes) : IChangedEntities
{
    private int _takes;

    /// <summary>Takes of the first entity type that began: each begins when the round before it has ended.</summary>
    public int Takes => Volatile.Read(ref _takes);

    public void Track(int entity, bool isTracked) => changes.Track(entity, isTracked);

    public void Take(int entity, int countMax, BlockSet keys, List<long>? sequences = null, BlockSet? blocks = null)
    {
        if (entity == 0)
            Interlocked.Increment(ref _takes);
        changes.Take(entity, countMax, keys, sequences, blocks);
    }

    public void PutBack(int entity, BlockSet keys, IReadOnlyList<long> sequences, BlockSet? blocks = null) => changes.PutBack(entity, keys, sequences, blocks);
}
