using FeatureStore.Ingest.Tests.Simulation;

namespace FeatureStore.Ingest.Tests.Pipeline;

[TestClass]
public sealed class AlignmentTests
{
    [TestMethod]
    public void Nobody_goes_before_the_ends_of_empty_partitions_are_known()
    {
        using var lanes = new LaneFixture(partitions: 3);
        lanes.Append(1, 0);
        Assert.IsEmpty(lanes.LetThrough());
        lanes.Lane.ProbeIdle();
        CollectionAssert.AreEqual(new[] { "1/0" }, lanes.LetThrough());
    }

    [TestMethod]
    public void One_waits_the_alignment_ahead_of_another_with_known_lag_however_long()
    {
        using var lanes = new LaneFixture(alignMs: 60_000);
        foreach (var seconds in new[] { 0, 59, 60, 61 })
            lanes.Append(0, seconds);
        lanes.Append(1, 0);
        lanes.Append(1, 100);
        lanes.Records.Stuck[1] = 1;
        var through = lanes.LetThrough();
        CollectionAssert.AreEquivalent(new[] { "0/0", "0/1", "1/0" }, through, "A record exactly the alignment ahead waits.");
        for (var round = 0; round < 100; round++)
        {
            lanes.Lane.ProbeIdle();
            lanes.Time.Advance(TimeSpan.FromSeconds(1));
            Assert.IsEmpty(lanes.LetThrough());
        }

        Assert.IsTrue(lanes[0].IsHeldBack);
        lanes.Records.Stuck.Clear();
        CollectionAssert.AreEqual(new[] { "0/2", "0/3", "1/1" }, lanes.LetThrough());
    }

    [TestMethod]
    public void A_partition_is_idle_only_while_its_end_is_fresh()
    {
        using var lanes = new LaneFixture();
        lanes.Append(0, 0);
        lanes.LetThrough();
        lanes.Lane.ProbeIdle();
        CollectionAssert.AreEqual(new[] { "0/0" }, lanes.LetThrough());
        lanes.Time.Advance(TimeSpan.FromMilliseconds(51));
        lanes.Append(0, 1);
        Assert.IsEmpty(lanes.LetThrough(), "The end of partition 1 was known a while ago only.");
        lanes.Append(1, 1);
        CollectionAssert.AreEqual(new[] { "0/1", "1/0" }, lanes.LetThrough());
    }

    [TestMethod]
    public void A_partition_whose_end_cannot_be_asked_holds_back()
    {
        using var lanes = new LaneFixture(partitions: 4);
        lanes.Append(0, 0);
        lanes.LetThrough();
        lanes.Records.Away.UnionWith([1, 2, 3]);
        var asked = lanes.Records.Questions;
        lanes.Lane.ProbeIdle();
        Assert.AreEqual(asked + 1, lanes.Records.Questions, "A broker that is away is asked once a round, or each partition would cost a time-out.");
        Assert.IsEmpty(lanes.LetThrough());
        lanes.Records.Away.Clear();
        lanes.Lane.ProbeIdle();
        Assert.HasCount(1, lanes.LetThrough());
    }

    [TestMethod]
    public void Nothing_is_asked_where_nobody_waits()
    {
        using var lanes = new LaneFixture();
        lanes.LetThrough();
        var asked = lanes.Records.Questions;
        lanes.Lane.ProbeIdle();
        Assert.AreEqual(asked, lanes.Records.Questions);
    }

    [TestMethod]
    public void A_strict_merge_goes_by_time_and_takes_equal_times_in_the_order_of_partitions_whatever_the_batches()
    {
        for (var recordsMax = 1; recordsMax < 8; recordsMax++)
        {
            using var lanes = new LaneFixture(partitions: 3, alignMs: 0, options: new IngestOptions { BatchRecordsMax = recordsMax });
            foreach (var (partition, seconds) in new[] { (2, 1), (0, 2), (1, 1), (1, 2), (0, 2), (2, 2), (1, 3), (0, 4), (2, 4) })
                lanes.Append(partition, seconds);
            List<string> through = [];
            for (var round = 0; round < 10; round++)
            {
                through.AddRange(lanes.LetThrough());
                lanes.Lane.ProbeIdle();
            }

            CollectionAssert.AreEqual(new[] { "1/0", "2/0", "0/0", "0/1", "1/1", "2/1", "1/2", "0/2", "2/2" }, through, $"Batches of {recordsMax}.");
        }
    }

    [TestMethod]
    public void Refused_records_hold_nobody_and_are_passed_at_once()
    {
        using var lanes = new LaneFixture();
        lanes.Broker.Partitions[1].Append(null, "no"u8.ToArray());
        lanes.Append(1, 0);
        lanes.Broker.Partitions[1].Append(null, "no"u8.ToArray());
        lanes.Append(0, 0);
        CollectionAssert.AreEquivalent(new[] { "0/0", "1/1" }, lanes.LetThrough());
        Assert.AreEqual(3, lanes[1].NextOffset);
    }

    [TestMethod]
    public void Refused_records_alone_are_passed_though_another_partition_is_unknown()
    {
        using var lanes = new LaneFixture();
        lanes.Broker.Partitions[1].Append(null, "no"u8.ToArray());
        lanes.Append(1, 0);
        lanes.Open();
        lanes.Records.Away.Add(0);
        Assert.IsEmpty(lanes.LetThrough());
        Assert.AreEqual(1, lanes[1].NextOffset);
    }

    [TestMethod]
    public void A_flood_of_refused_records_comes_in_bounded_batches()
    {
        using var lanes = new LaneFixture(partitions: 1, options: new IngestOptions { BatchRecordsMax = 10 });
        for (var index = 0; index < 100; index++)
            lanes.Broker.Partitions[0].Append(null, "no"u8.ToArray());
        lanes.Append(0, 0);
        for (var next = 0; next < 100;)
        {
            var batch = lanes.NewBatch();
            lanes.Lane.Fill(batch, silent: false);
            Assert.IsLessThanOrEqualTo(10, batch.RecordCount);
            Assert.HasCount(batch.RecordCount - batch.Events.Count, batch.Refused);
            lanes.Records.Release(batch.Handles);
            next += batch.RecordCount;
        }
    }

    [TestMethod]
    public void Huge_records_fill_a_batch_by_their_bytes()
    {
        using var lanes = new LaneFixture(partitions: 1, options: new IngestOptions { BatchBytesMax = 1000 });
        for (var index = 0; index < 10; index++)
            lanes.Broker.Partitions[0].Append(new byte[100], new byte[500]);
        var batch = lanes.NewBatch();
        while (batch.RecordCount == 0)
            lanes.Lane.Fill(batch, silent: false);
        Assert.IsLessThanOrEqualTo(2, batch.RecordCount, "The record that reaches the bound is the last.");
        lanes.Records.Release(batch.Handles);
    }

    [TestMethod]
    public void Time_is_merged_by_late_and_repeated_records_too_and_they_hold_nobody()
    {
        using var lanes = new LaneFixture(alignMs: 60_000);
        lanes.Append(0, 1000);
        lanes.Append(0, 1000 - (int)(Payments.LatenessMs / 1000) - 1);
        lanes.Append(0, 1000, id: 0);
        lanes.Append(0, 1001);
        lanes.Append(1, 1000);
        CollectionAssert.AreEquivalent(new[] { "0/0", "0/3", "1/0" }, lanes.LetThrough());
        Assert.AreEqual(4, lanes[0].NextOffset);
    }
}
