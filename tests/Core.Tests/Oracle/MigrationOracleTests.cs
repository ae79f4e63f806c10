using System.Collections.Concurrent;
using System.Text;
using System.Text.RegularExpressions;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Oracle;

/// <summary>
/// Random definitions that change in the middle of random streams: features, windows, aggregates and inputs come, go and move. What was defined before reads on as if nothing had changed,
/// and what is new knows exactly the events that it can.
/// </summary>
[TestClass]
public sealed class MigrationOracleTests
{
    private const int StreamsPerChange = 2;

    private readonly ConcurrentDictionary<(string Window, CarriedState State), int> _compared = new();

    [TestMethod]
    public void EveryFeatureKnowsWhatItCan() => Run(1500, change => [change.Before, change.After]);

    [TestMethod]
    [TestCategory("Soak")]
    public void EveryFeatureKnowsWhatItCanInManyMoreCases() => Run(100_000, change => [change.Before, change.After]);

    /// <summary>Cases so rare that other seeds seldom meet them.</summary>
    [TestMethod]
    [DataRow(51198, DisplayName = "An event has the time of one that is in a coarser tile")]
    [DataRow(67048, DisplayName = "A value begins to depend on the time in the newest period")]
    [DataRow(84167, DisplayName = "A value begins to depend on the time in an earlier period")]
    [DataRow(5966, DisplayName = "Windows over finer tiles reach further back than those over coarser ones")]
    public void RareCases(int seed) => RunOne(seed, change => [change.Before, change.After]);

    /// <summary>What is added and removed again leaves no trace, whatever it was.</summary>
    [TestMethod]
    public void WhatStaysIsNeverTouched() => Run(600, change =>
        [change.Before, Side.Of(change.Pool, [.. change.After.Features, .. change.Before.Features]), change.Before, Side.Of(change.Pool, [.. change.Before.Features, .. change.After.Features])]);

    /// <summary>Damage to a block, or to the layout that it is stored under, ends in a clear error or in a sound block.</summary>
    [TestMethod]
    public void DamageIsRefusedOrDoesNoHarm()
    {
        var (refused, migrated) = (0, 0);
        Parallel.ForEach(Seeds.Of(400), seed =>
        {
            var (change, random) = (new Change(seed), new Random(seed));
            var block = new EngineBlock(change.Before.Plan);
            var events = new RandomStream(change.Pool, 0).Disordered().Where(e => change.Before.Plan.IsFedBy(e.Source)).ToList();
            events.ForEach(block.Apply);
            var newestMs = events.Select(e => e.TimeMs).DefaultIfEmpty().Max();
            for (var mutation = 0; mutation < 50; mutation++)
            {
                var (bytes, text) = (block.Bytes.ToArray(), new StringBuilder(change.Before.Plan.Layout.ToText()));
                for (var at = random.Next(3); at >= 0; at--)
                {
                    if (mutation % 2 == 0)
                        BitConverter.TryWriteBytes(bytes.AsSpan(4 * random.Next(10, bytes.Length / 4)), random.Next(4) switch { 0 => random.Next(), 1 => -1, 2 => 0, _ => random.Next(200) });
                    else
                        text[random.Next(15, text.Length)] = "0123456789abcdef /,\n"[random.Next(20)];
                }

                try
                {
                    var layout = BlockLayout.Parse(text.ToString());
                    // Who damages a layout with care says so in the block.
                    BitConverter.TryWriteBytes(bytes.AsSpan(8), layout.Fingerprint);
                    var after = new EngineBlock(change.After.Plan, new BlockMigration(layout, change.After.Plan).Migrate(bytes));
                    Assert.IsNull(change.After.Plan.Check(after.Bytes));
                    after.AllJson(newestMs);
                    foreach (var @event in events.TakeLast(3).Where(e => change.After.Plan.IsFedBy(e.Source)))
                        after.Apply(@event);
                    after.AllJson(newestMs);
                    Interlocked.Increment(ref migrated);
                }
                catch (Exception exception) when (exception is InvalidDataException or FormatException or NotSupportedException)
                {
                    StringAssert.Matches(exception.Message, new Regex("^A block (of entity \"e\" .* Rebuild its state from the sources|layout .*)\\.$", RegexOptions.Singleline));
                    Interlocked.Increment(ref refused);
                }
                catch (Exception exception)
                {
                    throw new AssertFailedException($"FEATURESTORE_SEED={seed}, mutation {mutation}: {exception.Message}{Environment.NewLine}{text}", exception);
                }
            }
        });
        Console.WriteLine($"{refused} refused, {migrated} migrated");
        Assert.IsTrue(Seeds.IsOne || (refused > 1000 && migrated > 1000), $"{refused} refused, {migrated} migrated");
    }

