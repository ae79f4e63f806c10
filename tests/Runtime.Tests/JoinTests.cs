using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime.Local;
using static FeatureStore.Runtime.Tests.JoinCase;

namespace FeatureStore.Runtime.Tests;

/// <summary>Impressions and clicks, joined; held against an oracle that keeps all events and looks at each pair.</summary>
[TestClass]
public sealed class JoinTests
{
    /// <summary>Of each key a side keeps its newest events only; what had no partner leaves as such.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void TheOldestGoBeyondTheLimit(int shards)
    {
        for (var seed = 11; seed <= 16; seed++)
        {
            var plan = Plan(JoinUnmatched.Both, 3);
            var oracle = new Oracle(JoinUnmatched.Both, 3);
            using var runtime = NewRuntime(plan, shards);
            foreach (var batch in Batches(plan, seed, 40))
                Assert.AreEqual(string.Join('\n', oracle.Apply(batch)), string.Join('\n', Apply(runtime, plan, batch)), $"seed {seed}");
            Assert.IsGreaterThan(20, oracle.Overflowed);
            CheckViews(plan, runtime, oracle);
        }
    }

    /// <summary>What is made of all events does not depend on how they are cut into batches, nor on which side is read first.</summary>
    [TestMethod]
    public void OrderOfArrivalMakesNoDifference()
    {
        for (var seed = 1; seed <= 5; seed++)
        {
            var plan = Plan(JoinUnmatched.Both, 1000);
            var random = new Random(seed);
            var events = Batches(plan, seed, 30).SelectMany(batch => Enumerable.Range(0, batch.Events.Count).Select(row => Event.Of(batch, row))).ToList();
            var inOrder = Outcome(events, 7);
            // Each event up to a time later than its place, so that none is later than the join waits.
            var disturbed = events.OrderBy(one => one.TimeMs + random.Next((int)(LatenessMs + AlignMs))).ToList();
            CollectionAssert.AreEqual(inOrder, Outcome(disturbed, 13), $"seed {seed}");
            CollectionAssert.AreEqual(inOrder, Outcome(disturbed, 1), $"seed {seed}");

            List<string> Outcome(List<Event> arrival, int batchEvents)
            {
                using var runtime = NewRuntime(plan, 2);
                List<string> made = [];
                foreach (var run in arrival.Chunk(batchEvents))
                {
                    foreach (var side in new[] { Impressions, Clicks })
                        made.AddRange(Apply(runtime, plan, Event.Batch(plan, side, run.Where(one => one.Side == side))));
                }

                // Positions are of the event that came later; without them the pairs are the same.
                return [.. made.Select(text => text.EndsWith("#u", StringComparison.Ordinal) ? text : text[..text.IndexOf(" at ", StringComparison.Ordinal)]).Order(StringComparer.Ordinal)];
            }
        }
    }

    /// <summary>Keys whose events have gone go too: from memory, and from what is saved.</summary>
    [TestMethod]
    public void NothingStaysOfKeysThatAreThrough()
    {
        var plan = Plan(JoinUnmatched.None, 1000);
        using var runtime = NewRuntime(plan, 2);
        var saved = new Dictionary<(int Entity, string Key), byte[]>();
        Save();
        var empty = runtime.Bytes;
        for (var user = 0; user < 1000; user++)
            Apply(runtime, plan, Event.Batch(plan, user % 2, [new Event(user % 2, TestProject.StartMs + user, 0, user, user, "ad", 1)]));
        Save();
        Assert.AreEqual(1000, saved.Keys.Count(block => block.Entity == plan.Entities.Count));
        foreach (var side in new[] { Impressions, Clicks })
            Apply(runtime, plan, Event.Batch(plan, side, [new Event(side, TestProject.StartMs + KeptMs + 2000, 0, 5000, -1, "other", 1)]));
        Save();
        Assert.AreEqual(1, saved.Keys.Count(block => block.Entity == plan.Entities.Count), "The key of the last two only.");
        Assert.IsLessThan(empty + 2000, runtime.Bytes);

        void Save()
        {
            runtime.BeginSnapshot();
            foreach (var (place, block) in Runtimes.BlocksOf(runtime.CopySnapshot(Runtimes.Header())))
            {
                if (block.Length == 0)
                    saved.Remove(place);
                else
                    saved[place] = block;
            }
        }
    }

