using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Oracle;

/// <summary>Random definitions and random streams: the engine says what an engine says that keeps every event and computes everything anew.</summary>
[TestClass]
public sealed class EngineOracleTests
{
    private const int StreamsPerDefinition = 4;

    /// <summary>Values that are not of nothing, of each pair of window and aggregate.</summary>
    private const int ExercisedEnough = 100;

    [TestMethod]
    public void EveryValueAfterEveryEventIsTheNaiveOne() => EveryValueIsNaive(2500);

    [TestMethod]
    [TestCategory("Soak")]
    public void EveryValueAfterEveryEventIsTheNaiveOneInManyMoreCases() => EveryValueIsNaive(100_000);

    /// <summary>Any order within the lateness: the same bits where the value does not depend on rounding, else both within what the oracle allows.</summary>
    [TestMethod]
    public void TheOrderOfArrivalDoesNotShow() => ForEachStream(600, (definition, stream) =>
    {
        if (stream.Sorted.Count == 0)
            return;
        var inOrder = new EngineBlock(definition.Plan);
        var asArrived = new EngineBlock(definition.Plan);
        var naive = new NaiveEngine(definition.Sources, definition.Features);
        foreach (var @event in stream.Sorted)
        {
            inOrder.Apply(@event);
            naive.Apply(@event);
        }

        foreach (var @event in stream.Disordered())
            asArrived.Apply(@event);
        for (var read = 0; read < 3; read++)
        {
            var asOfMs = stream.AsOfMs(naive);
            for (var feature = 0; feature < definition.Features.Count; feature++)
            {
                // What a limit drops depends on the order.
                if (definition.Features[feature].Definition.Window is WindowDefinition.Sliding { Limit: not WindowDefinition.LimitDefault })
                    continue;
                var expected = naive.Value(definition.Features[feature], asOfMs);
                var (left, right) = (inOrder.Json(asOfMs, feature), asArrived.Json(asOfMs, feature));
                if (expected.IsExact ? left.GetRawText() != right.GetRawText() : !expected.Fits(left) || !expected.Fits(right))
                    Assert.Fail($"{stream.Name}: as of {asOfMs} {RandomDefinition.Describe(definition.Features[feature].Definition)} is {left} in order and {right} as it arrived; expected {expected}{Context(definition)}");
            }
        }
    });

    /// <summary>Every event taken back, in any order, leaves an entity that reads as one that was never seen.</summary>
    [TestMethod]
    public void TakingBackEveryEventLeavesNothing()
    {
        var taken = 0;
        ForEachStream(1500, (definition, stream) =>
        {
            if (definition.Sources.Any(source => source.Envelope != EventEnvelope.Debezium) || stream.Sorted.Count == 0)
                return;
            var block = new EngineBlock(definition.Plan);
            foreach (var @event in stream.Disordered())
                block.Apply(@event);
            var events = stream.Sorted.ToArray();
            new Random(events.Length).Shuffle(events);
            if (!events.All(block.CanRetract))
                return;
            foreach (var @event in events)
                block.Retract(@event);
            Interlocked.Increment(ref taken);
            var asOfMs = stream.Sorted[^1].TimeMs + 1;
            for (var feature = 0; feature < definition.Features.Count; feature++)
                Assert.AreEqual(EngineBlock.Json(definition.Plan, default, asOfMs, feature).GetRawText(), block.Json(asOfMs, feature).GetRawText(), $"{stream.Name}: {RandomDefinition.Describe(definition.Features[feature].Definition)}{Context(definition)}");
        });
        Assert.IsTrue(Seeds.IsOne || taken > 200, $"{taken}");
    }

    [TestMethod]
    public void ABlockReadsTheSameCopiedAndResized()
    {
        var resizes = 0;
        ForEachStream(300, (definition, stream) =>
        {
            var naive = new NaiveEngine(definition.Sources, definition.Features);
            var block = new EngineBlock(definition.Plan)
            {
                Resized = (before, after) =>
                {
                    Interlocked.Increment(ref resizes);
                    var asOfMs = stream.AsOfMs(naive);
                    Assert.AreEqual(before.AllJson(asOfMs), after.AllJson(asOfMs), $"{stream.Name}{Context(definition)}");
                },
            };
            foreach (var @event in stream.Disordered())
            {
                block.Apply(@event);
                naive.Apply(@event);
                Assert.IsNull(definition.Plan.Check(block.Bytes), stream.Name);
                var copy = new EngineBlock(definition.Plan, block.Bytes);
                var asOfMs = stream.AsOfMs(naive);
                Assert.AreEqual(block.AllJson(asOfMs), copy.AllJson(asOfMs), stream.Name);
                Assert.IsTrue(copy.Bytes.SequenceEqual(block.Bytes), $"{stream.Name}: reading changes the block");
            }
        });
        Assert.IsTrue(Seeds.IsOne || resizes > 500, $"{resizes}");
    }

