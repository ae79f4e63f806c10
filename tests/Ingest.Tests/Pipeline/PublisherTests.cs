using System.Text;
using FeatureStore.Ingest.Kafka;
using FeatureStore.Ingest.Pipeline;
using FeatureStore.Ingest.Tests.Simulation;
using FeatureStore.Runtime;
using Microsoft.Extensions.Logging.Abstractions;

namespace FeatureStore.Ingest.Tests.Pipeline;

[TestClass]
public sealed class PublisherTests : IDisposable
{
    private readonly ScriptedSink _sink = new();
    private readonly ManualTime _time = new();
    private readonly List<Exception> _failures = [];

    public void Dispose() => _sink.Dispose();

    [TestMethod]
    public void What_was_aborted_is_sent_again_in_its_order_before_anything_newer()
    {
        using var publisher = Make();
        Send(publisher, 1, "a");
        Send(publisher, 2, "b");
        _sink.Commits.Enqueue(() => throw new SinkAbortedException("first"));
        _sink.Commits.Enqueue(() => throw new SinkAbortedException("second"));
        var published = publisher.WhenPublished(2);
        Assert.IsTrue(publisher.PublishOnce());
        Send(publisher, 3, "c");
        publisher.PublishOnce();
        CollectionAssert.AreEqual(
            new[] { "begin", "a", "b", "commit in/0@2", "begin", "a", "b", "commit in/0@2", "begin", "a", "b", "commit in/0@2", "begin", "c", "commit in/0@3" },
            _sink.Calls);
        Assert.IsTrue(published.IsCompletedSuccessfully);
        Assert.IsFalse(publisher.PublishOnce());
    }

    [TestMethod]
    public void A_commit_without_an_answer_is_asked_for_again_and_nothing_is_sent_meanwhile()
    {
        using var publisher = Make();
        Send(publisher, 1, "a");
        string? trouble = null;
        _sink.Commits.Enqueue(() => throw new SinkPendingException("no answer"));
        _sink.Commits.Enqueue(() =>
        {
            trouble = publisher.Trouble;
            throw new SinkPendingException("no answer");
        });
        publisher.PublishOnce();
        CollectionAssert.AreEqual(new[] { "begin", "a", "commit in/0@1", "commit in/0@1", "commit in/0@1" }, _sink.Calls);
        Assert.AreEqual("no answer", trouble);
        Assert.IsNull(publisher.Trouble);
    }

    [TestMethod]
    public void WhenPublished_waits_for_the_commit_that_holds_the_batch()
    {
        using var publisher = Make();
        Assert.IsTrue(publisher.WhenPublished(0).IsCompleted, "Before the first batch all is published.");
        var (first, second) = (publisher.WhenPublished(1), publisher.WhenPublished(2));
        Send(publisher, 1, "a");
        _sink.Commits.Enqueue(() => Assert.IsFalse(first.IsCompleted));
        publisher.PublishOnce();
        Assert.IsTrue(first.IsCompletedSuccessfully);
        Assert.IsFalse(second.IsCompleted);
        Assert.IsTrue(publisher.WhenPublished(1).IsCompleted);
    }

    [TestMethod]
    public void A_transaction_ends_at_its_bytes()
    {
        using var publisher = Make(new IngestOptions { PublishBytesMax = 10 });
        Send(publisher, 1, "12345");
        Send(publisher, 2, "67890");
        Send(publisher, 3, "x");
        publisher.PublishOnce();
        publisher.PublishOnce();
        CollectionAssert.AreEqual(new[] { "begin", "12345", "67890", "commit in/0@2", "begin", "x", "commit in/0@3" }, _sink.Calls);
    }

    [TestMethod]
    public void Dead_letters_count_for_the_bytes_of_a_transaction()
    {
        using var publisher = Make(new IngestOptions { PublishBytesMax = 10 });
        var batch = publisher.Rent();
        batch.Sequence = 1;
        batch.AddDeadLetter("dead", new DeadLetterRecord(new byte[4], new byte[6], []));
        publisher.Send(batch, CancellationToken.None);
        Send(publisher, 2, "x");
        publisher.PublishOnce();
        Assert.AreEqual(1, publisher.Waiting);
    }

