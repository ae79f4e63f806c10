namespace FeatureStore.Core.Plans;

/// <summary>What a feature has of the events that were applied under other definitions.</summary>
public enum CarriedState
{
    /// <summary>Nothing: it knows the events from now on.</summary>
    None,

    /// <summary>A part: what reaches further back, or is finer, than what was kept is missing until the feature's window has passed it.</summary>
    Part,

    /// <summary>All: it reads as if it had been defined from the beginning.</summary>
    Whole,
}
