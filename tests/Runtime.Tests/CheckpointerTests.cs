using FeatureStore.Runtime.Local;
using Microsoft.Extensions.Logging.Abstractions;

namespace FeatureStore.Runtime.Tests;

[TestClass]
public sealed class CheckpointerTests : IDisposable
{
    private static readonly CheckpointOptions _options = new() { PausePerWork = 20, IntervalMin = TimeSpan.FromSeconds(1), IntervalMax = TimeSpan.FromSeconds(30) };

    private readonly ManualTime _time = new();
    private readonly FakeStore _store;
    private readonly LocalRuntime _runtime = Runtimes.New(2);
    private readonly PlainRuntime _plain = new(TestProject.Plan);

    public CheckpointerTests() => _store = new FakeStore(_time);

    public void Dispose()
    {
        _runtime.Dispose();
        _store.Dispose();
    }

    [TestMethod]
    public void TheFirstIsDueAfterTheLeastPause()
    {
        var checkpointer = New();
        Assert.IsFalse(checkpointer.IsDue);
        _time.Advance(0.999);
        Assert.IsFalse(checkpointer.IsDue);
        _time.Advance(0.001);
        Assert.IsTrue(checkpointer.IsDue);
        Assert.IsNull(checkpointer.Last);
        Assert.IsNull(checkpointer.Status);
    }

    [TestMethod]
    [DataRow(0.01, 1.0)]
    [DataRow(0.5, 10.0)]
    [DataRow(60.0, 30.0)]
    public void ThePauseFollowsTheTimeThatSavingTook(double saveSeconds, double pauseSeconds)
    {
        var checkpointer = New();
        _store.SaveSeconds = saveSeconds;
        Save(checkpointer);
        _time.Advance(pauseSeconds - 0.001);
        Assert.IsFalse(checkpointer.IsDue);
        _time.Advance(0.001);
        Assert.IsTrue(checkpointer.IsDue);
    }

    [TestMethod]
    public void ManyUnsavedBytesDoNotWait()
    {
        var checkpointer = New(_options with { UnsavedBytesMax = 1000 });
        ApplyOne(1);
        Assert.IsFalse(checkpointer.IsDue);
        for (var customer = 2; customer < 10; customer++)
            ApplyOne(customer);
        Assert.IsTrue(checkpointer.IsDue);
    }

    [TestMethod]
    public void NothingIsSavedBeforeItIsPublished()
    {
        var checkpointer = New();
        ApplyOne(1);
        var published = new TaskCompletionSource();
        checkpointer.Begin("cluster", [], published.Task);
        _time.Advance(3600);
        Assert.IsFalse(checkpointer.IsDue, "One is under way.");
        // The state goes on while it waits, and what it holds stays.
        var before = _plain.Blocks.ToDictionary(block => block.Key, block => block.Value.ToArray());
        ApplyOne(1);
        Assert.IsNull(_store.LoadHeader());
        Assert.IsFalse(checkpointer.CompleteAsync().IsCompleted);
        published.SetResult();
        Complete(checkpointer);
        Runtimes.AssertSame(before, _store.Blocks);
    }

    [TestMethod]
    public void HeadersAreNumberedAndSayAllThatIngestNeeds()
    {
        var checkpointer = New();
        Assert.AreEqual(7, checkpointer.Incarnation.Version);
        ApplyOne(1);
        var partition = new PartitionCheckpoint
        {
            Topic = "payments",
            Partition = 3,
            NextOffset = 17,
            NewestMs = 5,
            WitnessOffset = 16,
            WitnessTimestampMs = 4,
            WitnessHash = 9,
            SeenIds = [1, 2],
        };
        for (var sequence = 1; sequence <= 3; sequence++)
        {
            checkpointer.Begin("cluster", [partition], Task.CompletedTask);
            Complete(checkpointer);
            var header = _store.LoadHeader()!;
            Assert.AreSame(checkpointer.Last, header);
            Assert.AreEqual(sequence, header.Sequence);
            Assert.AreEqual(TestProject.Plan.LayoutFingerprint, header.LayoutFingerprint);
            Assert.AreEqual(checkpointer.Incarnation, header.Incarnation);
            Assert.AreEqual("cluster", header.ClusterId);
            Assert.AreSame(partition, header.Partitions.Single());
            Assert.AreEqual(TestProject.StartMs, header.StreamTimesMs["payments"]);
            Assert.AreEqual(long.MinValue, header.StreamTimesMs["logins"]);
            Assert.AreEqual(sequence, checkpointer.Status!.Sequence);
            // Only what changed is written.
            Assert.AreEqual(sequence == 1 ? _plain.Blocks.Values.Sum(block => (long)block.Length) : 0, checkpointer.Status.SizeBytes);
        }
    }