    /// <summary>A migrated block reads as before, goes on as before, and what was added to the definitions is empty.</summary>
    [TestMethod]
    public void AMigratedBlockGoesOnAsBefore() => ForEachStream(300, (definition, stream) =>
    {
        var events = stream.Disordered();
        var block = new EngineBlock(definition.Plan);
        events.Take(events.Count / 2).ToList().ForEach(block.Apply);
        var grown = new EngineBlock(definition.Grown.Value, PlanFixture.Migrate(definition.Grown.Value, definition.Plan.Layout, block.Bytes));
        var back = new EngineBlock(definition.Plan, PlanFixture.Migrate(definition.Plan, definition.Grown.Value.Layout, grown.Bytes));
        var asOfMs = events.Count == 0 ? 0 : events.Max(e => e.TimeMs);
        for (var number = events.Count / 2; ; number++)
        {
            var expected = block.AllJson(asOfMs);
            Assert.AreEqual($"added: 0{Environment.NewLine}{expected}{Environment.NewLine}added: 0", grown.AllJson(asOfMs), $"{stream.Name}{Context(definition)}");
            Assert.AreEqual(expected, back.AllJson(asOfMs), stream.Name);
            if (number >= events.Count || events[number].C > 1000)
                break;
            foreach (var target in new[] { block, grown, back })
                target.Apply(events[number]);
        }
    });

    [TestMethod]
    public void ApplyRetractAndReadAllocateNothing() => ForEachStream(200, (definition, stream) =>
    {
        // An expression that makes a text or a list may.
        if (definition.Features.Any(feature => feature.Of is not null && RandomDefinition.MakesValues(feature.Of)))
            return;
        var arrivals = stream.Disordered();
        var values = new double[definition.Features.Count];
        // Memory that a thread keeps for itself is there after the first time.
        for (var round = 0; round < 2; round++)
        {
            var block = new EngineBlock(definition.Plan);
            var read = 0L;
            foreach (var @event in arrivals)
            {
                block.Apply(@event);
                if (definition.Sources[@event.Source].Envelope == EventEnvelope.Debezium && @event.TimeMs % 3 == 0 && block.CanRetract(@event))
                    block.Retract(@event);
                var before = GC.GetAllocatedBytesForCurrentThread();
                block.Read(@event.TimeMs, values);
                read += GC.GetAllocatedBytesForCurrentThread() - before;
            }

            if (round == 1)
                Assert.AreEqual((0, 0), (block.AllocatedBytes, read), $"{stream.Name}: applying and reading{Context(definition)}");
        }
    });

    private static void EveryValueIsNaive(int definitionCount)
    {
        var exercised = new ConcurrentDictionary<(string Window, Aggregate Aggregate), int>();
        ForEachStream(definitionCount, (definition, stream) =>
        {
            var block = new EngineBlock(definition.Plan);
            var naive = new NaiveEngine(definition.Sources, definition.Features);
            var live = new List<TestEvent>();
            Compare(definition, stream, block, naive, "at first", exercised);
            var number = 0;
            foreach (var @event in stream.Disordered())
            {
                if (stream.Retraction(live, naive) is { } retraction && CanRetract(definition, stream, block, naive, retraction))
                {
                    block.Retract(retraction);
                    naive.Retract(retraction);
                    live.Remove(retraction);
                    Compare(definition, stream, block, naive, $"after the retraction ({retraction})", exercised);
                }

                block.Apply(@event);
                naive.Apply(@event);
                live.Add(@event);
                Compare(definition, stream, block, naive, $"after event {++number} ({@event})", exercised);
            }
        });
        if (Seeds.IsOne)
            return;
        var missing = Windows().SelectMany(window => Enum.GetValues<Aggregate>().Where(aggregate => RandomDefinition.IsAllowed(window, aggregate, isRetractable: false))
            .Select(aggregate => (RandomDefinition.KindOf(window), aggregate))).Where(pair => exercised.GetValueOrDefault(pair) < ExercisedEnough);
        Assert.IsEmpty(missing, string.Join(", ", missing));
        Console.WriteLine($"each of {exercised.Count} pairs of window and aggregate gave {ExercisedEnough} values or more that are not of nothing");
    }

    /// <summary>An event within the lateness can always be taken back; an older one not where a session or the last n may have settled it.</summary>
    private static bool CanRetract(RandomDefinition definition, RandomStream stream, EngineBlock block, NaiveEngine naive, TestEvent retraction)
    {
        var can = block.CanRetract(retraction);
        var newestMs = naive.NewestMs(retraction.Source);
        var mayBeSettled = definition.Features.Any(feature => feature.Source == retraction.Source && feature.Definition.Window is WindowDefinition.Session or WindowDefinition.Last);
        if (!can && (!mayBeSettled || newestMs == long.MinValue || retraction.TimeMs >= newestMs - naive.DisorderMs(retraction.Source)))
            Assert.Fail($"{stream.Name}: ({retraction}) cannot be retracted, though the newest event is at {newestMs}{Context(definition)}");
        return can;
    }

