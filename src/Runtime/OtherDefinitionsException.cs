namespace FeatureStore.Runtime;

/// <summary>The state of an entity is under other definitions than those of this process: it is not read, as it would be misread. The message is fit to be shown to the caller.</summary>
public sealed class OtherDefinitionsException : Exception
{
    public OtherDefinitionsException()
        : this("The entity's state is under other definitions than this server's. Roll the same definitions out to all silos.")
    {
    }

    public OtherDefinitionsException(string message)
        : base(message)
    {
    }

    public OtherDefinitionsException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
