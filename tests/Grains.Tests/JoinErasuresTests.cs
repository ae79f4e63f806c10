using FeatureStore.Core.Definitions;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using FeatureStore.Runtime.Tests;

namespace FeatureStore.Grains.Tests;

[TestClass]
public sealed class JoinErasuresTests : IDisposable
{
    private readonly ClusterPlan _plan = new(JoinCase.Plan(JoinUnmatched.None, 10));
    private readonly SourcePositions _positions;
    private readonly Shard _joins;
    private readonly JoinErasures _erasures;

    public JoinErasuresTests()
    {
        _positions = new SourcePositions(_plan.Project.Sources.Count);
        _joins = new Shard(_plan.Project, 0, 1);
        _erasures = new JoinErasures(_plan, _positions, _joins);
    }

    public void Dispose() => _joins.Dispose();

    /// <summary>Nothing comes between a checkpoint and an erasure: the checkpoint is as far as the erasure, and its joins still have the events.</summary>
    [TestMethod]
    public void OnlyACheckpointThatWasCutLaterMakesOneSuperfluous()
    {
        PartitionCheckpoint[] saved = [.. _plan.Project.TopicSources.Select(source => new PartitionCheckpoint
        {
            Topic = source.Definition.Kafka!.Topic, Partition = 0, NextOffset = 5, NewestMs = 0, WitnessOffset = -1, WitnessTimestampMs = -1, WitnessHash = 0, SeenIds = [],
        })];
        var before = _erasures.Current;
        Erase(5);
        Assert.IsEmpty(JoinErasures.Superfluous(saved, before));
        Assert.HasCount(1, JoinErasures.Superfluous(saved, _erasures.Current));
        _erasures.Drop(JoinErasures.Superfluous(saved, _erasures.Current));
        Assert.IsEmpty(_erasures.Current);
    }

    /// <summary>What was read between two erasures of an entity made no pair with what came before the first, and makes none when both come again.</summary>
    [TestMethod]
    public void AnErasureThatIsRepeatedLaterKeepsTheFirst()
    {
        Erase(5);
        Erase(5);
        Assert.HasCount(1, _erasures.Current, "Nothing was read between the two.");
        Erase(8);
        CollectionAssert.AreEqual(new long[] { 5, 8 }, _erasures.Current.Select(erasure => erasure.NextOffsets["clicks"][0]).ToArray());
        for (var next = 9; _erasures.Current.Count < EraseException.ErasuresMax; next++)
            Erase(next);
        var exception = Assert.ThrowsExactly<EraseException>(() => Erase(1000));
        Assert.StartsWith("The entity has been erased 256 times since the newest checkpoint", exception.Message);
        Assert.HasCount(EraseException.ErasuresMax, _erasures.Current);
    }

    /// <summary>Erases a user once every topic has been read up to an offset.</summary>
    private void Erase(long nextOffset)
    {
        foreach (var source in _plan.Project.TopicSources)
            _positions.Advance(source.Index, 0, nextOffset);
        Assert.IsTrue(_erasures.Add(_plan.Project.Entities[0], new byte[8]));
    }
}