    private void Run(int seeds, Func<Change, Side[]> stagesOf)
    {
        Parallel.ForEach(Seeds.Of(seeds), seed => RunOne(seed, stagesOf));
        foreach (var ((window, state), count) in _compared.OrderBy(pair => pair.Key))
            Console.WriteLine($"{window} {state}: {count}");
        if (Seeds.IsOne)
            return;
        foreach (var kind in new[] { "lifetime", "exact", "exact delayed", "tiled", "tiled delayed", "tumbling", "tumbling closed", "session", "session closed", "last" })
        {
            Assert.IsGreaterThan(seeds, _compared.GetValueOrDefault((kind, CarriedState.Whole)), kind);
            Assert.IsTrue(stagesOf(new Change(1)).Length > 2 || _compared.GetValueOrDefault((kind, CarriedState.None)) > seeds / 50, kind);
        }
    }

    private void RunOne(int seed, Func<Change, Side[]> stagesOf)
    {
        var change = new Change(seed);
        for (var number = 0; number < StreamsPerChange; number++)
        {
            var stream = new RandomStream(change.Pool, number);
            try
            {
                Run(change, stagesOf(change), stream);
            }
            catch (Exception exception)
            {
                throw new AssertFailedException($"{stream.Name} {exception.Message}{Environment.NewLine}{change}", exception);
            }
        }
    }

    private void Run(Change change, Side[] stages, RandomStream stream)
    {
        var arrivals = stream.Disordered();
        var naive = new NaiveEngine(change.Pool.Sources, [.. change.Before.Features, .. change.After.Features]);
        var block = new EngineBlock(stages[0].Plan);
        var live = new List<TestEvent>();
        HashSet<TestEvent> older = [];
        var expectations = stages[0].Features.Select(_ => new Expected(CarriedState.Whole, false)).ToArray();
        for (var (number, stage) = (0, 0); ; number++)
        {
            while (stage < stages.Length - 1 && number >= arrivals.Count * (stage + 1) / stages.Length)
            {
                var migration = new BlockMigration(BlockLayout.Parse(stages[stage].Plan.Layout.ToText()), stages[stage + 1].Plan);
                block = new EngineBlock(stages[stage + 1].Plan, migration.Migrate(block.Bytes));
                older = [.. live];
                expectations = Expect(stages[stage], stages[++stage], migration, naive, expectations);
                Compare(stages[stage], expectations, stream, block, naive, $"after migration {stage}");
            }

            if (number == arrivals.Count)
                return;
            var side = stages[stage];
            if (stream.Retraction(live, naive) is { } retraction && side.Plan.IsFedBy(retraction.Source) && block.CanRetract(retraction))
            {
                block.Retract(retraction);
                live.Remove(retraction);
                naive.Retract(retraction);
                // What is new cannot always tell an event that it has not seen from one that it has: rows never can, and single events not those of the same time.
                for (var index = 0; index < expectations.Length && older.Contains(retraction); index++)
                {
                    var (feature, isKept) = (side.Features[index], RandomDefinition.KeepsEvents(side.Features[index].Definition.Window));
                    if (expectations[index].State != CarriedState.Whole && feature.Source == retraction.Source && (!isKept || naive.CountAt(retraction.Source, retraction.TimeMs) > 0))
                        expectations[index] = expectations[index] with { IsOpen = true };
                }

                Compare(side, expectations, stream, block, naive, $"after the retraction ({retraction})");
            }

            if (side.Plan.IsFedBy(arrivals[number].Source))
                block.Apply(arrivals[number]);
            naive.Apply(arrivals[number]);
            live.Add(arrivals[number]);
            Compare(side, expectations, stream, block, naive, $"after event {number + 1} ({arrivals[number]})");
        }
    }

