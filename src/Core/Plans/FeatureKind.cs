namespace FeatureStore.Core.Plans;

/// <summary>What a feature's value is.</summary>
public enum FeatureKind
{
    /// <summary>A number or null.</summary>
    Number,

    /// <summary>An integer of any size or null; where a double is asked for, the nearest.</summary>
    Integer,

    /// <summary>A text or null.</summary>
    Text,

    /// <summary>A list of numbers or of integers; of none: null.</summary>
    NumberList,

    /// <summary>A list of texts; of none: null.</summary>
    TextList,

    /// <summary>A list of values with their counts; of none: null.</summary>
    TopList,

    /// <summary>Numbers or integers (or null) by key; of none: empty.</summary>
    Map,
}
