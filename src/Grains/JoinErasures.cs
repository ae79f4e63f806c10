using FeatureStore.Core.Joins;
using FeatureStore.Core.Plans;
using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Grains;

/// <summary>
/// What keeps the events of erased entities out of joins. The owner's record has each erasure before it is answered, as the last checkpoint still has the events: a replay from there makes again,
/// for other entities, the pairs that had been made; with what came after the erasure they make none. Once all that an erasure keeps out has been applied again, its events go,
/// and once a checkpoint is as far, so does the erasure.
/// </summary>
internal sealed class JoinErasures(ClusterPlan plan, SourcePositions positions, Shard joins)
{
    private readonly Lock _gate = new();
    private List<JoinErasure> _erasures = [];

    /// <summary>Those of which not all that they keep out has been applied again.</summary>
    private List<JoinErasure> _unsettled = [];

    /// <summary>All that the record needs.</summary>
    public IReadOnlyList<JoinErasure> Current
    {
        get
        {
            lock (_gate)
                return _erasures;
        }
    }

    /// <summary>Those that a checkpoint makes superfluous, once it is durable.</summary>
    /// <param name="partitions">How far the checkpoint is.</param>
    /// <param name="known">Those that came before its cut: what the joins kept then has no events of theirs. As far as a later one it may be, and still have them.</param>
    public static IReadOnlySet<JoinErasure> Superfluous(IReadOnlyList<PartitionCheckpoint> partitions, IReadOnlyList<JoinErasure> known) =>
        known.Where(erasure => erasure.IsPassed(partitions)).ToHashSet<JoinErasure>(ReferenceEqualityComparer.Instance);

    /// <summary>Forgets erasures.</summary>
    public void Drop(IReadOnlySet<JoinErasure> erasures)
    {
        lock (_gate)
            _erasures = [.. _erasures.Where(erasure => !erasures.Contains(erasure))];
    }

    /// <summary>Takes in what the record has. After the joins' blocks, and the positions that go with them.</summary>
    public void Restore(IReadOnlyList<JoinErasure> erasures)
    {
        lock (_gate)
            _erasures = [.. erasures];
        _unsettled = [.. erasures];
        Settle();
    }

    /// <summary>Takes an entity's events out, or has them kept apart where they are still to come again.</summary>
    /// <returns>Whether the record needs it: the entity's events may be in joins.</returns>
    /// <exception cref="EraseException">It was erased too often since the newest checkpoint.</exception>
    public bool Add(EntityPlan entity, ReadOnlyMemory<byte> key)
    {
        if (!plan.Project.Joins.Any(join => join.HasOwner(entity.Index)))
            return false;
        var erasure = new JoinErasure(
            entity.Name, key.ToArray(), Passes.FeedersOf(plan.Project, entity).ToDictionary(source => source.Definition.Kafka!.Topic, source => positions.NextOffsets(source.Index)));
        // An earlier erasure of the entity stays: what was read between the two made no pair with what came before both.
        lock (_gate)
        {
            List<JoinErasure> others = [.. _erasures.Where(other => !other.IsRepeatedBy(erasure))];
            if (others.Count(other => other.IsOf(entity.Name, key.Span)) >= EraseException.ErasuresMax)
                throw EraseException.TooMany();
            _erasures = [.. others, erasure];
        }

        _unsettled = [.. _unsettled.Where(other => !other.IsRepeatedBy(erasure)), erasure];
        Settle();
        return true;
    }

    /// <summary>Takes the events out of erasures that have nothing left to keep out.</summary>
    public void Settle()
    {
        if (_unsettled.Count == 0)
            return;
        var settled = _unsettled.Where(erasure => plan.Project.TopicSources.All(source =>
            !erasure.NextOffsets.TryGetValue(source.Definition.Kafka!.Topic, out var next) || positions.HasReached(source.Index, next))).ToList();
        _unsettled = [.. _unsettled.Except(settled)];
        foreach (var erasure in settled)
        {
            if (plan.Entity(erasure.Entity) is not { } entity)
                continue;
            foreach (var join in plan.Project.Joins.Where(join => join.HasOwner(entity.Index)))
                joins.EraseJoined(join.Index, (in JoinEvent one) => join.IsOf(one, entity, erasure.Key) && erasure.KeepsOut(join, one));
        }
    }

    /// <summary>A partition begins anew: nothing of it is kept out.</summary>
    public void Recreate(string topic, int partition)
    {
        lock (_gate)
            _erasures = [.. _erasures.Select(erasure => erasure.Without(topic, partition))];
        _unsettled = [.. _unsettled.Select(erasure => erasure.Without(topic, partition))];
    }

    /// <summary>Which events were erased before another was read; null: none was.</summary>
    public JoinPairRule? RuleOf(JoinPlan join)
    {
        if (_unsettled.Count == 0)
            return null;
        var erasures = _unsettled.Select(erasure => (Erasure: erasure, Entity: plan.Entity(erasure.Entity))).Where(pair => pair.Entity is not null && join.HasOwner(pair.Entity.Index)).ToList();
        return (in JoinEvent one, in JoinEvent other) =>
        {
            foreach (var (erasure, entity) in erasures)
            {
                if (erasure.KeepsOut(join, one) && !erasure.KeepsOut(join, other) && join.IsOf(one, entity!, erasure.Key))
                    return true;
            }

            return false;
        };
    }
}
