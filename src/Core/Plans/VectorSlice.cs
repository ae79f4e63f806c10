using FeatureStore.Core.Vectors;

namespace FeatureStore.Core.Plans;

/// <summary>The part of a service's vector that one entity fills.</summary>
/// <param name="Features">Indexes into the entity plan's features.</param>
/// <param name="Positions">Where each goes in the vector.</param>
public sealed record VectorSlice(int[] Features, int[] Positions)
{
    /// <summary>The part that an entity fills; empty arrays where it fills none.</summary>
    public static VectorSlice Of(ServicePlan service, int entity)
    {
        ArgumentNullException.ThrowIfNull(service);
        var positions = Enumerable.Range(0, service.Features.Count)
            .Where(position => service.Features[position].Origin is FeatureOrigin.OfEntity origin && origin.Entity == entity)
            .ToArray();
        return new VectorSlice([.. positions.Select(position => ((FeatureOrigin.OfEntity)service.Features[position].Origin).Feature)], positions);
    }

    /// <summary>Reads the entity's features as of a time into their places of a vector.</summary>
    public void Read(EntityPlan entity, ReadOnlySpan<byte> block, long asOfMs, Span<double> vector)
    {
        ArgumentNullException.ThrowIfNull(entity);
        Span<double> values = Features.Length <= 128 ? stackalloc double[Features.Length] : new double[Features.Length];
        entity.Read(block, asOfMs, Features, values);
        for (var index = 0; index < values.Length; index++)
            vector[Positions[index]] = values[index];
    }
}
