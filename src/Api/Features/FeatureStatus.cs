namespace FeatureStore.Api.Features;

/// <summary>What a value is worth; named as Feast names it on the wire.</summary>
internal enum FeatureStatus
{
    PRESENT,

    /// <summary>The entity is known; the feature is null.</summary>
    NULL_VALUE,

    /// <summary>The feature's view has seen no event of the entity.</summary>
    NOT_FOUND,

    /// <summary>The view's newest event is as old as its <c>ttl</c>, or older.</summary>
    OUTSIDE_MAX_AGE,
}
