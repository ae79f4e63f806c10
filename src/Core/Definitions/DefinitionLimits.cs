namespace FeatureStore.Core.Definitions;

/// <summary>Bounds that <see cref="DefinitionValidator"/> holds definitions to.</summary>
public static class DefinitionLimits
{
    /// <summary>Longest name of anything but a project or a topic, in characters.</summary>
    public const int NameLengthMax = 128;

    public const int ProjectLengthMax = 64;

    /// <summary>Kafka's own limit.</summary>
    public const int TopicLengthMax = 249;

    public const int SourcesMax = 256;
    public const int EntitiesMax = 256;
    public const int FeatureViewsMax = 1000;
    public const int FeatureServicesMax = 1000;
    public const int ModelsMax = 256;
    public const int CleanRulesMax = 256;
    public const int EntityKeysMax = 8;

    /// <summary>Features of an entity, all its views together.</summary>
    public const int EntityFeaturesMax = 1000;

    public const int ServiceFeaturesMax = 1000;

    /// <summary>Columns of a service's vector after transforms.</summary>
    public const int ServiceColumnsMax = 10_000;

    public const int TransformsMax = 16;

    /// <summary>Categories of a one_hot, bounds of a bucketize.</summary>
    public const int TransformValuesMax = 1000;

    public const int ModelOutputsMax = 100;
    public const int WindowEventsMax = 1_000_000;

    /// <summary>Tiles in reach of a window, with its delay; periods of a tumbling window that may still change.</summary>
    public const int WindowRowsMax = 10_000;

    public const int SessionsClosedMax = 100;
    /// <summary>Events of a side that a join keeps for a key.</summary>
    public const int JoinEventsMax = 10_000;

    public const int LastEventsMax = 100_000;

    /// <summary>Values of a first_n, last_n or top_k.</summary>
    public const int ListMax = 100;

    public const int HistogramBoundsMax = 100;
    public const int ByKeysMax = 1000;
    public const int ByKeysDefault = 50;
    public const int DistinctValuesMax = 65_536;
    public const int DistinctValuesDefault = 1000;

    /// <summary>Bytes that the state of one entity may come to: what Redis takes as one value.</summary>
    public const long EntityBytesMax = 512_000_000;

    /// <summary>Longest duration.</summary>
    public const int DurationDaysMax = 3650;
}