    private static void Compare(
        RandomDefinition definition, RandomStream stream, EngineBlock block, NaiveEngine naive, string when, ConcurrentDictionary<(string, Aggregate), int> exercised)
    {
        if (definition.Plan.Check(block.Bytes) is { } problem)
            Assert.Fail($"{stream.Name} {when}: the block {problem}{Context(definition)}");
        var asOfMs = stream.AsOfMs(naive);
        var values = block.Read(asOfMs);
        for (var index = 0; index < values.Length; index++)
        {
            var feature = definition.Features[index];
            var expected = naive.Value(feature, asOfMs);
            var isNumber = definition.Plan.Features[index].Kind is FeatureKind.Number or FeatureKind.Integer;
            Assert.AreEqual(KindOf(feature), definition.Plan.Features[index].Kind, $"{feature.Definition}");
            var fits = isNumber ? expected.Fits(values[index]) : double.IsNaN(values[index]);
            if (!isNumber || index % 8 == asOfMs % 8)
            {
                var json = block.Json(asOfMs, index);
                fits &= expected.Fits(json) && (!isNumber || IsSame(values[index], json));
            }

            if (!fits)
            {
                Assert.Fail(string.Create(CultureInfo.InvariantCulture,
                    $"{stream.Name} {when}: as of {asOfMs} {RandomDefinition.Describe(feature.Definition)} is {values[index]:R}, {block.Json(asOfMs, index)}; expected {expected}{Context(definition)}"));
            }

            var pair = (RandomDefinition.KindOf(feature.Definition.Window), feature.Definition.Aggregate);
            if (exercised.GetValueOrDefault(pair) < ExercisedEnough && !naive.IsEmpty(feature, asOfMs))
                exercised.AddOrUpdate(pair, 1, (_, count) => count + 1);
        }
    }

    private static bool IsSame(double number, JsonElement json) =>
        double.IsNaN(number) ? json.ValueKind == JsonValueKind.Null : json.ValueKind == JsonValueKind.Number && BitConverter.DoubleToInt64Bits(json.GetDouble()) == BitConverter.DoubleToInt64Bits(number);

    private static FeatureKind KindOf(NaiveFeature feature)
    {
        var isText = feature.Of?.Text.Contains('S', StringComparison.Ordinal) == true && feature.Of.Text != "TS";
        return feature.Definition switch
        {
            { By: not null } => FeatureKind.Map,
            { Aggregate: Aggregate.TopK } => FeatureKind.TopList,
            { Aggregate: Aggregate.Histogram } => FeatureKind.NumberList,
            { Aggregate: Aggregate.FirstN or Aggregate.LastN } => isText ? FeatureKind.TextList : FeatureKind.NumberList,
            { Aggregate: Aggregate.First or Aggregate.Last } when isText => FeatureKind.Text,
            { Aggregate: Aggregate.Sum or Aggregate.Min or Aggregate.Max or Aggregate.First or Aggregate.Last } when feature.Of!.IsInteger => FeatureKind.Integer,
            _ => FeatureKind.Number,
        };
    }

    /// <summary>One of each kind.</summary>
    private static WindowDefinition?[] Windows()
    {
        var day = TimeSpan.FromDays(1);
        return
        [
            null, new WindowDefinition.Sliding(day), new WindowDefinition.Sliding(day) { Delay = day }, new WindowDefinition.Sliding(day) { Tile = day },
            new WindowDefinition.Sliding(day) { Tile = day, Delay = day }, new WindowDefinition.Tumbling(day), new WindowDefinition.Tumbling(day) { Closed = true },
            new WindowDefinition.Session(day), new WindowDefinition.Session(day) { Closed = 1 }, new WindowDefinition.Last(1),
        ];
    }

    private static string Context(RandomDefinition definition) => $"{Environment.NewLine}{definition}";

    private static void ForEachStream(int definitionCount, Action<RandomDefinition, RandomStream> test)
    {
        var seeds = Seeds.Of(definitionCount).ToList();
        Console.WriteLine($"seeds {seeds[0]} to {seeds[^1]}, {seeds.Count * StreamsPerDefinition} cases");
        Parallel.ForEach(seeds, seed =>
        {
            var definition = new RandomDefinition(seed);
            for (var number = 0; number < StreamsPerDefinition; number++)
            {
                var stream = new RandomStream(definition, number);
                try
                {
                    test(definition, stream);
                }
                catch (Exception exception) when (exception is not AssertFailedException)
                {
                    throw new InvalidOperationException($"{stream.Name}{Context(definition)}", exception);
                }
            }
        });
    }
}
