using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace FeatureStore.Grains.Tests.Slices;

/// <summary>Several pipelines consume one stream, on silos that come and go.</summary>
[TestClass]
public sealed class SlicedStreamTests
{
    [TestMethod]
    [DataRow(1, 1, 3)]
    [DataRow(2, 3, 3)]
    [DataRow(3, 3, 6)]
    public void Undisturbed_it_is_the_plain_run(int seed, int silos, int slices)
    {
        using var stream = new SlicedStream(seed, silos, slices, events: 900, pauseMs: 1, joinWaitMs: 1000);
        stream.UntilEven();
        stream.Advance(1);
        var term = stream.Term;
        CollectionAssert.AreEqual(Enumerable.Range(0, slices).ToList(), stream.Members.SelectMany(member => member.Member.Slices).Order().ToList());
        stream.Finish();
        Assert.AreEqual(1, term);
    }

    [TestMethod]
    [DataRow(4, 3, 6)]
    public void Answers_are_lost(int seed, int silos, int slices)
    {
        using var stream = new SlicedStream(seed, silos, slices, events: 900, pauseMs: 1, joinWaitMs: 1000);
        stream.LoseAnswers(2);
        stream.UntilEven();
        var term = stream.Term;
        stream.Finish();
        Console.WriteLine($"{stream.LostAnswers} answers were lost");
        Assert.IsGreaterThan(10, stream.LostAnswers);
        Assert.AreEqual(term, stream.Term - stream.Cluster.Silos.Count, "A lost answer begins no term; each silo that leaves does.");
    }

    [TestMethod]
    [DataRow(7, 3, 6)]
    public void An_entity_is_erased_as_of_a_cut(int seed, int silos, int slices)
    {
        using var stream = new SlicedStream(seed, silos, slices, 900);
        stream.LoseAnswers(1);
        stream.Advance(300);
        stream.Erase(1, "device 3");
        stream.Finish();
    }

    /// <summary>A silo leaves, maybe the one that divides the stream: slices move once, at a cut, and no vector lacks anything.</summary>
    [TestMethod]
    [DataRow(8, true)]
    [DataRow(12, false)]
    public void A_silo_leaves(int seed, bool isCoordinator) => Leave(seed, isCoordinator);

    [TestMethod]
    [TestCategory("Soak")]
    public void A_silo_leaves_many_times()
    {
        for (var seed = 200; seed < 300; seed++)
            Leave(seed, seed % 2 == 0);
    }

    /// <summary>A start waits for the broker, with its thread: one after the other, slices would stand still for the sum.</summary>
    [TestMethod]
    public void The_slices_of_a_silo_start_together()
    {
        using var all = new Barrier(4);
        var alone = 0;
        using var stream = new SlicedStream(9, 1, 4, events: 300, pauseMs: 1, starting: () => alone += all.SignalAndWait(TimeSpan.FromSeconds(20)) ? 0 : 1);
        stream.Finish();
        Assert.AreEqual(0, alone, "slices that started while others waited for them to");
    }

    /// <summary>What a move of slices takes counts from when they stop for it: the last cut, and two writes of the record, are a part of it.</summary>
    [TestMethod]
    public void The_gap_of_a_move_begins_at_its_cut()
    {
        var writing = TimeSpan.FromMilliseconds(100);
        List<double> gaps = [];
        using var stream = new SlicedStream(10, 3, 6, 400, pauseMs: 1);
        stream.UntilEven();
        stream.Advance(100);
        var check = stream.Storage.BeforeWrite!;
        stream.Storage.BeforeWrite = (state, id, record) =>
        {
            check(state, id, record);
            if (state == ClusterNames.CheckpointState)
                Thread.Sleep(writing);
        };
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, to) =>
        {
            if (instrument.Name == "featurestore.grains.slices.gap")
                to.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<double>((_, seconds, _, _) =>
        {
            lock (gaps)
                gaps.Add(seconds);
        });
        listener.Start();
        stream.Drain(0);
        stream.Until(() => Longest() > 0, () => "no gap is told");
        Assert.IsGreaterThanOrEqualTo(2 * writing.TotalSeconds * 0.99, Longest());
        stream.Storage.BeforeWrite = check;
        stream.Finish();

        double Longest()
        {
            lock (gaps)
                return gaps.DefaultIfEmpty().Max();
        }
    }

