using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Grains;

/// <summary>What a silo knows of the project: the compiled definitions, where the events of each source go, and a fingerprint that all silos must share.</summary>
public sealed class ClusterPlan
{
    private readonly Passes[] _passes;
    private readonly Route?[][] _routes;
    private readonly bool[] _isExact;
    private readonly Dictionary<string, EntityPlan> _entities;

    /// <param name="project">The compiled definitions.</param>
    /// <param name="slices">Into how many slices the stream is divided, 1 to <see cref="Slice.CountMax"/>: the same on all silos.</param>
    /// <exception cref="ArgumentException">The project has joins, and there are several slices.</exception>
    public ClusterPlan(ProjectPlan project, int slices = 1)
    {
        ArgumentNullException.ThrowIfNull(project);
        ArgumentOutOfRangeException.ThrowIfLessThan(slices, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(slices, Slice.CountMax);
        if (slices > 1 && project.Joins.Count > 0)
        {
            throw new ArgumentException(
                $"Source \"{project.Joins[0].Source.Definition.Name}\" is a join: its two sides must be consumed by one pipeline, and {slices} slices of the stream are {slices} pipelines. Leave the join out, or the slices.");
        }

        Slices = slices;
        Project = project;
        _entities = project.Entities.ToDictionary(entity => entity.Name, StringComparer.Ordinal);
        _passes = [.. project.Sources.Select(source => Passes.Of(project, source))];
        _routes = [.. _passes.Select(passes => project.Entities.Select(entity => Array.Find([.. passes.First, .. passes.Second], route => route.Entity == entity)).ToArray())];
        _isExact = [.. project.Entities.Select(entity => slices == 1 &&
            project.Sources.Any(source => source.Join is not null && entity.IsFedBy(source.Index) || source.Enrichment.Any(enrichment => enrichment.Entity == entity)))];
        SourceIds = [.. project.Sources.Select(source => Hash(14695981039346656037UL, NameOf(source)))];
        Fingerprint = slices == 1 ? FingerprintOf(project) : Hash(FingerprintOf(project), $"{slices} slices");
    }

    public ProjectPlan Project { get; }

    /// <summary>Into how many slices the stream is divided, each with a pipeline of its own.</summary>
    public int Slices { get; }

    /// <summary>Of state, events and vectors: two silos with the same one understand each other's calls.</summary>
    public ulong Fingerprint { get; }

    /// <summary>Names each source in stored state by its topic, whatever place the definitions give it.</summary>
    internal ulong[] SourceIds { get; }

    internal EntityPlan? Entity(string name) => _entities.GetValueOrDefault(name);

    /// <summary>What the events of a source do.</summary>
    internal Passes PassesOf(int source) => _passes[source];

    /// <summary>What the events of a source do to an entity; null where they do nothing.</summary>
    internal Route? Route(int source, int entity) => _routes[source][entity];

    /// <summary>
    /// Whether an entity's state has to be exactly that of a checkpoint when the stream goes on from it, and not be ahead of it: where the entity enriches events, as these would
    /// find what came later; and where a join feeds it, as the join makes its pairs again, maybe in another order. Not with several slices: what one finds of another's depends
    /// on which is quicker, the second time as the first.
    /// </summary>
    internal bool IsExact(EntityPlan entity) => _isExact[entity.Index];

    /// <summary>Values that an event gets from an entity for the first vectors of a batch, and for the fields that enrich it.</summary>
    internal static int ValuesPerEvent(Route route, int vectors)
    {
        var count = route.Enrichment.Features.Length;
        for (var vector = 0; vector < vectors; vector++)
            count += route.Slices[vector].Features.Length;
        return count;
    }

    private static string NameOf(SourcePlan source) => source.Definition.Kafka?.Topic ?? $"join {source.Definition.Name}";

    private static ulong FingerprintOf(ProjectPlan project)
    {
        // What an index of a feature means, and how its value is finished, is no matter of the layout.
        var hash = Hash(project.LayoutFingerprint, $"{DefinitionFingerprint.Of(project.Definition.FeatureViews):x16}");
        foreach (var source in project.Sources)
        {
            hash = Hash(hash, NameOf(source));
            foreach (var field in source.Schema.Fields)
                hash = Hash(hash, $"{field.Name}:{field.Type}");
            foreach (var enrichment in source.Enrichment)
                hash = Hash(hash, $"{enrichment.Field}={enrichment.Entity.Name}:{enrichment.Feature}");
            foreach (var service in project.ServicesOn(source))
            {
                foreach (var entity in project.Entities)
                    hash = Hash(hash, $"{service.Name}/{entity.Name}:{string.Join(',', VectorSlice.Of(service, entity.Index).Features)}");
            }
        }

        return hash;
    }

    /// <summary>FNV-1a, 64 bits, over UTF-16 code units: the same in every process.</summary>
    private static ulong Hash(ulong hash, string text)
    {
        foreach (var unit in text)
            hash = unchecked((hash ^ unit) * 1099511628211UL);
        return unchecked((hash ^ 0xFFFF) * 1099511628211UL);
    }
}
