using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using FeatureStore.Runtime.Tests;

namespace FeatureStore.Grains.Tests;

/// <summary>
/// A stream through a cluster, as ingest drives it: apply, publish after a while, checkpoint; after the owner is gone, from S in silence to P. Every
/// vector that is published must be that of an undisturbed run, to the bit, and every block in the end. No durable block may hold an event beyond P, at any time.
/// </summary>
internal sealed class DisturbedStream : IDisposable
{
    private readonly Random _random;
    private readonly StreamCase _case;
    private readonly List<string> _expected = [];
    private readonly Dictionary<(int Entity, string Key), byte[]> _blocks;
    private readonly List<(int Batch, TaskCompletionSource Published)> _waiters = [];
    private readonly string _name;
    private int _published;
    private int _next;

    /// <summary>The newest batch that was ever applied.</summary>
    private int _reached = -1;

    public DisturbedStream(int seed, int silos, int batches, OrleansRuntimeOptions? options = null)
        : this(new PlainCase(seed, batches), seed, silos, options)
    {
    }

    public DisturbedStream(StreamCase of, int seed, int silos, OrleansRuntimeOptions? options = null)
    {
        _case = of;
        _name = $"seed {seed}, {silos} silos";
        Console.WriteLine(_name);
        _random = new Random(seed);
        using (var undisturbed = new LocalRuntime(of.Plan, new LocalRuntimeOptions { Shards = 1 }))
        {
            for (var batch = 0; batch < of.Count; batch++)
            {
                if (of.Erases(batch))
                    of.Erase(undisturbed, batch);
                _expected.Add(of.Apply(undisturbed, batch));
            }

            _blocks = undisturbed.Read(of.Entities());
        }

        Storage.BeforeWrite = CheckNotBeyondPublished;
        Cluster = Cluster.Start(silos, Storage, options ?? new OrleansRuntimeOptions
        {
            // As often as it goes, or hardly ever: on a fast machine the whole stream takes some hundredths of a second.
            WriteBehind = TimeSpan.FromMilliseconds(seed % 2 == 0 ? 0 : 20),
            WriteBehindMin = TimeSpan.Zero,
            Placement = Placement.EntityPlacementPreference.Even,
        }, of.Plan, silosDie: true);
        TakeOver(0);
    }

    public SharedStorage Storage { get; } = new();

    public Cluster Cluster { get; }

    public OrleansRuntime Runtime { get; private set; } = null!;

    public GrainCheckpoints Checkpoints { get; private set; } = null!;

    /// <summary>Batches applied so far.</summary>
    public int Next => _next;

    public int Published => _published;

    public int Count => _case.Count;

    /// <summary>The owner's.</summary>
    public long Term => OwnerRecord.Read(Storage.Records(ClusterNames.CheckpointState).Single().Bytes).Term;

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
        if (_reached < _next && _case.Erases(_reached = _next))
        {
            // What was read and not published comes again after a crash, and then finds the entity gone.
            Publish(_next);
            _case.Erase(Runtime, _next);
        }

        var actual = _case.Apply(Runtime, _next);
        if (_next >= _published)
            Assert.AreEqual(_expected[_next], actual, $"{_name}, batch {_next}");
        _next++;
        if (_next > _published && _random.Next(3) == 0)
            Publish(_published + 1 + _random.Next(_next - _published));
        if (Checkpoints.IsDue && _random.Next(3) == 0)
            Checkpoints.Begin("cluster", Partitions(), WhenPublished(_next));
    }

    /// <summary>Applies the rest, and compares every block as another silo sees it, then as it is stored.</summary>
    public void Finish()
    {
        while (_next < Count)
            Step();
        Save();
        Assert.IsNull(Violation);
        Assert.AreEqual(_next, Checkpoints.Last!.Partitions[0].NextOffset);
        Assert.AreEqual(0, Runtime.UnsavedBytes);
        foreach (var silo in Cluster.Silos)
            Runtimes.AssertSame(_blocks, Cluster.Service<OrleansRuntime>(silo).Read(_blocks.Keys));
        var stored = Storage.Records(ClusterNames.EntityState).Select(record => EntityRecord.Read(record.Bytes).Block.ToArray()).Where(block => block.Length > 0)
            .ToDictionary(block => (Core.Plans.EntityPlan.LayoutOf(block), Convert.ToHexString(Core.Plans.EntityPlan.Key(block))));
        foreach (var ((entity, key), block) in _blocks)
            Assert.IsTrue(block.AsSpan().SequenceEqual(stored.GetValueOrDefault((_case.Plan.Entities[entity].LayoutFingerprint, key), [])), $"{_name}: the stored block of {key} differs");
    }

    /// <summary>Publishes all that was applied, and has it durable.</summary>
    public void Save()
    {
        Publish(_next);
        Checkpoint();
    }

    /// <summary>Publishes all that was applied, and begins a checkpoint unless one is under way.</summary>
    public void BeginSaving()
    {
        Publish(_next);
        if (Checkpoints.CompleteAsync().IsCompleted)
            Checkpoints.Begin("cluster", Partitions(), Task.CompletedTask);
    }

    public void Dispose() => Cluster.Dispose();

    private void Checkpoint()
    {
        Checkpoints.CompleteAsync().Wait();
        Checkpoints.Begin("cluster", Partitions(), WhenPublished(_next));
        Checkpoints.CompleteAsync().Wait();
    }

    /// <summary>The next batch, and as of it the next record of each partition.</summary>
    private PartitionCheckpoint[] Partitions()
    {
        Dictionary<(string Topic, int Partition), long> next = [];
        for (var batch = 0; batch < _next; batch++)
        {
            var (source, events) = _case.Batch(batch);
            for (var row = 0; row < events.Count; row++)
                next[(_case.Plan.Sources[source].Definition.Kafka!.Topic, events[row].Partition)] = events[row].Offset + 1;
        }

        return [Partition("batches", 0, _next), .. next.Select(partition => Partition(partition.Key.Topic, partition.Key.Partition, partition.Value))];

        static PartitionCheckpoint Partition(string topic, int partition, long nextOffset) => new()
        {
            Topic = topic,
            Partition = partition,
            NextOffset = nextOffset,
            NewestMs = 0,
            WitnessOffset = -1,
            WitnessTimestampMs = -1,
            WitnessHash = 0,
            SeenIds = [1, 2, 3],
        };
    }

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
        var entity = EntityRecord.Read(record);
        if (_case.IsBeyond(AppliedOffsets.Read(entity.Offsets), Volatile.Read(ref _published)))
            Violation = $"{_name}: the record of {id} holds events beyond P, batch {_published}";
    }
}
