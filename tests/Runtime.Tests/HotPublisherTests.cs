using System.Collections.Concurrent;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime.Local;
using Microsoft.Extensions.Logging.Abstractions;

namespace FeatureStore.Runtime.Tests;

[TestClass]
public sealed class HotPublisherTests : IAsyncDisposable
{
    private static readonly Guid _incarnation = Guid.CreateVersion7(DateTimeOffset.FromUnixTimeMilliseconds(TestProject.StartMs + 5));

    private readonly ManualTime _time = new();
    private readonly FakeHotStore _store = new();
    private LocalRuntime _runtime = Runtimes.New(2, tracksPublishing: true);
    private readonly PlainRuntime _plain = new(TestProject.Plan);
    private HotPublisher? _publisher;

    public async ValueTask DisposeAsync()
    {
        if (_publisher is not null)
            await _publisher.DisposeAsync();
        _runtime.Dispose();
    }

    [TestMethod]
    public void EveryChangedEntityIsPublishedAsItIs()
    {
        foreach (var batch in TestProject.Batches(1, 20, 100))
        {
            _runtime.Apply(batch);
            _plain.Apply(batch);
        }

        Start();
        Wait.Until(() => _store.Blocks.Count == _plain.Blocks.Count, "all are published");
        Runtimes.AssertSame(_plain.Blocks, _store.Blocks);
        Assert.AreEqual(0, _runtime.Unpublished);
        // However often it changed, each went once.
        Assert.AreEqual(_plain.Blocks.Count, _store.Published.Count);
        Assert.AreEqual(TestProject.StartMs + 5, _store.Incarnation);
        Assert.AreEqual(_runtime.StreamTimeMs(TestProject.Payments), _store.StreamTimesMs["payments"]);
        Assert.AreEqual(_runtime.StreamTimeMs(TestProject.Logins), _store.StreamTimesMs["logins"]);
    }

    [TestMethod]
    public void OnlyWhatChangedIsPublishedAgain()
    {
        Apply(1, 2);
        Start();
        Wait.Until(() => _store.Published.Count == 2, "both are published");
        Apply(2);
        Apply(2);
        Round();
        Wait.Until(() => _store.Published.Count == 3, "one more is published");
        Assert.AreEqual((2L, 3L), _store.Published[^1]);
        RoundTrip();
        Assert.HasCount(3, _store.Published);
    }