    [TestMethod]
    public void A_transaction_ends_at_the_interval_though_batches_go_on_coming()
    {
        using var publisher = Make(new IngestOptions { PublishInterval = TimeSpan.FromMilliseconds(100) });
        for (var sequence = 1; sequence <= 4; sequence++)
            Send(publisher, sequence, $"{sequence}");
        _sink.OnSend = () => _time.Advance(TimeSpan.FromMilliseconds(40));
        publisher.PublishOnce();
        CollectionAssert.AreEqual(new[] { "begin", "1", "2", "3", "commit in/0@3" }, _sink.Calls);
    }

    [TestMethod]
    public void A_batch_that_stays_alone_is_committed_after_the_interval()
    {
        using var publisher = Make(new IngestOptions { PublishInterval = TimeSpan.FromMilliseconds(5) });
        publisher.Start();
        Send(publisher, 1, "a");
        Deadline.Until(() => publisher.WhenPublished(1).IsCompleted, () => string.Join(", ", _sink.Calls));
    }

    [TestMethod]
    public void Sending_waits_where_too_much_is_under_way_and_nothing_is_lost()
    {
        using var publisher = Make(new IngestOptions { BatchesMax = 2, PublishBytesMax = 1 });
        using var held = new ManualResetEventSlim();
        _sink.Commits.Enqueue(held.Wait);
        publisher.Start();
        var sender = Task.Run(() =>
        {
            for (var sequence = 1; sequence <= 20; sequence++)
                Send(publisher, sequence, $"{sequence}");
        });
        Deadline.Until(() => publisher.Waiting == 2, () => $"{publisher.Waiting} wait");
        Assert.IsFalse(sender.IsCompleted);
        held.Set();
        Deadline.Ends(sender.Wait);
        Assert.IsTrue(publisher.Complete(TimeSpan.FromSeconds(60)), "All that was handed over is committed.");
        CollectionAssert.AreEqual(Enumerable.Range(1, 20).Select(sequence => $"{sequence}").ToList(), _sink.Calls.Where(call => char.IsDigit(call[0])).ToList());
    }

    [TestMethod]
    public void A_sender_that_waits_is_let_go_when_it_is_asked_to_stop()
    {
        using var publisher = Make(new IngestOptions { BatchesMax = 1 });
        using var stop = new CancellationTokenSource();
        Send(publisher, 1, "a");
        Exception? end = null;
        var sender = new Thread(() => end = Assert.ThrowsExactly<OperationCanceledException>(() => publisher.Send(publisher.Rent(), stop.Token))) { IsBackground = true };
        sender.Start();
        Deadline.Until(() => sender.ThreadState.HasFlag(ThreadState.WaitSleepJoin), () => $"it is {sender.ThreadState}");
        stop.Cancel();
        Deadline.Ends(sender.Join);
        Assert.IsNotNull(end);
    }

    [TestMethod]
    public void Ending_takes_no_longer_than_its_time_and_says_what_was_not_done()
    {
        var publisher = Make();
        _time.Advance(TimeSpan.FromHours(1));
        using var held = new ManualResetEventSlim();
        _sink.Commits.Enqueue(() =>
        {
            held.Wait();
            throw new OperationCanceledException();
        });
        publisher.Start();
        Send(publisher, 1, "a");
        Deadline.Until(() => _sink.Calls.Count == 3, () => string.Join(", ", _sink.Calls));
        Assert.IsFalse(publisher.Complete(TimeSpan.FromMilliseconds(20)));
        held.Set();
        Deadline.Ends(publisher.Stop);
        Assert.IsFalse(publisher.Complete(TimeSpan.Zero), "It has ended, and has not committed.");
        publisher.Dispose();
        Assert.IsEmpty(_failures);
    }

    [TestMethod]
    public void It_ends_while_a_transaction_is_aborted_again_and_again()
    {
        var publisher = new Publisher(_sink, new IngestOptions(), TimeProvider.System, NullLogger.Instance, _failures.Add);
        _sink.OnSend = () => throw new SinkAbortedException("away");
        publisher.Start();
        Send(publisher, 1, "a");
        Deadline.Until(() => publisher.Trouble is not null, () => "no trouble");
        Deadline.Ends(publisher.Dispose);
        Assert.IsEmpty(_failures);
    }