    /// <summary>Where slices move at a cut, those that stay go on from what they know: none of their entities is looked for again.</summary>
    [TestMethod]
    public void A_slice_that_stays_knows_its_entities()
    {
        using var stream = new SlicedStream(11, 2, 6, 3600, options: new OrleansRuntimeOptions
        {
            // An entity that was not called for some intervals is forgotten.
            WriteBehind = TimeSpan.FromMilliseconds(200),
            WriteBehindMin = TimeSpan.Zero,
            JoinWait = TimeSpan.FromMilliseconds(100),
        });
        stream.Misplaced(100);
        var before = stream.Members.Select(member => member.Member.Slices).ToList();
        ConcurrentDictionary<string, bool> loaded = [];
        stream.Storage.BeforeRead = id =>
        {
            loaded[id.Key.ToString()!] = true;
            return Task.CompletedTask;
        };
        stream.Join(stream.Cluster.Add());
        stream.Misplaced(50);
        for (var member = 0; member < before.Count; member++)
        {
            var stayed = before[member].Intersect(stream.Members[member].Member.Slices).ToList();
            Assert.IsNotEmpty(stayed);
            foreach (var payment in stream.Topic.Log.Where((_, partition) => stayed.Contains(partition)).SelectMany(partition => partition).DistinctBy(payment => payment.Customer))
            {
                var address = EntityAddress.Of(SlicedProject.Plan.Entities[SlicedProject.Customer], SlicedProject.KeyOf(SlicedProject.Customer, payment));
                Assert.IsFalse(loaded.ContainsKey(address), $"{address} of slice {payment.Partition} was loaded again");
            }
        }

        foreach (var payment in stream.Topic.Log.Where((_, partition) => stream.Members[2].Member.Slices.Contains(partition)).SelectMany(partition => partition))
            Assert.IsTrue(loaded.ContainsKey(EntityAddress.Of(SlicedProject.Plan.Entities[SlicedProject.Customer], SlicedProject.KeyOf(SlicedProject.Customer, payment))), "What moved is not seen to be loaded.");
        stream.Finish();
    }

    /// <summary>Slices move to a silo that joins, and back when it leaves; the entities of their partitions follow.</summary>
    [TestMethod]
    public void Entities_follow_their_slice()
    {
        using var stream = new SlicedStream(9, 2, 6, 3600, pauseMs: 4, options: new OrleansRuntimeOptions
        {
            WriteBehind = TimeSpan.FromMilliseconds(20),
            WriteBehindMin = TimeSpan.Zero,
            JoinWait = TimeSpan.FromMilliseconds(100),
        });
        // Of some the move may come to nothing; where they did not follow, two of three would be elsewhere.
        Assert.IsLessThan(0.1, stream.Misplaced(50));
        stream.Join(stream.Cluster.Add());
        Assert.IsLessThan(0.1, stream.Misplaced(50), "after a silo joined");
        stream.Drain(2);
        Assert.IsLessThan(0.1, stream.Misplaced(50), "after it left");
        stream.Finish();
    }

    [TestMethod]
    public void Joins_are_refused()
    {
        var plan = FeatureStore.Runtime.Tests.JoinCase.Plan(FeatureStore.Core.Definitions.JoinUnmatched.None, 10);
        var error = Assert.ThrowsExactly<ArgumentException>(() => new ClusterPlan(plan, 3));
        StringAssert.Contains(error.Message, "is a join: its two sides must be consumed by one pipeline, and 3 slices of the stream are 3 pipelines.");
        Assert.AreNotEqual(new ClusterPlan(SlicedProject.Plan, 3).Fingerprint, new ClusterPlan(SlicedProject.Plan, 2).Fingerprint, "Silos of different slices must not understand each other.");
    }

    /// <summary>Silos die, as ghosts that go on or at once; others leave, and come.</summary>
    [TestMethod]
    [DataRow(5, 3, 6)]
    [DataRow(6, 3, 4)]
    public void Silos_come_and_go(int seed, int silos, int slices) => ComeAndGo(seed, silos, slices, 1200, 3);

    [TestMethod]
    [TestCategory("Soak")]
    public void Silos_come_and_go_many_times()
    {
        for (var seed = 100; seed < 112; seed++)
            ComeAndGo(seed, 3, 3 + seed % 4, 6000, 12);
    }

    private static void Leave(int seed, bool isCoordinator)
    {
        using var stream = new SlicedStream(seed, 3, 4, 1200, pauseMs: 6, joinWaitMs: 300);
        stream.UntilEven();
        stream.Advance(150);
        var term = stream.Term;
        stream.Drain((stream.Coordinator() + (isCoordinator ? 0 : 1)) % 3);
        var saved = stream.Checkpoint;
        stream.Until(() => stream.Checkpoint > saved + 1, () => $"checkpoint {stream.Checkpoint}, {stream.Topic.Predicted} of {stream.Topic.Events} predicted");
        Assert.AreEqual(term + 1, stream.Term);
        stream.Finish();
    }

    private static void ComeAndGo(int seed, int silos, int slices, int events, int disturbances)
    {
        using var stream = new SlicedStream(seed, silos, slices, events);
        var random = new Random(seed);
        stream.LoseAnswers(1);
        for (var number = 0; number < disturbances; number++)
        {
            stream.Advance(random.Next(events / (disturbances + 1)) + 1);
            var kind = random.Next(4);
            Console.WriteLine($"{stream.Topic.Predicted} predicted, term {stream.Term}, {stream.Members.Count} members: {new[] { "kill", "ghost", "drain", "add" }[kind]}");
            switch (kind)
            {
                case 0 or 1 when stream.Members.Count > 1:
                    stream.Kill(random.Next(stream.Members.Count), kind == 1);
                    break;
                case 2 when stream.Members.Count > 1:
                    stream.Drain(random.Next(stream.Members.Count));
                    break;
                default:
                    stream.Join(stream.Cluster.Add());
                    break;
            }
        }

        stream.Finish();
        Assert.IsGreaterThan(2, stream.Term);
    }
}
