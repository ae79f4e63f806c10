using FeatureStore.Core.Plans;

namespace FeatureStore.Grains;

/// <summary>What a silo knows of the project: the compiled definitions, where the events of each source go, and a fingerprint that all silos must share.</summary>
public sealed class ClusterPlan
{
    private readonly EntityRoute[][] _routes;
    private readonly Dictionary<string, EntityPlan> _entities;

    /// <param name="project">The compiled definitions.</param>
    public ClusterPlan(ProjectPlan project)
    {
        ArgumentNullException.ThrowIfNull(project);
        Project = project;
        _entities = project.Entities.ToDictionary(entity => entity.Name, StringComparer.Ordinal);
        _routes = [.. project.Sources.Select(source => RoutesOf(project, source))];
        SourceIds = [.. project.Sources.Select(source => Hash(14695981039346656037UL, source.Definition.Kafka.Topic))];
        Fingerprint = FingerprintOf(project);
    }

    public ProjectPlan Project { get; }

    /// <summary>Of state, events and vectors: two silos with the same one understand each other's calls.</summary>
    public ulong Fingerprint { get; }

    /// <summary>Names each source in stored state by its topic, whatever place the definitions give it.</summary>
    internal IReadOnlyList<ulong> SourceIds { get; }

    internal EntityPlan? Entity(string name) => _entities.GetValueOrDefault(name);

    internal EntityRoute[] RoutesOf(int source) => _routes[source];

    /// <summary>What the events of a source do to an entity; null where they do nothing.</summary>
    internal EntityRoute? Route(int source, int entity) => Array.Find(_routes[source], route => route.Entity.Index == entity);

    private static EntityRoute[] RoutesOf(ProjectPlan project, SourcePlan source)
    {
        var services = project.ServicesOn(source);
        List<EntityRoute> routes = [];
        foreach (var entity in project.Entities)
        {
            VectorSlice[] slices = [.. services.Select(service => VectorSlice.Of(service, entity.Index))];
            if (entity.IsFedBy(source.Index) || slices.Any(slice => slice.Features.Length > 0))
                routes.Add(new EntityRoute(source, entity, entity.IsFedBy(source.Index), [.. entity.Keys.Select(key => source.Schema.IndexOf(key.Name))], slices));
        }

        return [.. routes];
    }

    private static ulong FingerprintOf(ProjectPlan project)
    {
        var hash = project.LayoutFingerprint;
        foreach (var source in project.Sources)
        {
            hash = Hash(hash, source.Definition.Kafka.Topic);
            foreach (var field in source.Schema.Fields)
                hash = Hash(hash, $"{field.Name}:{field.Type}");
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

/// <summary>What the events of one source do to one entity, and which part of each vector they fill.</summary>
/// <param name="Source">The source.</param>
/// <param name="Entity">The entity's plan.</param>
/// <param name="Feeds">Whether the events change the entity; false: they only read it.</param>
/// <param name="KeyFields">Where its join keys are in the source's rows.</param>
/// <param name="Slices">One a service whose models score on the source.</param>
internal sealed record EntityRoute(SourcePlan Source, EntityPlan Entity, bool Feeds, int[] KeyFields, VectorSlice[] Slices)
{
    /// <summary>Values that an event gets from the entity for the first vectors of a batch.</summary>
    public int ValuesPerEvent(int vectors)
    {
        var count = 0;
        for (var vector = 0; vector < vectors; vector++)
            count += Slices[vector].Features.Length;
        return count;
    }
}
