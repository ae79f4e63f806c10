using System.Diagnostics;
using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Payloads;
using FeatureStore.Grains.Persistence;
using FeatureStore.Grains.Slices;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Orleans.TestingHost;

namespace FeatureStore.Grains.Tests.Slices;

/// <summary>
/// A stream in slices on a cluster, under disturbances drawn from a seed. Each event must be predicted once, with its customer's values of an undisturbed run; no durable block may hold an event
/// beyond P; and in the end every feature must be that of the undisturbed run, to the bit.
/// </summary>
internal sealed class SlicedStream : IDisposable
{
    private const int Partitions = 6;

    /// <summary>Events that have arrived and are not predicted, while the test waits for something. However fast the machine, what the test does to the cluster meets a stream under way, and does not come after its end.</summary>
    private const int Arrived = 100;
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(180);

    private readonly string _name;
    private readonly Random _random;
    private readonly ClusterPlan _plan;
    private Dictionary<(int Entity, string Key), double[]> _features;
    private readonly List<(InProcessSiloHandle Silo, SliceMember Member)> _members = [];
    private readonly List<SliceMember> _ghosts = [];
    private readonly Action? _starting;
    private int _pipelines;
    private int _answers;
    private volatile int _lostPercent;

    public SlicedStream(int seed, int silos, int slices, int events = 1500, int pauseMs = 4, int joinWaitMs = 100, OrleansRuntimeOptions? options = null, Action? starting = null)
    {
        _starting = starting;
        _name = $"seed {seed}, {silos} silos, {slices} slices";
        Console.WriteLine(_name);
        _random = new Random(seed);
        _plan = new ClusterPlan(SlicedProject.Plan, slices);
        PauseMs = pauseMs;
        var log = SlicedProject.Log(seed, Partitions, events);
        (var vectors, _features) = SlicedProject.Expect(log);
        Topic = new SimulatedTopic(log, vectors);
        Storage.BeforeWrite = CheckNotBeyondPublished;
        Cluster = Cluster.Start(
            silos,
            silo =>
            {
                silo.Services.AddKeyedSingleton<Orleans.Storage.IGrainStorage>(ClusterNames.Storage, Storage);
                silo.AddOutgoingGrainCallFilter(LoseAnswersAsync);
            },
            options ?? new OrleansRuntimeOptions
            {
                WriteBehind = TimeSpan.FromMilliseconds(20),
                WriteBehindMin = TimeSpan.Zero,
                JoinWait = TimeSpan.FromMilliseconds(joinWaitMs),
                Placement = Placement.EntityPlacementPreference.Even,
            },
            SlicedProject.Plan, slices, silosDie: true);
        foreach (var silo in Cluster.Silos)
            Join(silo);
    }

    public SharedStorage Storage { get; } = new();

    public SimulatedTopic Topic { get; }

    public Cluster Cluster { get; }

    /// <summary>Longest pause of a slice after a batch; every third slice is slow, and takes ten times as long.</summary>
    public int PauseMs { get; }

    public int LostAnswers { get; private set; }

    public IReadOnlyList<(InProcessSiloHandle Silo, SliceMember Member)> Members => _members;

    /// <summary>Of calls that carry events, how many have their answers lost.</summary>
    public void LoseAnswers(int percent)
    {
        Topic.IsDisturbed = true;
        _lostPercent = percent;
    }

    /// <summary>The newest term.</summary>
    public long Term => OwnerRecord.Read(Storage.Records(ClusterNames.CheckpointState).Single().Bytes).Term;

    /// <summary>Number of the newest checkpoint.</summary>
    public long Checkpoint => Saved()?.Sequence ?? 0;

    public void Join(InProcessSiloHandle silo)
    {
        var member = Cluster.Service<SliceMember>(silo);
        member.Start(Open, _ => false);
        _members.Add((silo, member));
    }

    /// <summary>Ends a silo without a word. As a ghost its pipelines go on, until they are shut out.</summary>
    public void Kill(int index, bool leavesGhost)
    {
        Topic.IsDisturbed = true;
        var (silo, member) = _members[index];
        _members.RemoveAt(index);
        if (leavesGhost)
            _ghosts.Add(member);
        else
            member.DisposeAsync().AsTask().GetAwaiter().GetResult();
        Cluster.Kill(silo);
    }

    /// <summary>Has a silo hand its slices over, and leave.</summary>
    public void Drain(int index)
    {
        var (silo, member) = _members[index];
        _members.RemoveAt(index);
        Assert.IsTrue(member.StopAsync(_deadline).GetAwaiter().GetResult(), $"{_name}: a silo was not drained in time");
        Cluster.Stop(silo);
    }

