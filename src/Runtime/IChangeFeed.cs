namespace FeatureStore.Runtime;

/// <summary>Tells which entities change, wherever they are hosted. Costs nothing while nobody listens.</summary>
public interface IChangeFeed
{
    /// <summary>
    /// Tells a listener of the changes of one entity type, until what is returned is disposed. Completes once every change from then on will be told. At most one
    /// listener an entity type.
    /// </summary>
    /// <param name="entity">Index of the entity plan.</param>
    /// <param name="listener">Is told.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<IAsyncDisposable> ListenAsync(int entity, IChangeListener listener, CancellationToken cancellationToken);
}

/// <summary>Is told of changes. Returns soon, and throws nothing.</summary>
public interface IChangeListener
{
    /// <summary>Entities have changed: by an event, by one taken back, or by their end. Each may have changed several times; whoever wants the newest value reads it.</summary>
    /// <param name="entity">Index of the entity plan.</param>
    /// <param name="keys">Encoded keys, each once. Valid during the call.</param>
    void Changed(int entity, BlockSet keys);

    /// <summary>Entities of a type may have changed that the listener was not told of.</summary>
    void Missed(int entity);
}
