using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime.Local;

/// <summary>How the events of a source are applied: first to the entities that need no enriched field, among them all that enrich; then to the others.</summary>
/// <param name="First">The first pass.</param>
/// <param name="Enriched">The fields to set between the two; empty where nothing enriches the source.</param>
/// <param name="Second">The second pass.</param>
internal sealed record Passes(Route[] First, int[] Enriched, Route[] Second)
{
    public static Passes Of(ProjectPlan plan, SourcePlan source)
    {
        var services = plan.ServicesOn(source);
        List<Route> routes = [];
        foreach (var entity in plan.Entities)
        {
            VectorSlice[] slices = [.. services.Select(service => VectorSlice.Of(service, entity.Index))];
            var enriched = Enumerable.Range(0, source.Enrichment.Count).Where(index => source.Enrichment[index].Entity == entity).ToArray();
            var enrichment = new VectorSlice([.. enriched.Select(index => source.Enrichment[index].Feature)], enriched);
            if (entity.IsFedBy(source.Index) || enriched.Length > 0 || slices.Any(slice => slice.Features.Length > 0))
                routes.Add(new Route(entity, entity.IsFedBy(source.Index), [.. entity.Keys.Select(key => source.Schema.IndexOf(key.Name))], slices, enrichment));
        }

        var second = routes.Where(route => source.EntitiesOfEnriched.Contains(route.Entity.Index)).ToArray();
        return new Passes([.. routes.Except(second)], [.. source.Enrichment.Select(enrichment => enrichment.Field)], second);
    }

    /// <summary>The sources whose records change an entity: of a join, its sides. And both sides of a join in which the entity's events wait.</summary>
    public static IEnumerable<SourcePlan> FeedersOf(ProjectPlan plan, EntityPlan entity) => plan.Sources.Where(source => entity.IsFedBy(source.Index))
        .SelectMany(source => source.Join is { } join ? [join.Left, join.Right] : new[] { source })
        .Concat(plan.Joins.Where(join => join.HasOwner(entity.Index)).SelectMany(join => new[] { join.Left, join.Right })).Distinct();
}

/// <summary>What the events of one source do to one entity, and which part of each vector they fill.</summary>
/// <param name="Entity">The entity's plan.</param>
/// <param name="Feeds">Whether the events change the entity; false: they only read it.</param>
/// <param name="KeyFields">Where its join keys are in the source's rows.</param>
/// <param name="Slices">One a vector of the batch.</param>
/// <param name="Enrichment">What it gives to the fields that enrich the events.</param>
internal sealed record Route(EntityPlan Entity, bool Feeds, int[] KeyFields, VectorSlice[] Slices, VectorSlice Enrichment);
