namespace FeatureStore.Storage;

/// <summary>The hot store cannot be reached in time, or refuses a call. The message is the fact, the detail and a hint.</summary>
public sealed class HotStoreException : IOException
{
    public HotStoreException()
    {
    }

    public HotStoreException(string message)
        : base(message)
    {
    }

    public HotStoreException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