    /// <summary>Tells the oracle what each feature of a stage cannot know.</summary>
    private static Expected[] Expect(Side before, Side after, BlockMigration migration, NaiveEngine naive, Expected[] expectations)
    {
        var expected = new Expected[after.Features.Count];
        for (var index = 0; index < expected.Length; index++)
        {
            var feature = after.Features[index];
            var state = migration.StateOf(index);
            if (before.Features.Any(old => IsSame(old, feature)))
                Assert.IsTrue(state == CarriedState.Whole || (state == CarriedState.Part && feature.Definition.Window is WindowDefinition.Sliding { Tile: not null }), $"{state}: {RandomDefinition.Describe(feature.Definition)}");
            // It may go on from what was new at an earlier change.
            expected[index] = new Expected(state, state != CarriedState.None && expectations.Any(old => old.State != CarriedState.Whole || old.IsOpen) &&
                !before.Features.Where((old, at) => IsSame(old, feature) && expectations[at] == new Expected(CarriedState.Whole, false)).Any());
            if (state != CarriedState.Whole)
                expected[index] = expected[index] with { IsOpen = expected[index].IsOpen || !TryForget(before, feature, state, naive) };
        }

        return expected;
    }

    private static bool TryForget(Side before, NaiveFeature feature, CarriedState state, NaiveEngine naive)
    {
        var like = before.Features.Where(old => old.Source == feature.Source && old.Where.Text == feature.Where.Text).ToList();
        var disorderMs = naive.DisorderMs(feature.Source);
        var events = naive.Events.Where(e => e.Source == feature.Source && feature.Where.Holds(e)).ToList();
        var newestMs = Math.Max(naive.NewestMs(feature), long.MinValue / 2);
        switch (feature.Definition.Window)
        {
            case WindowDefinition.Session session:
                var sessions = like.Select(old => old.Definition.Window).OfType<WindowDefinition.Session>().Where(old => (old.Gap, old.Max) == (session.Gap, session.Max)).ToList();
                if (state == CarriedState.Part && sessions.Any(old => old.Closed < session.Closed))
                    return false;
                if (sessions.Count > 0 && sessions.Any(old => old.Closed < session.Closed))
                    return false;
                naive.Forget(feature, e => state == CarriedState.None || e.TimeMs < newestMs - disorderMs, sessions.Count > 0, like.Count > 0);
                return true;
            case WindowDefinition.Last last when like.Any(old => old.Definition.Window is WindowDefinition.Last):
                var settled = events.Where(e => e.TimeMs < newestMs - disorderMs).ToList();
                var kept = settled.TakeLast(like.Select(old => old.Definition.Window).OfType<WindowDefinition.Last>().Max(old => old.Count)).ToHashSet(ReferenceEqualityComparer.Instance);
                if (state == CarriedState.Part)
                    naive.Forget(feature, e => settled.Exists(known => ReferenceEquals(known, e)) && !kept.Contains(e), false, true);
                else if (settled.Count > kept.Count)
                    return false;
                else
                    naive.Forget(feature, _ => true, true, true);
                return true;
            case WindowDefinition.Sliding { Tile: null } when state == CarriedState.Part:
                var reachMs = like.Select(old => old.Definition.Window).OfType<WindowDefinition.Sliding>().Where(old => old.Tile is null).Max(old => NaiveWindow.Ms(old.Length + old.Delay));
                naive.Forget(feature, e => e.TimeMs <= naive.NewestMs(feature.Source) - reachMs - disorderMs, false, true);
                return true;
            default:
                naive.Forget(feature, _ => true, false, like.Count > 0);
                return state == CarriedState.None;
        }
    }

    private void Compare(Side side, Expected[] expectations, RandomStream stream, EngineBlock block, NaiveEngine naive, string when)
    {
        if (side.Plan.Check(block.Bytes) is { } problem)
            Assert.Fail($"{when}: the block {problem}");
        var asOfMs = stream.AsOfMs(naive);
        for (var index = 0; index < expectations.Length; index++)
        {
            var feature = side.Features[index];
            // When time stands still depends on events that what is new does not know, also on those that were taken back.
            var atMs = expectations[index].State == CarriedState.Whole ? asOfMs : Math.Max(asOfMs, naive.NewestMs(feature.Source));
            var actual = block.Json(atMs, index);
            if (expectations[index].IsOpen)
            {
                if (expectations[index].State == CarriedState.Part && feature.Definition is { Aggregate: Aggregate.Count, By: null })
                    Assert.IsTrue(actual.GetDouble() <= naive.Events.Count, $"{when}: {RandomDefinition.Describe(feature.Definition)} is {actual}");
                continue;
            }

            var expected = naive.Value(feature, atMs);
            if (!expected.Fits(actual))
                Assert.Fail($"{when}: as of {atMs} {expectations[index].State} {RandomDefinition.Describe(feature.Definition)} is {actual}; expected {expected}");
            if (!naive.IsEmpty(feature, atMs))
                _compared.AddOrUpdate((RandomDefinition.KindOf(feature.Definition.Window), expectations[index].State), 1, (_, count) => count + 1);
        }
    }

