using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Tests;

namespace FeatureStore.Grains.Tests;

/// <summary>
/// A stream of both sources through a cluster, as ingest drives it: apply, publish after a while, checkpoint; after the owner is gone, from S in silence to P. Every
/// vector that is published must be that of an undisturbed run, to the bit, and every block in the end. No durable block may hold an event beyond P, at any time.
/// </summary>
internal sealed class DisturbedStream : IDisposable
{
    private const int EventsMax = 150;
    private readonly Random _random;
    private readonly List<TestBatch> _batches;
    private readonly List<double[]> _expected = [];
    private readonly PlainRuntime _plain = new(TestProject.Plan);
    private readonly List<(int Batch, TaskCompletionSource Published)> _waiters = [];
    private readonly string _name;
    private int _published;
    private int _next;

    public DisturbedStream(int seed, int silos, int batches, OrleansRuntimeOptions? options = null)
    {
        _name = $"seed {seed}, {silos} silos";
        Console.WriteLine(_name);
        _random = new Random(seed);
        _batches = [.. TestProject.Batches(seed, batches, EventsMax)];
        foreach (var batch in _batches)
        {
            _plain.Apply(batch);
            _expected.Add(batch.Values());
        }

        Storage.BeforeWrite = CheckNotBeyondPublished;
        Cluster = Cluster.Start(silos, Storage, options ?? new OrleansRuntimeOptions
        {
            WriteBehind = TimeSpan.FromMilliseconds(20),
            WriteBehindMin = TimeSpan.Zero,
            Placement = Placement.EntityPlacementPreference.Even,
        });
        TakeOver(0);
    }

    public SharedStorage Storage { get; } = new();

    public Cluster Cluster { get; }

    public OrleansRuntime Runtime { get; private set; } = null!;

    public GrainCheckpoints Checkpoints { get; private set; } = null!;

    /// <summary>Batches applied so far.</summary>
    public int Next => _next;

    public int Published => _published;

    public int Count => _batches.Count;

    /// <summary>What went wrong with a write, if anything did.</summary>
    public string? Violation { get; private set; }

    /// <summary>Makes another silo the owner, which goes back to S.</summary>
    public void TakeOver(int silo)
    {
        (Runtime, Checkpoints) = Cluster.Own(silo);
        _waiters.Clear();
        _next = (int)(Checkpoints.Last?.Partitions[0].NextOffset ?? 0);
        Assert.IsLessThanOrEqualTo(_published, _next, $"{_name}: S is beyond P");
    }

    /// <summary>Applies the next batch, and publishes and checkpoints now and then.</summary>
    public void Step()
    {
        var batch = _batches[_next];
        batch.ResetVectors();
        Runtime.Apply(batch);
        if (_next >= _published)
            CollectionAssert.AreEqual(_expected[_next], batch.Values(), $"{_name}, batch {_next}");
        _next++;
        if (_next > _published && _random.Next(3) == 0)
            Publish(_published + 1 + _random.Next(_next - _published));
        if (Checkpoints.IsDue && _random.Next(3) == 0)
            Checkpoints.Begin("cluster", Partitions(), WhenPublished(_next));
    }

    /// <summary>Applies the rest, and compares every block as another silo sees it, then as it is stored.</summary>
    public void Finish()
    {
        while (_next < _batches.Count)
            Step();
        Publish(_next);
        Checkpoints.CompleteAsync().Wait();
        Checkpoints.Begin("cluster", Partitions(), WhenPublished(_next));
        Checkpoints.CompleteAsync().Wait();
        Assert.IsNull(Violation);
        Assert.AreEqual(_next, Checkpoints.Last!.Partitions[0].NextOffset);
        Assert.AreEqual(0, Runtime.UnsavedBytes);
        foreach (var silo in Cluster.Silos)
            Runtimes.AssertSame(_plain.Blocks, Cluster.Service<OrleansRuntime>(silo).Read(_plain.Blocks.Keys));
        var stored = Storage.Records(ClusterNames.EntityState).Select(record => Block(record.Bytes)).ToDictionary(
            block => Convert.ToHexString(Core.Plans.EntityPlan.Key(block)), block => block);
        foreach (var ((_, key), block) in _plain.Blocks)
            Assert.IsTrue(block.AsSpan().SequenceEqual(stored[key]), $"{_name}: the stored block of {key} differs");
    }

    public void Dispose() => Cluster.Dispose();

    private static byte[] Block(byte[] record)
    {
        return EntityRecord.Read(record).Block.ToArray();
    }

    private PartitionCheckpoint[] Partitions() =>
    [
        new PartitionCheckpoint
        {
            Topic = "batches", Partition = 0, NextOffset = _next, NewestMs = 0, WitnessOffset = -1, WitnessTimestampMs = -1, WitnessHash = 0, SeenIds = [1, 2, 3],
        },
    ];

    private Task WhenPublished(int batch)
    {
        if (batch <= _published)
            return Task.CompletedTask;
        var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiters.Add((batch, waiter));
        return waiter.Task;
    }

    private void Publish(int batch)
    {
        Volatile.Write(ref _published, batch);
        foreach (var (_, published) in _waiters.FindAll(waiter => waiter.Batch <= batch))
            published.SetResult();
        _waiters.RemoveAll(waiter => waiter.Batch <= batch);
    }

    private void CheckNotBeyondPublished(string state, GrainId id, byte[] record)
    {
        if (state != ClusterNames.EntityState)
            return;
        var offsets = AppliedOffsets.Read(EntityRecord.Read(record).Offsets);
        var plan = new ClusterPlan(TestProject.Plan);
        foreach (var batch in _batches.Skip(Volatile.Read(ref _published)))
        {
            if (batch.Events.Count > 0 && offsets.Next(plan.SourceIds[batch.Apply.Source], 0, 0) > batch.Events[0].Offset)
                Violation = $"{_name}: the record of {id} holds events beyond P, batch {_published}";
        }
    }
}
