using System.Globalization;
using System.Text;
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

    /// <summary>What is made of all events does not depend on how they are cut into batches, nor on the order in which the alignment lets them through.</summary>
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
                for (var at = 0; at < arrival.Count;)
                {
                    var run = arrival.Skip(at).Take(batchEvents).TakeWhile(one => one.Side == arrival[at].Side).ToList();
                    made.AddRange(Apply(runtime, plan, Event.Batch(plan, arrival[at].Side, run)));
                    at += run.Count;
                }

                // Positions are of the event that came later; without them the pairs are the same.
                return [.. made.Select(text => text.EndsWith("#u", StringComparison.Ordinal) ? text : text[..text.IndexOf(" at ", StringComparison.Ordinal)]).Order(StringComparer.Ordinal)];
            }
        }
    }

    /// <summary>A side that has nothing to read keeps nothing in memory, and what found no partner comes to be.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void ASilentSideHoldsNothingBack(int shards)
    {
        var plan = Plan(JoinUnmatched.Left, 1000);
        using var runtime = NewRuntime(plan, shards);
        List<string> made = [];
        for (var user = 0; user < 1000; user++)
            made.AddRange(Apply(runtime, plan, Event.Batch(plan, Impressions, [new Event(Impressions, TestProject.StartMs + user * 1000, 0, user, user, "ad", 1)])));
        // The last to leave is more than what is kept before the newest.
        Assert.HasCount((int)(999 - KeptMs / 1000), made);
        Assert.IsTrue(made.TrueForAll(text => text.EndsWith("#u", StringComparison.Ordinal)));
        // A partner that comes within what the sides may be apart finds the others.
        var click = new Event(Clicks, TestProject.StartMs + 999_000 - LatenessMs - AlignMs, 0, 0, 999 - KeptMs / 1000, "ad", 2);
        StringAssert.EndsWith(Apply(runtime, plan, Event.Batch(plan, Clicks, [click])).Single(), "#1");
    }

    /// <summary>One event far ahead of all others takes along those that wait, and none that come after it.</summary>
    [TestMethod]
    public void AnEventOfTheFutureIsForgotten()
    {
        var plan = Plan(JoinUnmatched.Both, 1000);
        using var runtime = NewRuntime(plan, 1);
        Apply(runtime, plan, Event.Batch(plan, Impressions, [new Event(Impressions, TestProject.StartMs, 0, 0, 1, "ad", 1)]));
        Assert.HasCount(1, Apply(runtime, plan, Event.Batch(plan, Impressions, [new Event(Impressions, TestProject.StartMs + 100 * KeptMs, 1, 0, 2, "ad", 1)])));
        Apply(runtime, plan, Event.Batch(plan, Impressions, [new Event(Impressions, TestProject.StartMs + 1000, 0, 1, 1, "ad", 1)]));
        StringAssert.EndsWith(Apply(runtime, plan, Event.Batch(plan, Clicks, [new Event(Clicks, TestProject.StartMs + 2000, 0, 0, 1, "ad", 1)])).Single(), "#1");
    }

    /// <summary>
    /// Of an erased entity no event waits any more, by whichever side says whose it is: none is left in a checkpoint, none makes a pair with what comes later, and what comes later
    /// makes pairs again.
    /// </summary>
    [TestMethod]
    [DataRow("user", 1)]
    [DataRow("user", 3)]
    [DataRow("place", 2)]
    [DataRow("ad", 2)]
    public void AnErasedEntityWaitsNowhere(string entity, int shards)
    {
        var plan = PlanOfOwners(JoinUnmatched.Both);
        using var runtime = NewRuntime(plan, shards);
        List<SideBatch> batches = [.. new[] { Impressions, Clicks }.Select(side => Event.Batch(plan, side,
            Enumerable.Range(0, 50).Select(index => new Event(side, TestProject.StartMs, 0, index, side * 1000 + index, $"ad {index}", index))))];
        foreach (var batch in batches)
            Assert.IsEmpty(Apply(runtime, plan, batch));
        Erase(runtime, plan, entity, entity == "user" ? "7" : $"{entity} 7");
        var saved = System.Text.Encoding.Latin1.GetString([.. Runtimes.BlocksOf(Checkpoint(runtime, plan, batches)).Where(block => block.Key.Entity >= plan.Entities.Count).SelectMany(block => block.Value)]);
        Assert.Contains("ad 8", saved);
        Assert.Contains("place 8", saved);
        // A user is known from both sides, a place from the click alone, an ad from both.
        Assert.AreEqual(entity == "user", saved.Contains("place 7", StringComparison.Ordinal));

        // Each of the others finds a partner, and the erased none.
        var partners = new[] { Impressions, Clicks }.SelectMany(side => Apply(runtime, plan, Event.Batch(plan, side,
            new[] { 7, 8 }.Select(index => new Event(side, TestProject.StartMs + 1, 0, 100 + index, (1 - side) * 1000 + index, $"ad {index}", index))))).Order(StringComparer.Ordinal).ToList();
        Assert.HasCount(entity == "ad" ? 2 : 3, partners);
        Assert.AreEqual(entity switch { "user" => 1, "place" => 1, _ => 0 }, partners.Count(pair => pair.Contains("AD=ad \"7", StringComparison.Ordinal) || pair.Contains("AD=ad 7", StringComparison.Ordinal)));
        var again = new Event(Clicks, TestProject.StartMs + 2, 0, 200, 7, "ad 7", 7);
        Assert.HasCount(entity == "user" ? 0 : 0, Apply(runtime, plan, Event.Batch(plan, Clicks, [again with { User = 77 }])));
        Assert.HasCount(1, Apply(runtime, plan, Event.Batch(plan, Impressions, [again with { Side = Impressions, User = 77, Offset = 201 }])));
    }

    /// <summary>
    /// A crash after the erasure and before the next checkpoint: the tombstone is there, and the events come again. Everybody else ends up as if there had been no crash, and nothing
    /// waits that did not.
    /// </summary>
    [TestMethod]
    [DataRow("user", 1, 2)]
    [DataRow("place", 2, 1)]
    [DataRow("ad", 3, 2)]
    public void AReplayBringsNothingErasedBack(string entity, int shards, int shardsAfter)
    {
        var (erased, together) = (0, 0);
        for (var seed = 31; seed <= 50; seed++)
        {
            var random = new Random(seed);
            var plan = PlanOfOwners(JoinUnmatched.Both);
            List<SideBatch> batches = [.. Batches(plan, seed, 40)];
            var (saved, erasedAt) = (random.Next(5, 15), random.Next(15, 30));
            using var runtime = NewRuntime(plan, shards);
            batches[..saved].ForEach(batch => Apply(runtime, plan, batch));
            var checkpoint = Checkpoint(runtime, plan, batches[..saved]);
            batches[saved..erasedAt].ForEach(batch => Apply(runtime, plan, batch));
            var tombstone = Erase(runtime, plan, entity, OneOf(entity, random, batches[..erasedAt]));
            using var restored = Restore(checkpoint, plan, shardsAfter, tombstone);
            restored.Restore([tombstone]);
            batches[saved..(erasedAt - 1)].ForEach(batch => Apply(restored, plan, batch));
            var (before, after) = (batches[erasedAt - 1], batches[erasedAt]);
            if (before.Side == after.Side)
            {
                // Read together, they take effect together.
                Apply(runtime, plan, after);
                Apply(restored, plan, Event.Batch(plan, before.Side, before.All.Concat(after.All)));
                together++;
            }
            else
            {
                Apply(restored, plan, before);
                AssertSame(runtime, restored, $"{entity}, seed {seed}: at the erasure");
                Apply(runtime, plan, after);
                Apply(restored, plan, after);
            }

            foreach (var batch in batches[(erasedAt + 1)..])
                Assert.AreEqual(string.Join('\n', Apply(runtime, plan, batch)), string.Join('\n', Apply(restored, plan, batch)), $"{entity}, seed {seed}");
            AssertSame(runtime, restored, $"{entity}, seed {seed}: at the end");
            erased += tombstone.Guards.Count;
        }

        Assert.AreEqual(20 * 2, erased);
        Assert.IsGreaterThan(4, together);
    }

    /// <summary>Erased twice with events between: a replay from before both makes the pairs that were made, and no other.</summary>
    [TestMethod]
    [DataRow("user", 2, 1)]
    [DataRow("place", 1, 2)]
    [DataRow("ad", 2, 3)]
    public void AReplayPassesEveryErasure(string entity, int shards, int shardsAfter)
    {
        var (earlier, together) = (0, 0);
        for (var seed = 51; seed <= 70; seed++)
        {
            var random = new Random(seed);
            var plan = PlanOfOwners(JoinUnmatched.Both);
            List<SideBatch> batches = [.. Batches(plan, seed, 40)];
            int[] erasedAt = [random.Next(10, 15), random.Next(16, 22), random.Next(23, 30)];
            var saved = random.Next(3, 10);
            using var runtime = NewRuntime(plan, shards);
            batches[..saved].ForEach(batch => Apply(runtime, plan, batch));
            var checkpoint = Checkpoint(runtime, plan, batches[..saved]);
            var text = OneOf(entity, random, batches[..erasedAt[0]]);
            List<string> made = [];
            var tombstone = ApplyAndErase(runtime, plan, batches[saved..erasedAt[2]], entity, text, erasedAt.Select(number => number - saved), made);
            using var restored = Restore(checkpoint, plan, shardsAfter, tombstone);
            restored.Restore([tombstone]);
            List<string> again = [];
            for (var number = saved; number < erasedAt[2]; number++)
            {
                // Read together, they take effect together.
                var isTogether = number + 1 != erasedAt[2] && erasedAt.Contains(number + 1) && batches[number].Side == batches[number + 1].Side;
                again.AddRange(Apply(restored, plan, isTogether ? Event.Batch(plan, batches[number].Side, batches[number].All.Concat(batches[number + 1].All)) : batches[number]));
                number += isTogether ? 1 : 0;
                together += isTogether ? 1 : 0;
            }

            Assert.AreEqual(string.Join('\n', made.Order(StringComparer.Ordinal)), string.Join('\n', again.Order(StringComparer.Ordinal)), $"{entity}, seed {seed}");
            AssertSame(runtime, restored, $"{entity}, seed {seed}: at the last erasure");
            foreach (var batch in batches[erasedAt[2]..])
                Assert.AreEqual(string.Join('\n', Apply(runtime, plan, batch)), string.Join('\n', Apply(restored, plan, batch)), $"{entity}, seed {seed}");
            AssertSame(runtime, restored, $"{entity}, seed {seed}: at the end");
            earlier += tombstone.Earlier.Count;
        }

        Assert.IsGreaterThan(30, earlier);
        Assert.IsGreaterThan(4, together);
    }

    /// <summary>Erased twice, a crash, erased again while events come again of which some were published, a checkpoint somewhere, and another crash.</summary>
    [TestMethod]
    [DataRow("user", 2, 1)]
    [DataRow("place", 1, 2)]
    [DataRow("ad", 2, 3)]
    public void AReplayOfAReplayPassesEveryErasure(string entity, int shards, int shardsAfter)
    {
        var (trimmed, kept) = (0, 0);
        for (var seed = 101; seed <= 130; seed++)
        {
            var random = new Random(seed);
            var plan = PlanOfOwners(JoinUnmatched.Both);
            List<SideBatch> batches = [.. Batches(plan, seed, 45)];
            var saved = random.Next(2, 6);
            int[] erasedAt = [random.Next(8, 12), random.Next(13, 18)];
            using var first = NewRuntime(plan, shards);
            batches[..saved].ForEach(batch => Apply(first, plan, batch));
            var checkpoint = Checkpoint(first, plan, batches[..saved]);
            var text = OneOf(entity, random, batches[..erasedAt[0]]);
            var tombstone = ApplyAndErase(first, plan, batches[saved..22], entity, text, erasedAt.Select(number => number - saved), []);
            using var second = Restore(checkpoint, plan, shardsAfter, tombstone);
            second.Restore([tombstone]);
            second.Saved(checkpoint.Header.Partitions, snapshot: 0);
            Begin(second);
            // Cut at one place; before or after the erasures of this run.
            var cutAt = random.Next(7, 30);
            var savedAt = cutAt + random.Next(0, 4);
            int[] again = [random.Next(7, 21), random.Next(21, 30), random.Next(30, 35)];
            Checkpoint? cut = null;
            Dictionary<int, List<string>> made = [];
            var dropped = false;
            for (var number = saved; number < 36; number++)
            {
                made[number] = Apply(second, plan, batches[number]);
                var cutFirst = random.Next(2) == 0;
                if (number + 1 == cutAt && cutFirst)
                    cut = Checkpoint(second, plan, batches[..(number + 1)], isWhole: true);
                if (again.Contains(number + 1))
                {
                    var before = tombstone.Earlier.Count;
                    tombstone = Erase(second, plan, entity, text);
                    dropped |= tombstone.Earlier.Count <= before;
                }

                if (number + 1 == cutAt && !cutFirst)
                    cut = Checkpoint(second, plan, batches[..(number + 1)], isWhole: true);
                if (number + 1 == savedAt)
                    second.Saved(cut!.Header.Partitions, snapshot: 1);
            }

            trimmed += dropped ? 1 : 0;
            kept += tombstone.Earlier.Count;
            using var third = Restore(cut!, plan, shards, tombstone);
            third.Restore([tombstone]);
            third.Saved(cut!.Header.Partitions, snapshot: 0);
            Begin(third);
            var (expected, actual) = (new List<string>(), new List<string>());
            for (var number = cutAt; number < 36; number++)
            {
                expected.AddRange(made[number]);
                actual.AddRange(Apply(third, plan, batches[number]));
            }

            Assert.AreEqual(string.Join('\n', expected.Order(StringComparer.Ordinal)), string.Join('\n', actual.Order(StringComparer.Ordinal)), $"{entity}, seed {seed}, cut at {cutAt}, {string.Join(',', again)}");
            AssertSame(second, third, $"{entity}, seed {seed}: at the crash");
            foreach (var batch in batches[36..])
                Assert.AreEqual(string.Join('\n', Apply(second, plan, batch)), string.Join('\n', Apply(third, plan, batch)), $"{entity}, seed {seed}");

            void Begin(LocalRuntime runtime)
            {
                for (var source = 0; source < 2; source++)
                {
                    var published = new long[3];
                    foreach (var one in batches[..12].SelectMany(batch => batch.All).Where(one => one.Side == source))
                        published[one.Partition] = Math.Max(published[one.Partition], one.Offset + 1);
                    runtime.BeginSource(source, [0, 0, 0], published);
                }
            }
        }

        Assert.IsGreaterThan(10, trimmed);
        Assert.IsGreaterThan(10, kept);
    }

    /// <summary>The replay has not come as far as the first erasure.</summary>
    [TestMethod]
    public void ErasedAgainDuringAReplayNothingComesBack()
    {
        var plan = PlanOfOwners(JoinUnmatched.Both);
        using var runtime = NewRuntime(plan, 1);
        for (var offset = 0; offset < 10; offset++)
            Apply(runtime, plan, Click(plan, offset, 1));
        var tombstone = Erase(runtime, plan, "place", "place 1");
        using var restored = NewRuntime(plan, 1);
        restored.Restore([tombstone]);
        for (var offset = 0; offset < 10; offset++)
        {
            if (offset == 2)
                CollectionAssert.AreEqual(new long[] { 10 }, Erase(restored, plan, "place", "place 1").Guards.Single(guard => guard.Topic == "clicks").NextOffsets.ToArray());
            Apply(restored, plan, Click(plan, offset, 1));
        }

        AssertSame(runtime, restored, "after the replay");
    }

    /// <summary>Limit 2: clicks A, B and C, of which B is erased before C comes. Read together again, B does not count.</summary>
    [TestMethod]
    public void TheLimitDoesNotCountWhatWasErased()
    {
        var definition = Definition(JoinUnmatched.Both, 2);
        var plan = TestProject.Compile(definition with
        {
            Entities = [.. definition.Entities, new() { Name = "place", Keys = ["PLACE"] }],
            FeatureViews = [.. definition.FeatureViews, new() { Name = "places", Entity = "place", Source = "clicks", Features = [new() { Name = "clicks", Aggregate = Aggregate.Count }] }],
        });
        var impression = Event.Batch(plan, Impressions, [new Event(Impressions, TestProject.StartMs + 10, 0, 0, 1, "ad", 7)]);
        using var runtime = NewRuntime(plan, 1);
        Assert.IsEmpty(Apply(runtime, plan, Click(plan, 0, 0)));
        Assert.IsEmpty(Apply(runtime, plan, Click(plan, 1, 1)));
        var tombstone = Erase(runtime, plan, "place", "place 1");
        Assert.IsEmpty(Apply(runtime, plan, Click(plan, 2, 2)));
        var made = Apply(runtime, plan, impression);
        Assert.HasCount(2, made);
        using var restored = NewRuntime(plan, 1);
        restored.Restore([tombstone]);
        Assert.IsEmpty(Apply(restored, plan, Event.Batch(plan, Clicks, new[] { 0, 1, 2 }.SelectMany(index => Click(plan, index, index).All))));
        CollectionAssert.AreEqual(made, Apply(restored, plan, impression));
    }

    /// <summary>The newest checkpoint tells of the old topic's offsets, also where it becomes durable only later.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ACheckpointOfTheOldTopicForgetsNoErasure(bool isLater)
    {
        var plan = PlanOfOwners(JoinUnmatched.None);
        using var runtime = NewRuntime(plan, 1);
        var old = Click(plan, 80, 1);
        Apply(runtime, plan, old);
        var partitions = Checkpoint(runtime, plan, [old]).Header.Partitions;
        if (!isLater)
            runtime.Saved(partitions, snapshot: 1);
        runtime.RecreatePartition(Clicks, 0);
        if (isLater)
            runtime.Saved(partitions, snapshot: 1);
        Apply(runtime, plan, Click(plan, 0, 1));
        Erase(runtime, plan, "place", "place 1");
        Apply(runtime, plan, Click(plan, 1, 1));
        Assert.HasCount(1, Erase(runtime, plan, "place", "place 1").Earlier);
    }

    [TestMethod]
    public void ErasuresThatACheckpointWasCutAfterAreForgotten()
    {
        var plan = PlanOfOwners(JoinUnmatched.None);
        using var runtime = NewRuntime(plan, 1);
        var next = 0;
        Assert.IsEmpty(EraseNext().Earlier);
        Assert.IsEmpty(Erase(runtime, plan, "user", "1").Earlier, "Nothing was read in between.");
        Assert.HasCount(1, EraseNext().Earlier);
        Assert.HasCount(2, EraseNext().Earlier);
        Saved(2);
        // As far as the second it may have been cut before it.
        Assert.HasCount(2, EraseNext().Earlier);
        Saved(5);
        Assert.IsEmpty(EraseNext().Earlier);
        for (var number = 1; number < EraseException.ErasuresMax; number++)
            Assert.HasCount(number, EraseNext().Earlier);
        var exception = Assert.ThrowsExactly<EraseException>(() => EraseNext());
        Assert.AreEqual("The entity has been erased 256 times since the newest checkpoint, and no more can be told apart in joins. Repeat the request after the next checkpoint.", exception.Message);
        Saved(next);
        Assert.HasCount(0, EraseNext().Earlier);

        Tombstone EraseNext()
        {
            Apply(runtime, plan, Event.Batch(plan, Clicks, [new Event(Clicks, TestProject.StartMs, 0, next++, 1, "ad", 1)]));
            return Erase(runtime, plan, "user", "1");
        }

        void Saved(long nextOffset) => runtime.Saved([new PartitionCheckpoint { Topic = "clicks", Partition = 0, NextOffset = nextOffset, NewestMs = 0, WitnessOffset = -1, WitnessTimestampMs = -1, WitnessHash = 0, SeenIds = [] }], snapshot: 1);
    }

    /// <summary>Saved in the middle of a replay, and after it: the checkpoint that follows the erasure has nothing of it, and a tombstone finds what an older one has.</summary>
    [TestMethod]
    public void ACheckpointFromBeforeTheErasureIsCleanedAtTheStart()
    {
        var plan = PlanOfOwners(JoinUnmatched.Both);
        using var runtime = NewRuntime(plan, 2);
        List<SideBatch> batches = [Event.Batch(plan, Clicks, Enumerable.Range(0, 20).Select(index => new Event(Clicks, TestProject.StartMs, 0, index, index, $"ad {index}", index)))];
        batches.ForEach(batch => Apply(runtime, plan, batch));
        var checkpoint = Checkpoint(runtime, plan, batches);
        var tombstone = Erase(runtime, plan, "user", "7");
        using var restored = Restore(checkpoint, plan, 2, tombstone);
        restored.Restore([tombstone]);
        var changed = Runtimes.BlocksOf(Checkpoint(restored, plan, batches)).Single();
        Assert.AreEqual((plan.Entities.Count, 0), (changed.Key.Entity, changed.Value.Length), "The key's block, and that it is gone.");
    }

    /// <summary>An entity that batches have told of.</summary>
    private static string OneOf(string entity, Random random, List<SideBatch> batches) => entity switch
    {
        "user" => $"{random.Next(3)}",
        "place" => batches.SelectMany(batch => batch.All).Last(one => one.Side == Clicks).Place,
        _ => $"ad \"{random.Next(3)}",
    };

    /// <summary>Erases an entity behind so many of the batches, each time.</summary>
    private static Tombstone ApplyAndErase(LocalRuntime runtime, ProjectPlan plan, List<SideBatch> batches, string entity, string text, IEnumerable<int> behind, List<string> made)
    {
        Tombstone? tombstone = null;
        foreach (var (number, batch) in batches.Index())
        {
            made.AddRange(Apply(runtime, plan, batch));
            if (behind.Contains(number + 1))
                tombstone = Erase(runtime, plan, entity, text);
        }

        return tombstone!;
    }

    private static Tombstone Erase(LocalRuntime runtime, ProjectPlan plan, string entity, string text)
    {
        Tombstone? erased = null;
        runtime.OnErase(tombstone => erased = tombstone, (tombstone, _) =>
        {
            runtime.Confirm([tombstone]);
            return Task.CompletedTask;
        });
        var keys = new EventBatch(new RowSchema(plan.Entities.First(one => one.Name == entity).Keys));
        var row = keys.Add(default);
        if (entity == "user")
            keys.SetInt64(row, 0, long.Parse(text, CultureInfo.InvariantCulture));
        else
            keys.SetText(row, 0, Encoding.UTF8.GetBytes(text));
        var key = new byte[EntityPlan.KeyBytesMax];
        var plans = plan.Entities.First(one => one.Name == entity);
        var length = plans.EncodeKey(keys.Row(row), [0], key);
        runtime.EraseAsync(plans.Index, key.AsMemory(0, length), CancellationToken.None).AsTask().GetAwaiter().GetResult();
        return erased!;
    }

    /// <summary>All that both would save, had nothing been saved; but for the sequences of blocks, which an erasure moves on.</summary>
    private static void AssertSame(LocalRuntime expected, LocalRuntime actual, string when)
    {
        var (left, right) = (State(expected), State(actual));
        CollectionAssert.AreEqual(left.Keys.ToList(), right.Keys.ToList(), when);
        foreach (var (place, block) in left)
            Assert.AreEqual(Convert.ToHexString(block), Convert.ToHexString(right[place]), $"{when}: {place}");

        static SortedDictionary<string, byte[]> State(LocalRuntime runtime)
        {
            runtime.MarkAllUnsaved();
            runtime.BeginSnapshot();
            return new(Runtimes.BlocksOf(runtime.CopySnapshot(Runtimes.Header())).Where(block => block.Value.Length > 0).ToDictionary(block => $"{block.Key.Entity} {block.Key.Key}", block => Unsequenced(block.Value)));
        }

        static byte[] Unsequenced(byte[] block)
        {
            EntityPlan.SetSequence(block, 0);
            return block;
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
            join.Expire(garbled, long.MaxValue, events, default);
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

    private static SideBatch Click(ProjectPlan plan, long offset, int place) => Event.Batch(plan, Clicks, [new Event(Clicks, TestProject.StartMs + offset, 0, offset, 1, "ad", place)]);

    private static LocalRuntime NewRuntime(ProjectPlan plan, int shards) => new(plan, new LocalRuntimeOptions { Shards = shards });

    private static Checkpoint Checkpoint(LocalRuntime runtime, ProjectPlan plan, IEnumerable<SideBatch> applied, bool isWhole = false)
    {
        var partitions = applied.SelectMany(batch => batch.All).GroupBy(one => (one.Topic, one.Partition)).Select(partition => new PartitionCheckpoint
        {
            Topic = partition.Key.Topic,
            Partition = partition.Key.Partition,
            NextOffset = partition.Max(one => one.Offset) + 1,
            NewestMs = 0,
            WitnessOffset = -1,
            WitnessTimestampMs = -1,
            WitnessHash = 0,
            SeenIds = [],
        }).ToList();
        runtime.Advance(partitions);
        if (isWhole)
            runtime.MarkAllUnsaved();
        runtime.BeginSnapshot();
        var times = plan.Sources.ToDictionary(source => source.Definition.Name, source => runtime.StreamTimeMs(source.Index));
        return runtime.CopySnapshot(Runtimes.Header() with { StreamTimesMs = times, Partitions = partitions });
    }

    /// <summary>What a store has: the checkpoint, without the block of an entity that was erased since.</summary>
    private static LocalRuntime Restore(Checkpoint checkpoint, ProjectPlan plan, int shards, Tombstone? erased = null)
    {
        var restored = NewRuntime(plan, shards);
        restored.Restore(checkpoint.Header, visit =>
        {
            for (var index = 0; index < checkpoint.Keys.Count; index++)
            {
                if (checkpoint.Blocks[index].Length > 0 && !(checkpoint.Entities[index] == erased?.Entity && checkpoint.Keys[index].SequenceEqual(erased.Key)))
                    visit(checkpoint.Entities[index], checkpoint.Keys[index], checkpoint.Blocks[index]);
            }
        });
        return restored;
    }
}
