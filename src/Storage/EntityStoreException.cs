namespace FeatureStore.Storage;

/// <summary>An entity store cannot be opened, read or written. The message is the fact, the detail and a hint.</summary>
public sealed class EntityStoreException : IOException
{
    public EntityStoreException()
    {
    }

    public EntityStoreException(string message)
        : base(message)
    {
    }

    public EntityStoreException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