    public void Until(Func<bool> condition, Func<string> saw)
    {
        var start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.IsNull(Topic.Violation, _name);
            if (Stopwatch.GetElapsedTime(start) > _deadline)
                Assert.Fail($"{_name}: {saw()}");
            Topic.Arrive(Arrived);
            Thread.Sleep(5);
        }
    }

    /// <summary>Erases a device at a cut. Expects of it what the events behind the cut make.</summary>
    public void Erase(int silo, string device)
    {
        var key = SlicedProject.KeyOf(SlicedProject.Device, Topic.Log.SelectMany(partition => partition).First(payment => payment.Device == device));
        AppliedOffsets? guards = null;
        Storage.BeforeWrite = (state, id, record) =>
        {
            CheckNotBeyondPublished(state, id, record);
            if (state == ClusterNames.EntityState && EntityRecord.Read(record).Block.IsEmpty)
                guards ??= AppliedOffsets.Read(EntityRecord.Read(record).Offsets);
        };
        Cluster.Service<OrleansRuntime>(Members[silo].Silo).EraseAsync(SlicedProject.Device, key, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        Assert.IsNotNull(guards, $"{_name}: the erased entity is not stored");
        Assert.IsTrue(Enumerable.Range(0, Partitions).Any(partition => guards.Next(_plan.SourceIds[0], partition, 0) > 0), $"{_name}: nothing is kept out");
        Payment[][] behind = [.. Topic.Log.Select((partition, number) => partition.Where(payment => payment.Device == device && payment.Offset >= guards.Next(_plan.SourceIds[0], number, 0)).ToArray())];
        _features = new(_features) { [(SlicedProject.Device, Convert.ToHexString(key))] = SlicedProject.Expect(behind, Topic.Log.SelectMany(partition => partition).Max(payment => payment.TimeMs)).Features.Single(entity => entity.Key.Entity == SlicedProject.Device).Value };
    }

    /// <summary>The place, among the members, of the silo that hosts the coordinator.</summary>
    public int Coordinator()
    {
        var grains = Cluster.Service<IGrainFactory>(0);
        var silo = grains.GetGrain<IManagementGrain>(0).GetActivationAddress(grains.GetGrain<ISliceCoordinatorGrain>(_plan.Project.Definition.Project)).AsTask().GetAwaiter().GetResult();
        return _members.FindIndex(member => member.Silo.SiloAddress.Equals(silo));
    }

    /// <summary>Waits until the slices are even. Then all silos have joined.</summary>
    public void UntilEven() => Until(
        () => _members.TrueForAll(member => member.Member.Slices.Count >= _plan.Slices / _members.Count) && _members.Sum(member => member.Member.Slices.Count) == _plan.Slices,
        () => "The slices are not even.");

    /// <summary>Waits until the slices are even, and then some events more of each partition are predicted: which part of their customers does not live where their partition is consumed.</summary>
    public double Misplaced(int events)
    {
        UntilEven();
        // What was applied in the term before is behind the first checkpoint of this one.
        var before = Checkpoint;
        Until(() => Checkpoint >= before + 2 || IsSaved(), () => $"Checkpoint {Checkpoint}.");
        var from = Enumerable.Range(0, Partitions).Select(Topic.Published).ToArray();
        var until = from.Index().Select(partition => Math.Min(partition.Item + events, Topic.Log[partition.Index].Length)).ToArray();
        Assert.IsTrue(from.Zip(until).All(partition => partition.First < partition.Second), $"{_name}: the stream is over");
        Until(() => until.Index().All(partition => Topic.Published(partition.Index) >= partition.Item), () => $"{Topic.Predicted} of {Topic.Events} events are predicted.");
        return _members.SelectMany(member => Enumerable.Range(0, Partitions).Where(partition => member.Member.Slices.Contains(partition % _plan.Slices)).SelectMany(partition =>
            Topic.Log[partition][(int)from[partition]..(int)until[partition]].DistinctBy(payment => payment.Customer).Select(payment =>
                Cluster.Service<EntityCells>(member.Silo).Find(EntityAddress.Of(SlicedProject.Plan.Entities[SlicedProject.Customer], SlicedProject.KeyOf(SlicedProject.Customer, payment))) is null ? 1.0 : 0)))
            .Average();
    }

    /// <summary>Waits until some events more are predicted.</summary>
    public void Advance(int events)
    {
        var until = Math.Min(Topic.Events, Topic.Predicted + events);
        Until(() => Topic.Predicted >= until, () => $"{Topic.Predicted} of {Topic.Events} events are predicted; {string.Join("; ", _members.Select(member => member.Member.Current.Detail ?? "goes on"))}");
    }

    /// <summary>Reads to the end, has all silos leave, and compares.</summary>
    public void Finish()
    {
        Advance(int.MaxValue / 2);
        _lostPercent = 0;
        Until(IsSaved, () => $"S is {string.Join(", ", Saved()?.Partitions.Select(partition => partition.NextOffset) ?? [])}");
        foreach (var (_, member) in _members)
            Assert.IsTrue(member.StopAsync(_deadline).GetAwaiter().GetResult(), $"{_name}: a silo was not drained in time");
        Assert.IsNull(Topic.Violation, _name);
        Assert.IsTrue(IsSaved(), $"{_name}: S went back");
        foreach (var silo in Cluster.Silos)
            Compare(SlicedProject.Features(Topic.Log, Cluster.Service<OrleansRuntime>(silo)));
        foreach (var (_, bytes) in Storage.Records(ClusterNames.EntityState))
            Compare(EntityRecord.Read(bytes).Block);
    }

    public void Dispose()
    {
        foreach (var member in _members.Select(member => member.Member).Concat(_ghosts))
            member.DisposeAsync().AsTask().GetAwaiter().GetResult();
        Cluster.Dispose();
    }

    private CheckpointHeader? Saved() => OwnerRecord.Read(Storage.Records(ClusterNames.CheckpointState).Single().Bytes).Header;

    private bool IsSaved() => Saved() is { Partitions.Count: Partitions } saved && saved.Partitions.All(partition => partition.NextOffset == Topic.Log[partition.Partition].Length);

    private SimulatedPipeline Open(SlicePorts ports)
    {
        var number = Interlocked.Increment(ref _pipelines);
        return new SimulatedPipeline(ports, Topic, number, ports.Slice.Number % 3 == 2 ? 10 * PauseMs : PauseMs, _starting);
    }

    private void Compare(Dictionary<(int Entity, string Key), double[]> features)
    {
        foreach (var (key, expected) in _features)
            CollectionAssert.AreEqual(Lasting(key.Entity, expected), Lasting(key.Entity, features[key]), $"{_name}: features of {key}");
    }

    /// <summary>Values that do not depend on the order. Sessions do: what a slice sends again after a loss can be later than they allow.</summary>
    private double[] Lasting(int entity, double[] values)
    {
        var features = SlicedProject.Plan.Entities[entity].Features;
        return [.. values.Where((_, index) => !Topic.IsDisturbed || features[index % features.Count].Name != "sessions")];
    }

    private void Compare(ReadOnlySpan<byte> block)
    {
        var key = Convert.ToHexString(Core.Plans.EntityPlan.Key(block));
        var entity = SlicedProject.Plan.Entities.Single(entity => _features.ContainsKey((entity.Index, key)));
        var newestMs = Topic.Log.SelectMany(partition => partition).Max(payment => payment.TimeMs);
        var values = new double[entity.Features.Count];
        entity.Read(block, newestMs, [.. Enumerable.Range(0, values.Length)], values);
        CollectionAssert.AreEqual(Lasting(entity.Index, _features[(entity.Index, key)][..values.Length]), Lasting(entity.Index, values), $"{_name}: the stored block of {key}");
    }

    private async Task LoseAnswersAsync(IOutgoingGrainCallContext context)
    {
        // A silo that leaves can still take an answer with it. Hardly ever was it to several events of one entity, but then other slices' events go with it.
        if (context.InterfaceMethod.Name == nameof(IEntityGrain.RollBackAsync))
            Topic.IsDisturbed = true;
        await context.Invoke();
        if (_lostPercent == 0 || !Enumerable.Range(0, context.Request.GetArgumentCount()).Any(argument => context.Request.GetArgument(argument) is ApplyRequest or ApplyManyRequest))
            return;
        lock (_random)
        {
            if (++_answers * _lostPercent % 100 >= _lostPercent)
                return;
            LostAnswers++;
        }

        throw new TimeoutException("The answer is lost.");
    }

    private void CheckNotBeyondPublished(string state, GrainId id, byte[] record)
    {
        if (state != ClusterNames.EntityState)
            return;
        var offsets = AppliedOffsets.Read(EntityRecord.Read(record).Offsets);
        for (var partition = 0; partition < Partitions; partition++)
        {
            if (offsets.Next(_plan.SourceIds[0], partition, 0) is var next && next > Topic.Published(partition))
                Topic.Note($"the record of {id} holds events of partition {partition} up to {next}, beyond P {Topic.Published(partition)}");
        }
    }
}