    [TestMethod]
    public void It_ends_while_a_commit_stays_without_an_answer()
    {
        var publisher = Make();
        _sink.Commits.Enqueue(StayAway);
        publisher.Start();
        Send(publisher, 1, "a");
        Deadline.Until(() => publisher.Trouble is not null, () => "no trouble");
        Deadline.Ends(publisher.Dispose);

        void StayAway()
        {
            _sink.Commits.Enqueue(StayAway);
            throw new SinkPendingException("no answer");
        }
    }

    [TestMethod]
    public void A_fenced_sink_is_the_end()
    {
        using var publisher = Make();
        _sink.Commits.Enqueue(() => throw new SinkFencedException("another instance"));
        publisher.Start();
        Send(publisher, 1, "a");
        Deadline.Until(() => _failures.Count > 0, () => "no failure");
        Assert.AreEqual("another instance", _failures.Single().Message);
        Deadline.Ends(() => Assert.IsFalse(publisher.Complete(TimeSpan.FromSeconds(60))));
    }

    [TestMethod]
    public void A_dead_letter_that_its_topic_does_not_take_is_cut_and_says_so()
    {
        using var publisher = Make();
        var batch = publisher.Rent();
        batch.Sequence = 1;
        var value = Enumerable.Range(0, 5000).Select(index => (byte)index).ToArray();
        batch.AddDeadLetter("dead", new DeadLetterRecord(null, value, [new("reason", [1])]));
        batch.AddDeadLetter("dead", new DeadLetterRecord(null, value[..100], [new("reason", [1])]));
        batch.AddDeadLetter("dead", new DeadLetterRecord(null, null, [new("reason", [1])]));
        _sink.Commits.Enqueue(() => throw new SinkAbortedException("too large") { IsRecordTooLarge = true });
        _sink.Commits.Enqueue(() => throw new SinkAbortedException("too large") { IsRecordTooLarge = true });
        publisher.Send(batch, CancellationToken.None);
        publisher.PublishOnce();
        var sent = _sink.DeadLetters.TakeLast(3).ToList();
        CollectionAssert.AreEqual(value[..1250], sent[0].Value);
        CollectionAssert.AreEqual(new[] { "reason", "value-bytes" }, sent[0].Headers.Select(header => header.Key).ToList());
        Assert.AreEqual("5000", Encoding.UTF8.GetString(sent[0].Headers[1].Value!));
        CollectionAssert.AreEqual(value[..100], sent[1].Value);
        Assert.HasCount(1, sent[1].Headers);
        Assert.IsNull(sent[2].Value);
    }

    [TestMethod]
    public void A_prediction_that_its_topic_does_not_take_is_an_error()
    {
        using var publisher = Make();
        Send(publisher, 1, "a");
        _sink.Commits.Enqueue(() => throw new SinkAbortedException("Topic \"predictions\" refused a record.") { IsRecordTooLarge = true });
        Assert.AreEqual(
            "Topic \"predictions\" refused a record. It is no dead letter, which could be cut: a prediction is larger than its topic takes. Raise the topic's max.message.bytes.",
            Assert.ThrowsExactly<IngestConfigurationException>(() => publisher.PublishOnce()).Message);
    }

    [TestMethod]
    public void Batches_are_reused()
    {
        using var publisher = Make();
        HashSet<OutgoingBatch> seen = new(ReferenceEqualityComparer.Instance);
        for (var sequence = 1; sequence <= 100; sequence++)
        {
            seen.Add(Send(publisher, sequence, "a"));
            publisher.PublishOnce();
        }

        Assert.HasCount(1, seen);
        Assert.AreEqual(100, _sink.Calls.Count(call => call == "a"));
    }

    private static OutgoingBatch Send(Publisher publisher, long sequence, string value)
    {
        var batch = publisher.Rent();
        batch.Sequence = sequence;
        batch.Positions.Add(("in", 0, sequence));
        Encoding.UTF8.GetBytes(value, batch.Reserve(100));
        batch.Add("out", value.Length, 0);
        publisher.Send(batch, CancellationToken.None);
        return batch;
    }

    private Publisher Make(IngestOptions? options = null) => new(_sink, options ?? new IngestOptions(), _time, NullLogger.Instance, _failures.Add);
}
