using FeatureStore.Ingest.Kafka;
using FeatureStore.Ingest.Tests.Simulation;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Tests.Pipeline;

/// <summary>Where a start goes on: S, P, the witness, and topics that are not what they were.</summary>
[TestClass]
public sealed class StartingPointsTests
{
    private const string Advice = "If it was recreated on purpose, start once with --accept-recreated-topics; or use an empty data directory and another project name.";

    [TestMethod]
    public void Goes_on_from_S_in_silence_up_to_the_P_of_each_partition()
    {
        using var lanes = Written(3, 6);
        (lanes.Broker.Published[(Payments.Topic, 0)], lanes.Broker.Published[(Payments.Topic, 2)]) = (4, 6);
        lanes.Open(false, LaneFixture.Saved(0, 2), LaneFixture.Saved(1, 3));
        CollectionAssert.AreEqual(new[] { 2L, 3, 0 }, lanes.Lane.Partitions.Select(partition => partition.NextOffset).ToList());
        CollectionAssert.AreEqual(new[] { 4L, 3, 6 }, lanes.Lane.Partitions.Select(partition => partition.Published).ToList());

        CollectionAssert.AreEquivalent(new[] { "0/2", "0/3", "2/0", "2/1", "2/2", "2/3", "2/4", "2/5" }, lanes.LetThrough(silent: true));
        Assert.IsTrue(lanes.Lane.IsCaughtUpWithPublished);
        lanes.Lane.ProbeIdle();
        CollectionAssert.AreEquivalent(new[] { "0/4", "0/5", "1/3", "1/4", "1/5" }, lanes.LetThrough());
    }

    [TestMethod]
    public void In_silence_a_partition_that_has_reached_P_holds_nobody_back()
    {
        using var lanes = new LaneFixture(alignMs: 1000);
        lanes.Append(0, 0);
        lanes.Append(1, 1000);
        lanes.Append(1, 1001);
        (lanes.Broker.Published[(Payments.Topic, 0)], lanes.Broker.Published[(Payments.Topic, 1)]) = (0, 2);
        lanes.Open();
        CollectionAssert.AreEqual(new[] { "1/0", "1/1" }, lanes.LetThrough(silent: true));
        Assert.IsTrue(lanes.Lane.IsCaughtUpWithPublished);
    }

    [TestMethod]
    [DataRow(1, DisplayName = "P is the offset after the last record of the run")]
    [DataRow(2, DisplayName = "P is inside the gap")]
    [DataRow(3, DisplayName = "P is the next record")]
    public void Offsets_that_are_no_records_do_not_keep_the_silence(int published)
    {
        using var lanes = new LaneFixture(partitions: 1);
        lanes.Append(0, 0);
        lanes.Broker.Partitions[0].AppendControl();
        lanes.Broker.Partitions[0].AppendControl();
        lanes.Append(0, 1);
        lanes.Broker.Published[(Payments.Topic, 0)] = published;
        CollectionAssert.AreEqual(new[] { "0/0" }, lanes.LetThrough(silent: true));
        Assert.IsTrue(lanes.Lane.IsCaughtUpWithPublished);
        CollectionAssert.AreEqual(new[] { "0/3" }, lanes.LetThrough());
    }

    [TestMethod]
    public void P_behind_the_last_record_is_reached_at_the_end()
    {
        using var lanes = new LaneFixture(partitions: 1);
        lanes.Append(0, 0);
        lanes.Broker.Partitions[0].AppendControl();
        lanes.Broker.Partitions[0].AppendControl();
        lanes.Broker.Published[(Payments.Topic, 0)] = 2;
        lanes.LetThrough(silent: true);
        Assert.IsTrue(lanes.Lane.IsCaughtUpWithPublished);
        Assert.AreEqual(3, lanes[0].Position, "What is no record is no lag.");
    }

    [TestMethod]
    public void Without_a_checkpoint_it_begins_with_what_the_topic_still_has()
    {
        using var lanes = Written(1, 6);
        lanes.Broker.Partitions[0].Records.RemoveRange(0, 2);
        lanes.Broker.Partitions[0].First = 2;
        lanes.Broker.Published[(Payments.Topic, 0)] = 5;
        lanes.Open();
        Assert.AreEqual(2, lanes[0].NextOffset);
        CollectionAssert.AreEqual(new[] { "0/2", "0/3", "0/4" }, lanes.LetThrough(silent: true));
    }

    [TestMethod]
    public void P_beyond_the_end_is_a_recreated_topic()
    {
        using var lanes = Written(1, 6);
        lanes.Broker.Published[(Payments.Topic, 0)] = 7;
        Refuses(lanes, [], "payments/0 ends at offset 6, before offset 7 that was read earlier: the topic was recreated. " + Advice);
        lanes.Open(acceptRecreated: true);
        Assert.AreEqual((0L, 0L), (lanes[0].NextOffset, lanes[0].Published), "The new topic is answered from its beginning.");
    }

    [TestMethod]
    public void S_beyond_the_end_is_a_recreated_topic()
    {
        using var lanes = Written(1, 6);
        lanes.Broker.Published[(Payments.Topic, 0)] = 5;
        Refuses(lanes, [LaneFixture.Saved(0, 8)], "payments/0 ends at offset 6, before offset 8 that was read earlier: the topic was recreated. " + Advice);
        lanes.Open(true, LaneFixture.Saved(0, 8));
        Assert.AreEqual((0L, 0L), (lanes[0].NextOffset, lanes[0].Published), "An old P says nothing about the new topic.");
    }