    [TestMethod]
    public void AFailingStoreIsTriedAgainAndLosesNothing()
    {
        var checkpointer = New();
        ApplyOne(1);
        _store.Failures.Enqueue(new IOException("disk full"));
        _store.Failures.Enqueue(new IOException("disk full"));
        checkpointer.Begin("cluster", [], Task.CompletedTask);
        var held = _plain.Blocks.ToDictionary(block => block.Key, block => block.Value.ToArray());
        foreach (var pauseSeconds in new[] { 2, 4 })
        {
            Wait.Until(() => _time.Waiting == 1, "it waits to try again");
            ApplyOne(2);
            Assert.IsNull(_store.LoadHeader());
            Assert.IsFalse(checkpointer.IsDue);
            _time.Advance(pauseSeconds - 0.001);
            Assert.AreEqual(1, _time.Waiting);
            _time.Advance(0.001);
        }

        Complete(checkpointer);
        Runtimes.AssertSame(held, _store.Blocks);
        // What changed meanwhile is in the next.
        Save(checkpointer);
        Runtimes.AssertSame(_plain.Blocks, _store.Blocks);
        Assert.AreEqual(2, checkpointer.Last!.Sequence);
    }

    [TestMethod]
    public void ThePauseBetweenAttemptsIsBounded()
    {
        var checkpointer = New();
        for (var failure = 0; failure < 20; failure++)
            _store.Failures.Enqueue(new IOException("disk full"));
        checkpointer.Begin("cluster", [], Task.CompletedTask);
        for (var failure = 0; failure < 20; failure++)
        {
            Wait.Until(() => _time.Waiting == 1, "it waits to try again");
            _time.Advance(30);
        }

        Complete(checkpointer);
    }

    /// <summary>The blocks of a checkpoint that is given up count as saved: one after it would be without them.</summary>
    [TestMethod]
    [DataRow("store", "broken")]
    [DataRow("publisher", "broken")]
    [DataRow("cancellation", "it was given up.")]
    public void NoCheckpointFollowsOneThatWasGivenUp(string by, string reason)
    {
        var checkpointer = New();
        ApplyOne(1);
        var failure = new InvalidOperationException("broken");
        if (by == "store")
            _store.Failures.Enqueue(failure);
        checkpointer.Begin("cluster", [], by switch
        {
            "publisher" => Task.FromException(failure),
            "cancellation" => Task.FromCanceled(new CancellationToken(true)),
            _ => Task.CompletedTask,
        });
        Wait.Until(() => checkpointer.CompleteAsync().IsCompleted, "the checkpoint ends");
        Assert.IsFalse(checkpointer.CompleteAsync().IsCompletedSuccessfully);
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => checkpointer.Begin("cluster", [], Task.CompletedTask));
        Assert.AreEqual($"A checkpoint could not be saved: {reason}", exception.Message);
        Assert.IsNull(_store.LoadHeader());
    }

    [TestMethod]
    public async Task ItEndsWhileItWaits()
    {
        var waiting = New();
        waiting.Begin("cluster", [], new TaskCompletionSource().Task);
        await waiting.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        var failing = New();
        _store.Failures.Enqueue(new IOException("disk full"));
        failing.Begin("cluster", [], Task.CompletedTask);
        Wait.Until(() => _time.Waiting == 1, "it waits to try again");
        await failing.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.IsNull(_store.LoadHeader());
    }

    [TestMethod]
    public void ARestoredRuntimeGoesOnFromTheCheckpoint()
    {
        var first = New();
        first.Restore();
        Assert.IsNull(first.Last);
        ApplyOne(1);
        Save(first);
        ApplyOne(2);
        Save(first);

        using var runtime = Runtimes.New(3);
        _time.Advance(1000);
        var second = new Checkpointer(TestProject.Plan, runtime, _store, _options, _time, NullLogger<Checkpointer>.Instance);
        Assert.AreNotEqual(first.Incarnation, second.Incarnation);
        second.Restore();
        Assert.AreEqual(first.Incarnation, second.Incarnation);
        Assert.AreEqual(2, second.Last!.Sequence);
        Assert.AreEqual(TestProject.StartMs, runtime.StreamTimeMs(TestProject.Payments));
        Runtimes.AssertSame(_plain.Blocks, runtime.Read(_plain.Blocks.Keys));
        Save(second);
        Assert.AreEqual(3, _store.LoadHeader()!.Sequence);
    }

    private Checkpointer New(CheckpointOptions? options = null) =>
        new(TestProject.Plan, _runtime, _store, options ?? _options, _time, NullLogger<Checkpointer>.Instance);

    private void ApplyOne(long customer)
    {
        var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
        batch.Add(TestProject.StartMs, customer, null, 1);
        batch.ResetVectors();
        _runtime.Apply(batch);
        _plain.Apply(batch);
    }

    private static void Save(Checkpointer checkpointer)
    {
        checkpointer.Begin("cluster", [], Task.CompletedTask);
        Complete(checkpointer);
    }

    private static void Complete(Checkpointer checkpointer)
    {
        Wait.Until(() => checkpointer.CompleteAsync().IsCompleted, "the checkpoint is saved");
        checkpointer.CompleteAsync().GetAwaiter().GetResult();
    }
}

