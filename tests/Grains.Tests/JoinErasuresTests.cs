using FeatureStore.Core.Definitions;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using FeatureStore.Runtime.Tests;

namespace FeatureStore.Grains.Tests;

[TestClass]
public sealed class JoinErasuresTests
{
    /// <summary>Nothing comes between a checkpoint and an erasure: the checkpoint is as far as the erasure, and its joins still have the events.</summary>
    [TestMethod]
    public void OnlyACheckpointThatWasCutLaterMakesOneSuperfluous()
    {
        var plan = new ClusterPlan(JoinCase.Plan(JoinUnmatched.None, 10));
        var positions = new SourcePositions(plan.Project.Sources.Count);
        using var joins = new Shard(plan.Project, 0, 1);
        var erasures = new JoinErasures(plan, positions, joins);
        PartitionCheckpoint[] saved = [.. plan.Project.TopicSources.Select(source => new PartitionCheckpoint
        {
            Topic = source.Definition.Kafka!.Topic, Partition = 0, NextOffset = 5, NewestMs = 0, WitnessOffset = -1, WitnessTimestampMs = -1, WitnessHash = 0, SeenIds = [],
        })];
        foreach (var source in plan.Project.TopicSources)
            positions.Advance(source.Index, 0, 5);
        var before = erasures.Current;
        Assert.IsTrue(erasures.Add(plan.Project.Entities.First(entity => plan.Project.Joins[0].HasOwner(entity.Index)), new byte[8]));
        Assert.IsEmpty(JoinErasures.Superfluous(saved, before));
        Assert.HasCount(1, JoinErasures.Superfluous(saved, erasures.Current));
        erasures.Drop(JoinErasures.Superfluous(saved, erasures.Current));
        Assert.IsEmpty(erasures.Current);
    }

    /// <summary>What was read between two erasures of an entity made no pair with what came before the first, and makes none when both come again.</summary>
    [TestMethod]
    public void AnErasureThatIsRepeatedLaterKeepsTheFirst()
    {
        var plan = new ClusterPlan(JoinCase.Plan(JoinUnmatched.None, 10));
        var positions = new SourcePositions(plan.Project.Sources.Count);
        using var joins = new Shard(plan.Project, 0, 1);
        var erasures = new JoinErasures(plan, positions, joins);
        var user = plan.Project.Entities[0];
        Erase(5);
        Erase(5);
        Assert.HasCount(1, erasures.Current, "Nothing was read between the two.");
        Erase(8);
        CollectionAssert.AreEqual(new long[] { 5, 8 }, erasures.Current.Select(erasure => erasure.NextOffsets["clicks"][0]).ToArray());
        for (var next = 9; erasures.Current.Count < EraseException.ErasuresMax; next++)
            Erase(next);
        var exception = Assert.ThrowsExactly<EraseException>(() => Erase(1000));
        Assert.StartsWith("The entity has been erased 256 times since the newest checkpoint", exception.Message);
        Assert.HasCount(EraseException.ErasuresMax, erasures.Current);

        void Erase(long nextOffset)
        {
            foreach (var source in plan.Project.TopicSources)
                positions.Advance(source.Index, 0, nextOffset);
            Assert.IsTrue(erasures.Add(user, new byte[8]));
        }
    }
}