    private static bool IsSame(NaiveFeature left, NaiveFeature right) =>
        left.Source == right.Source && left.Definition with { Name = "", Default = null } == right.Definition with { Name = "", Default = null };

    /// <param name="State">What the engine says that a feature has.</param>
    /// <param name="IsOpen">Whether the oracle cannot say what that makes of its value.</param>
    private sealed record Expected(CarriedState State, bool IsOpen);

    /// <summary>Definitions at one time.</summary>
    private sealed record Side(EntityPlan Plan, IReadOnlyList<NaiveFeature> Features)
    {
        /// <summary>Features by source, as a plan has them.</summary>
        public static Side Of(RandomDefinition pool, IEnumerable<NaiveFeature> features)
        {
            List<NaiveFeature> named = [.. features.DistinctBy(feature => feature.Definition.Name).OrderBy(feature => feature.Source)];
            var views = named.GroupBy(feature => feature.Source).Select(view => TestEntity.View($"v{view.Key}", view.Key, [.. view.Select(feature => feature.Definition)]));
            return new Side(TestEntity.Plan(pool.Sources, [.. views]), named);
        }

        public override string ToString() => string.Join(Environment.NewLine, Features.Select(feature => $"  s{feature.Source} {RandomDefinition.Describe(feature.Definition)}"));
    }

    /// <summary>A random change: from some features of a pool to others, in another order, some with another window.</summary>
    private sealed class Change
    {
        private readonly Random _random;

        public Change(int seed)
        {
            _random = new Random(seed);
            Pool = new RandomDefinition(seed);
            // What a limit drops depends on who shares it.
            var features = Pool.Features.Where(feature => feature.Definition.Window is not (WindowDefinition.Sliding { Tile: null, Limit: not WindowDefinition.LimitDefault } or
                WindowDefinition.Session { Limit: not WindowDefinition.LimitDefault })).DefaultIfEmpty(new NaiveFeature(0, TestEntity.Feature("n", Aggregate.Count), Condition.Always, null, null));
            NaiveFeature[] all = [.. features.SelectMany(feature => new[] { feature, Varied(feature) })];
            Before = Side.Of(Pool, Some(all));
            After = Side.Of(Pool, Some(all));
        }

        public RandomDefinition Pool { get; }

        public Side Before { get; }

        public Side After { get; }

        public override string ToString() => $"{string.Join(Environment.NewLine, Pool.Sources.Select(source => $"{source.Name}: lateness {source.Lateness}, align {source.Align}, {source.Envelope}"))}" +
            $"{Environment.NewLine}before{Environment.NewLine}{Before}{Environment.NewLine}after{Environment.NewLine}{After}";

        private NaiveFeature[] Some(NaiveFeature[] all)
        {
            _random.Shuffle(all);
            return all[.._random.Next(1, all.Length + 1)];
        }

        /// <summary>Another window of the same kind.</summary>
        private NaiveFeature Varied(NaiveFeature feature)
        {
            var definition = feature.Definition;
            WindowDefinition? window = definition.Window switch
            {
                WindowDefinition.Sliding { Tile: { } tile } tiled => _random.Next(4) switch
                {
                    0 => tiled with { Tile = tile * 2, Length = tiled.Length * 2 },
                    1 => tiled with { Tile = tile * 3, Length = tiled.Length * 3 },
                    2 => tiled with { Delay = tiled.Delay == TimeSpan.Zero ? tile * 2 : TimeSpan.Zero },
                    _ => tiled with { Length = tiled.Length * 2 },
                },
                WindowDefinition.Sliding exact => _random.Next(2) == 0 ? exact with { Length = exact.Length * 3 } : exact with { Delay = exact.Delay + exact.Length },
                WindowDefinition.Tumbling tumbling => tumbling with { Closed = !tumbling.Closed },
                WindowDefinition.Session session => session with { Closed = _random.Next(4) },
                WindowDefinition.Last last => new WindowDefinition.Last(last.Count * 2),
                _ => null,
            };
            return feature with { Definition = definition with { Name = definition.Name + "v", Window = window } };
        }
    }
}
