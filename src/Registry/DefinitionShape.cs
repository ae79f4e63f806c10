namespace FeatureStore.Registry;

/// <summary>A kind of mapping in the YAML: the keys that it may have. The one table that loader and JSON schema are held to.</summary>
/// <param name="Title">What messages call it.</param>
/// <param name="Keys">All its keys.</param>
internal sealed record DefinitionShape(string Title, params string[] Keys)
{
    public static readonly DefinitionShape Root = new("a definitions file", "project", "sources", "entities", "feature_views", "feature_services", "models");

    public static readonly DefinitionShape Source = new(
        "a source", "name", "kafka", "join", "timestamp", "clock", "lateness", "ahead", "align", "dead_letters", "id", "envelope", "fields", "clean", "enrich");

    public static readonly DefinitionShape Kafka = new("kafka", "topic", "format");

    public static readonly DefinitionShape Join = new("a join", "left", "right", "on", "within", "unmatched", "limit");

    public static readonly DefinitionShape CleanRule = new("a clean rule", "field", "missing", "fill", "below", "above", "outside");

    public static readonly DefinitionShape Enrich = new("a field that enriches", "feature", "as");

    public static readonly DefinitionShape Entity = new("an entity", "name", "keys");

    public static readonly DefinitionShape FeatureView = new("a feature view", "name", "entity", "source", "ttl", "features");

    public static readonly DefinitionShape Feature = new(
        "a feature", "name", "aggregate", "of", "where", "by", "limit", "n", "k", "q", "half_life", "bounds", "sample", "window", "default");

    public static readonly DefinitionShape SlidingWindow = new("a sliding window", "sliding", "delay", "tile", "limit");

    public static readonly DefinitionShape TumblingWindow = new("a tumbling window", "tumbling", "offset", "closed", "time_zone");

    public static readonly DefinitionShape SessionWindow = new("a session window", "session", "max", "closed", "limit");

    public static readonly DefinitionShape LastWindow = new("a window of the last events", "last");

    public static readonly DefinitionShape FeatureService = new("a feature service", "name", "request", "features");

    public static readonly DefinitionShape ServiceFeature = new("a service's feature", "name", "feature", "expression", "transform");

    public static readonly DefinitionShape Transform = new("a transform", "standardize", "minmax", "log1p", "clip", "impute", "one_hot", "bucketize");

    public static readonly DefinitionShape Standardize = new("standardize", "mean", "std");

    public static readonly DefinitionShape Minmax = new("minmax", "min", "max");

    public static readonly DefinitionShape Log1p = new("log1p");

    public static readonly DefinitionShape Clip = new("clip", "min", "max");

    public static readonly DefinitionShape Model = new("a model", "name", "service", "entity", "on", "outputs", "sink");

    public static readonly DefinitionShape Sink = new("a sink", "topic", "vector");

    /// <summary>The kinds of window, each told by its first key.</summary>
    internal static DefinitionShape[] Windows { get; } = [SlidingWindow, TumblingWindow, SessionWindow, LastWindow];

    internal static string WindowKinds => string.Join(", ", Windows.Select(window => window.Keys[0]));
}