    /// <summary>Any byte changed, or any cut, gives a sentence or a block that can be used, never a crash.</summary>
    [TestMethod]
    public void GarbledBlocksAreRefusedOrUsable()
    {
        var plan = Plan(JoinUnmatched.Both, 1000);
        using var runtime = NewRuntime(plan, 1);
        foreach (var batch in Batches(plan, 3, 6))
            Apply(runtime, plan, batch);
        runtime.BeginSnapshot();
        var block = Runtimes.BlocksOf(runtime.CopySnapshot(Runtimes.Header())).Where(block => block.Key.Entity == plan.Entities.Count).MaxBy(block => block.Value.Length).Value;
        var join = plan.Joins[0];
        Assert.IsNull(join.Check(block));
        for (var length = 0; length < block.Length; length++)
            Assert.IsNotNull(join.Check(block.AsSpan(0, length)), $"cut to {length}");
        var (random, refused, events) = (new Random(9), 0, new EventBatch(join.Source.Schema));
        for (var round = 0; round < 50_000; round++)
        {
            var garbled = block.ToArray();
            for (var change = random.Next(3); change >= 0; change--)
                garbled[random.Next(garbled.Length)] = (byte)random.Next(256);
            if (join.Check(garbled) is not null)
            {
                refused++;
                continue;
            }

            events.Clear();
            join.Expire(garbled, long.MaxValue, events);
            for (var row = 0; row < events.Count; row++)
                _ = Text(join.Source, events, row, plan);
        }

        Assert.IsGreaterThan(5000, refused);
    }

    [TestMethod]
    public void JoiningAllocatesNothing()
    {
        var plan = Plan(JoinUnmatched.Both, 50);
        using var runtime = NewRuntime(plan, 1);
        var joined = new EventBatch(plan.Sources[Joined].Schema);
        var batches = new[] { Impressions, Clicks }.Select(side =>
        {
            var events = Event.Batch(plan, side, Enumerable.Range(0, 200).Select(index => new Event(side, TestProject.StartMs + index, 0, index, index % 20, "ad", 1))).Events;
            return new ApplyBatch(side, events, [], [joined]);
        }).ToArray();
        var before = 0L;
        for (var round = 0; round < 30; round++)
        {
            if (round == 20)
                before = GC.GetAllocatedBytesForCurrentThread();
            foreach (var batch in batches)
            {
                for (var row = 0; row < batch.Events.Count; row++)
                    batch.Events[row].TimeMs += 7000;
                runtime.ApplyAsync(batch, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            }
        }

        Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.IsGreaterThan(0, joined.Count);
    }

    [TestMethod]
    public void BatchesForTheJoinedEventsMustBeGiven()
    {
        var plan = Plan(JoinUnmatched.None, 10);
        using var runtime = NewRuntime(plan, 1);
        var batch = Event.Batch(plan, Clicks, [new Event(Clicks, TestProject.StartMs, 0, 0, 1, "ad", 1)]);
        var exception = Assert.ThrowsExactly<ArgumentException>(() => runtime.ApplyAsync(new ApplyBatch(Clicks, batch.Events, []), CancellationToken.None).AsTask().Wait());
        StringAssert.StartsWith(exception.Message, "The source is a side of 1 joins, and 0 batches are given for their events.");
    }

    private static LocalRuntime NewRuntime(ProjectPlan plan, int shards) => new(plan, new LocalRuntimeOptions { Shards = shards });
}