/// <summary>Keeps checkpoints, or fails as it is told.</summary>
internal sealed class FakeStore(ManualTime time) : IEntityStore
{
    private volatile CheckpointHeader? _header;

    /// <summary>What the next saves throw.</summary>
    public Queue<Exception> Failures { get; } = [];

    /// <summary>How long a save takes.</summary>
    public double SaveSeconds { get; set; }

    public Dictionary<(int Entity, string Key), byte[]> Blocks { get; } = [];

    public Dictionary<(int Entity, string Key), Tombstone> Tombstones { get; } = [];

    /// <summary>What the next erasures throw.</summary>
    public Queue<Exception> EraseFailures { get; } = [];

    public CheckpointHeader? LoadHeader() => _header;

    public void LoadBlocks(BlockVisitor visit)
    {
        foreach (var ((entity, key), block) in Blocks)
            visit(entity, Convert.FromHexString(key), block);
    }

    public IReadOnlyList<Tombstone> LoadTombstones() => [.. Tombstones.Values];

    public void Erase(IReadOnlyList<Tombstone> tombstones)
    {
        if (EraseFailures.TryDequeue(out var failure))
            throw failure;
        EraseNow(tombstones);
    }

    public void Save(Checkpoint checkpoint)
    {
        time.Advance(SaveSeconds);
        if (Failures.TryDequeue(out var failure))
            throw failure;
        if (checkpoint.ReplacesAll)
        {
            Blocks.Clear();
            Tombstones.Clear();
        }

        EraseNow(checkpoint.Erased);
        foreach (var tombstone in checkpoint.TombstonesChanged)
            Put(tombstone);
        foreach (var tombstone in checkpoint.TombstonesDropped)
            Tombstones.Remove((tombstone.Entity, Convert.ToHexString(tombstone.Key)));
        for (var index = 0; index < checkpoint.Keys.Count; index++)
        {
            var id = (checkpoint.Entities[index], Convert.ToHexString(checkpoint.Keys[index]));
            if (checkpoint.Blocks[index].IsEmpty)
                Blocks.Remove(id);
            else
                Blocks[id] = checkpoint.Blocks[index].ToArray();
        }

        _header = checkpoint.Header;
    }

    public void Dispose()
    {
    }

    private void EraseNow(IReadOnlyList<Tombstone> tombstones)
    {
        foreach (var tombstone in tombstones)
        {
            Blocks.Remove((tombstone.Entity, Convert.ToHexString(tombstone.Key)));
            Put(tombstone);
        }
    }

    private void Put(Tombstone tombstone)
    {
        var id = (tombstone.Entity, Convert.ToHexString(tombstone.Key));
        if (!Tombstones.TryGetValue(id, out var kept) || kept.Sequence <= tombstone.Sequence)
            Tombstones[id] = tombstone;
    }
}
