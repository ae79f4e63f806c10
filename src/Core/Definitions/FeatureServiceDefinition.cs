namespace FeatureStore.Core.Definitions;

/// <summary>The vector that a model or a caller gets: features of views, request fields and expressions, in order.</summary>
public sealed record FeatureServiceDefinition
{
    public required string Name { get; init; }

    /// <summary>Fields that come with the request, or for a model's <c>on:</c> source from the event's fields of the same name.</summary>
    public IReadOnlyList<FieldDefinition> Request { get; init; } = [];

    public required IReadOnlyList<ServiceFeatureDefinition> Features { get; init; }
}

/// <summary>One entry of a service. Exactly one of <see cref="Feature"/>, <see cref="RequestField"/> and <see cref="Expression"/> is set.</summary>
public sealed record ServiceFeatureDefinition
{
    /// <summary>Plain name, unique in the service: of the feature, the request field, or the expression.</summary>
    public required string Name { get; init; }

    /// <summary><c>view:feature</c>.</summary>
    public string? Feature { get; init; }

    public string? RequestField { get; init; }

    /// <summary>Expression over the request fields, and the service's other entries by their plain names, whose values are doubles or texts.</summary>
    public string? Expression { get; init; }

    /// <summary>Applied in order, when the tensor is built; stored and logged values stay untransformed.</summary>
    public IReadOnlyList<TransformDefinition> Transforms { get; init; } = [];
}

/// <summary>A step from a feature's value to the number(s) a model is fed. Null passes through all but impute and one_hot.</summary>
public abstract record TransformDefinition
{
    /// <summary>(value − Mean) / Std. Std is not 0.</summary>
    public sealed record Standardize(double Mean, double Std) : TransformDefinition;

    /// <summary>(value − Min) / (Max − Min). Max is greater than Min.</summary>
    public sealed record MinMax(double Min, double Max) : TransformDefinition;

    /// <summary>ln(1 + value); null where value ≤ −1.</summary>
    public sealed record Log1p : TransformDefinition;

    /// <summary>The nearer bound where the value lies outside [Min, Max].</summary>
    public sealed record Clip(double Min, double Max) : TransformDefinition;

    /// <summary>Value in place of null.</summary>
    public sealed record Impute(double Value) : TransformDefinition;

    /// <summary>One column a category, 1 where the value equals it; all 0 for null and for any other value. Last step only. Text categories for text values, numbers (invariant text) else.</summary>
    public sealed record OneHot(IReadOnlyList<string> Categories) : TransformDefinition;

    /// <summary>Index of the bucket: the number of bounds that are ≤ value; null stays null. Bounds ascend.</summary>
    public sealed record Bucketize(IReadOnlyList<double> Bounds) : TransformDefinition;
}

/// <summary>A model over a service's vector.</summary>
public sealed record ModelDefinition
{
    public required string Name { get; init; }

    public required string Service { get; init; }

    /// <summary>Entity whose key is the prediction's; null: that of the service's first feature view.</summary>
    public string? Entity { get; init; }

    /// <summary>Source whose every event is scored; null: on request only.</summary>
    public string? On { get; init; }

    /// <summary>Name of an output in the prediction → where it is in the model's outputs: <c>name</c>, <c>name[2]</c> or <c>name["class"]</c>. Empty: each output of the model under its own name.</summary>
    public IReadOnlyDictionary<string, string> Outputs { get; init; } = new Dictionary<string, string>();

    /// <summary>Where predictions of <see cref="On"/> events go. Set exactly when <see cref="On"/> is.</summary>
    public SinkDefinition? Sink { get; init; }
}

public sealed record SinkDefinition
{
    public required string Topic { get; init; }

    /// <summary>Whether each prediction carries its feature values.</summary>
    public bool Vector { get; init; }
}
