namespace FeatureStore.Grains;

/// <summary>Names that a silo's configuration refers to.</summary>
public static class ClusterNames
{
    /// <summary>The grain storage provider that holds blocks and checkpoints.</summary>
    public const string Storage = "featurestore";

    /// <summary>The stream provider that carries changes between silos, and the grain storage provider that keeps its subscriptions.</summary>
    public const string Streams = "featurestore-changes";

    /// <summary>State name of an entity's record.</summary>
    internal const string EntityState = "featurestore-block";

    /// <summary>State name of the checkpoint's record.</summary>
    internal const string CheckpointState = "featurestore-checkpoint";

    /// <summary>State name of what joins keep.</summary>
    internal const string JoinState = "featurestore-join";
}
