namespace FeatureStore.Grains.Ownership;

/// <summary>Another process owns the stream now; this one must stop.</summary>
public sealed class OwnerFencedException : Exception
{
    public OwnerFencedException()
        : this(null)
    {
    }

    public OwnerFencedException(string? message)
        : this(message, null)
    {
    }

    public OwnerFencedException(string? message, Exception? innerException)
        : base(message ?? "Another silo has taken over the stream. One silo ingests a project at a time; this one stops, and nothing is lost.", innerException)
    {
    }
}
