using FeatureStore.Api.Features;
using FeatureStore.Core.Plans;

namespace FeatureStore.Api.Changes;

/// <summary>What a subscriber wants to be told of.</summary>
/// <param name="Parts">An entity type each.</param>
/// <param name="MinInterval">Shortest time between two events of one entity.</param>
internal sealed record ChangeSelection(IReadOnlyList<ChangePart> Parts, TimeSpan MinInterval)
{
    /// <summary>Whether a change is of an entity that is selected.</summary>
    public bool Wants(Change change)
    {
        foreach (var part in Parts)
        {
            if (part.Entity.Index == change.Entity)
                return part.Keys is null || part.Keys.Contains(change.Key);
        }

        return false;
    }
}

/// <summary>What is selected of one entity type.</summary>
/// <param name="Entity">The entity type.</param>
/// <param name="Features">The features that are sent.</param>
/// <param name="Keys">Encoded keys of the entities that are selected; null: all.</param>
/// <param name="OnChange">Columns of which one must have changed; null: any change counts.</param>
/// <param name="Where">What must hold; null: nothing.</param>
internal sealed record ChangePart(EntityPlan Entity, FeatureSet Features, HashSet<byte[]>? Keys, int[]? OnChange, ChangeCondition? Where);
