namespace FeatureStore.Runtime;

/// <summary>
/// The entities that this process hosts and that have changed, for one reader. Coalesced: an entity is taken once however often it has changed since it was last taken,
/// and what waits is never more than the entities there are. Any thread.
/// </summary>
public interface IChangedEntities
{
    /// <summary>Begins or ends keeping track of an entity type's changes. What waits is forgotten at the end.</summary>
    /// <param name="entity">Index of the entity plan.</param>
    /// <param name="isTracked">Whether changes are kept track of. While they are not, a change costs nothing.</param>
    void Track(int entity, bool isTracked);

    /// <summary>Takes entities of a type, those first whose change has waited longest, at most about a number of them.</summary>
    /// <param name="entity">Index of the entity plan.</param>
    /// <param name="countMax">About how many.</param>
    /// <param name="keys">Gets their encoded keys.</param>
    /// <param name="sequences">Gets their versions, where given: what a hot store fences by.</param>
    /// <param name="blocks">Gets copies of their blocks, where given; an empty one of an entity that is gone.</param>
    void Take(int entity, int countMax, BlockSet keys, List<long>? sequences = null, BlockSet? blocks = null);

    /// <summary>Gives back what was taken and could not be used: as if the entities had changed just now.</summary>
    /// <param name="entity">Index of the entity plan.</param>
    /// <param name="keys">As they were taken.</param>
    /// <param name="sequences">As they were taken.</param>
    /// <param name="blocks">As they were taken, if they were.</param>
    void PutBack(int entity, BlockSet keys, IReadOnlyList<long> sequences, BlockSet? blocks = null);
}