    [TestMethod]
    public void Fewer_partitions_are_a_recreated_topic()
    {
        using var lanes = Written(2, 1);
        Refuses(
            lanes, [LaneFixture.Saved(0, 1), LaneFixture.Saved(3, 1)],
            "Topic \"payments\" has 2 partitions, and the checkpoint was made from one with 4: the topic was recreated. " + Advice);
        lanes.Open(true, LaneFixture.Saved(0, 1), LaneFixture.Saved(3, 1));
    }

    [TestMethod]
    public void Records_that_are_gone_before_they_were_read_are_an_error()
    {
        using var lanes = Written(1, 6);
        lanes.Broker.Partitions[0].Records.RemoveRange(0, 4);
        lanes.Broker.Partitions[0].First = 4;
        lanes.Broker.Published[(Payments.Topic, 0)] = 5;
        Refuses(
            lanes, [LaneFixture.Saved(0, 3)],
            "payments/0 begins at offset 4, and the checkpoint needs it from 3: records are gone before they were read. " +
            "Keep records longer than the store may be down; to go on without them, start once with --accept-recreated-topics.");
        lanes.Open(true, LaneFixture.Saved(0, 3));
        Assert.AreEqual((4L, 5L), (lanes[0].NextOffset, lanes[0].Published), "It is the same topic: what was published stays so.");
    }

    [TestMethod]
    public void The_witness_is_looked_at_and_passed_over()
    {
        using var lanes = Written(1, 6);
        lanes.Broker.Published[(Payments.Topic, 0)] = 3;
        lanes.Open(false, LaneFixture.Saved(0, 3, lanes.Broker.Partitions[0].Records[2]));
        Assert.AreEqual(2, lanes[0].StartOffset);
        CollectionAssert.AreEqual(new[] { "0/3", "0/4", "0/5" }, lanes.LetThrough());
    }

    [TestMethod]
    [DataRow("value")]
    [DataRow("key")]
    [DataRow("time")]
    public void Another_record_in_the_witnesss_place_stops(string what)
    {
        using var lanes = Written(1, 6);
        var witness = lanes.Broker.Partitions[0].Records[2];
        lanes.Broker.Partitions[0].Records[2] = what switch
        {
            "value" => witness with { Value = "{}"u8.ToArray() },
            "key" => witness with { Key = [1] },
            _ => witness with { TimestampMs = witness.TimestampMs + 1 },
        };
        lanes.Open(false, LaneFixture.Saved(0, 3, witness));
        var exception = Assert.ThrowsExactly<EventSourceException>(() => lanes.LetThrough());
        Assert.AreEqual(
            "payments/0 is not the topic that the checkpoint was made from: the record at offset 2 is another. " +
            "If it was recreated on purpose, start once with --accept-recreated-topics, or with an empty data directory.",
            exception.Message);
    }

    [TestMethod]
    public void An_accepted_topic_with_another_record_is_read_and_answered_from_its_beginning()
    {
        using var lanes = Written(1, 6);
        var witness = lanes.Broker.Partitions[0].Records[2];
        lanes.Broker.Partitions[0].Records[2] = witness with { TimestampMs = 1 };
        lanes.Broker.Published[(Payments.Topic, 0)] = 4;
        lanes.Open(true, LaneFixture.Saved(0, 3, witness));
        CollectionAssert.AreEqual(Enumerable.Range(0, 6).Select(offset => $"0/{offset}").ToList(), lanes.LetThrough());
        Assert.AreEqual(0, lanes[0].Published);
        Assert.AreEqual(5, lanes[0].Witness.Offset);
    }

    [TestMethod]
    public void An_accepted_topic_that_is_the_same_goes_on()
    {
        using var lanes = Written(1, 6);
        lanes.Broker.Published[(Payments.Topic, 0)] = 3;
        lanes.Open(true, LaneFixture.Saved(0, 3, lanes.Broker.Partitions[0].Records[2]));
        CollectionAssert.AreEqual(new[] { "0/3", "0/4", "0/5" }, lanes.LetThrough());
    }

    [TestMethod]
    public void A_witness_that_retention_or_compaction_has_taken_is_not_missed()
    {
        using var retained = Written(1, 6);
        var witness = retained.Broker.Partitions[0].Records[2];
        retained.Broker.Partitions[0].Records.RemoveRange(0, 3);
        retained.Broker.Partitions[0].First = 3;
        retained.Open(false, LaneFixture.Saved(0, 3, witness));
        CollectionAssert.AreEqual(new[] { "0/3", "0/4", "0/5" }, retained.LetThrough());

        using var compacted = Written(1, 6);
        compacted.Broker.Partitions[0].Records.RemoveAt(2);
        compacted.Open(false, LaneFixture.Saved(0, 3, witness));
        CollectionAssert.AreEqual(new[] { "0/3", "0/4", "0/5" }, compacted.LetThrough());
    }

    /// <summary>Partitions with a number of payments each, at seconds 0, 1, 2 …</summary>
    private static LaneFixture Written(int partitions, int records)
    {
        var lanes = new LaneFixture(partitions);
        for (var index = 0; index < partitions * records; index++)
            lanes.Append(index % partitions, index / partitions);
        return lanes;
    }

    private static void Refuses(LaneFixture lanes, PartitionCheckpoint[] saved, string message) =>
        Assert.AreEqual(message, Assert.ThrowsExactly<IngestConfigurationException>(() => lanes.Open(false, saved)).Message);
}