    /// <summary>First come, first served: entities that change all the time do not keep others waiting.</summary>
    [TestMethod]
    public void RoundsAreBoundedAndFair()
    {
        // A round's bound is shared among the shards.
        _runtime.Dispose();
        _runtime = Runtimes.New(1, tracksPublishing: true);
        var customers = Enumerable.Range(0, 100).Select(customer => (long)customer).ToArray();
        Apply(customers);
        Start(blocksPerRound: 10);
        for (var rounds = 1; _store.Published.Count < 100; rounds++)
        {
            Wait.Until(() => _store.Published.Count >= Math.Min(100, 10 * rounds), $"round {rounds} has published");
            Assert.HasCount(10 * rounds, _store.Published);
            // These are in every round, behind the others.
            Apply(0, 1, 2);
            Round();
        }

        CollectionAssert.AreEqual(customers, _store.Published.Take(100).Select(published => published.Customer).ToArray());
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void WhatCouldNotBePublishedIsPublishedLater(bool asATimeout)
    {
        _store.Failure = asATimeout ? new TaskCanceledException("time-out") : new IOException("connection lost");
        Apply(1, 2, 3);
        Start();
        RoundTrip();
        Assert.AreEqual(3, _runtime.Unpublished);
        Apply(2);
        _store.Failure = null;
        Round();
        Wait.Until(() => _store.Published.Count == 3, "all are published");
        CollectionAssert.AreEquivalent(new[] { (1L, 1L), (2L, 2L), (3L, 1L) }, _store.Published.ToArray());
        Assert.AreEqual(0, _runtime.Unpublished);
    }

    /// <summary>The stream times come first in a round: where they fail, no blocks were taken yet, and none is published twice.</summary>
    [TestMethod]
    public void AFailureBeforeTheBlocksAreTakenMarksNone()
    {
        Apply(1, 2);
        Start();
        Wait.Until(() => _store.Published.Count == 2, "both are published");
        _store.StreamTimeFailure = new IOException("connection lost");
        RoundTrip();
        Assert.AreEqual(0, _runtime.Unpublished);
    }

    [TestMethod]
    public void RestoredEntitiesArePublished()
    {
        var batch = TestProject.Batches(1, 1, 100).First();
        _plain.Apply(batch);
        _runtime.Restore(Runtimes.Header(), visit =>
        {
            foreach (var ((entity, key), block) in _plain.Blocks)
                visit(entity, Convert.FromHexString(key), block);
        });
        Start();
        Wait.Until(() => _store.Blocks.Count == _plain.Blocks.Count, "all are published");
        Runtimes.AssertSame(_plain.Blocks, _store.Blocks);
    }

    [TestMethod]
    public async Task ItStopsWhileTheStoreHangs()
    {
        _store.Hangs = true;
        Apply(1);
        Start();
        Wait.Until(() => _store.Attempts > 0, "it publishes");
        await _publisher!.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        _publisher = null;
    }

    private void Start(int blocksPerRound = 2000) => _publisher = new HotPublisher(
        TestProject.Plan, _runtime, _runtime.ToPublish, _store, _ => new(_incarnation), new HotPublisherOptions { BlocksPerRound = blocksPerRound }, _time, NullLogger<HotPublisher>.Instance);

    /// <summary>One more round begins, once the one before has ended.</summary>
    private void Round()
    {
        Wait.Until(() => _time.Waiting == 1, "the publisher has started");
        _time.Advance(0.05);
    }

    /// <summary>One more round ends, and none is under way.</summary>
    private void RoundTrip()
    {
        Wait.Until(() => _store.Rounds > 0, "the first round begins");
        var rounds = _store.Rounds;
        Round();
        Wait.Until(() => _store.Rounds > rounds, "a round begins");
        // It waits its turn.
        Assert.IsTrue(_publisher!.PublishAsync(CancellationToken.None).Wait(TimeSpan.FromSeconds(60)), "a round does not end");
    }

    private void Apply(params long[] customers)
    {
        var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
        foreach (var customer in customers)
            batch.Add(TestProject.StartMs, customer, null, 1);
        batch.ResetVectors();
        _runtime.Apply(batch);
        _plain.Apply(batch);
    }
}

/// <summary>Keeps what is published, or fails as it is told.</summary>
internal sealed class FakeHotStore : IHotStore
{
    private readonly Lock _gate = new();
    private readonly List<(long Customer, long Sequence)> _published = [];
    private volatile int _rounds;
    private volatile int _attempts;

    public Exception? Failure { get; set; }

    public Exception? StreamTimeFailure { get; set; }

    public bool Hangs { get; set; }

    public long Incarnation { get; private set; }

    /// <summary>Rounds begun: each begins with the first source's stream time.</summary>
    public int Rounds => _rounds;

    public int Attempts => _attempts;

    public ConcurrentDictionary<(int Entity, string Key), byte[]> Blocks { get; } = [];

    public ConcurrentDictionary<string, long> StreamTimesMs { get; } = [];

    /// <summary>In order. Devices have negative numbers.</summary>
    public IReadOnlyList<(long Customer, long Sequence)> Published
    {
        get
        {
            lock (_gate)
                return [.. _published];
        }
    }

    public async ValueTask PublishAsync(HotBlocks blocks, CancellationToken cancellationToken)
    {
        _attempts++;
        if (Hangs)
            await Task.Delay(Timeout.Infinite, cancellationToken);
        if (Failure is not null)
            throw Failure;
        lock (_gate)
        {
            Incarnation = blocks.Incarnation;
            for (var index = 0; index < blocks.Keys.Count; index++)
            {
                Assert.AreEqual(EntityPlan.Sequence(blocks.Blocks[index]), blocks.Sequences[index]);
                Assert.IsTrue(EntityPlan.Key(blocks.Blocks[index]).SequenceEqual(blocks.Keys[index]));
                Blocks[(blocks.Entity, Convert.ToHexString(blocks.Keys[index]))] = blocks.Blocks[index].ToArray();
                var customer = blocks.Entity == TestProject.Customer ? System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(blocks.Keys[index]) : -1 - index;
                _published.Add((customer, blocks.Sequences[index]));
            }
        }
    }

    public ValueTask GetAsync(int entity, BlockSet keys, BlockSet blocks, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask PublishStreamTimeAsync(string source, long streamTimeMs, CancellationToken cancellationToken)
    {
        if (source == "payments")
            _rounds++;
        if (StreamTimeFailure is not null)
            throw StreamTimeFailure;
        StreamTimesMs[source] = streamTimeMs;
        return ValueTask.CompletedTask;
    }

    public ValueTask<long> GetStreamTimeAsync(string source, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
