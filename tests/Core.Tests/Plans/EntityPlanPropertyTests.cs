using System.Globalization;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>Random definitions and random streams: the engine says what an engine says that keeps every event and computes everything anew.</summary>
[TestClass]
public sealed class EntityPlanPropertyTests
{
    private const int DefinitionCount = 600;
    private const int StreamsPerDefinition = 10;

    [TestMethod]
    public void EveryValueAfterEveryEventIsTheNaiveOne() => ForEachCase((entity, name) =>
    {
        var block = new TestBlock(entity.Plan);
        var naive = new NaiveEntity(entity);
        var newestMs = long.MinValue;
        var applied = 0;
        foreach (var @event in entity.Disordered(entity.SortedStream()))
        {
            block.Apply(@event);
            naive.Apply(@event);
            newestMs = Math.Max(newestMs, @event.TimeMs);
            Assert.AreEqual(++applied, EntityPlan.Sequence(block.Bytes));
            Assert.AreEqual(naive.Overflowed, entity.Plan.Overflowed(block.Bytes), name);
            Assert.IsNull(entity.Plan.Check(block.Bytes), name);
            Compare(entity, block, naive, @event.TimeMs, $"{name}, event {applied} ({@event})");
            Compare(entity, block, naive, entity.AsOfMs(newestMs), $"{name}, event {applied} ({@event})");
        }
    });

    [TestMethod]
    public void TheOrderOfArrivalDoesNotShow() => ForEachCase((entity, name) =>
    {
        var sorted = entity.SortedStream();
        if (sorted.Count == 0)
            return;
        var (inOrder, asArrived) = (new TestBlock(entity.Plan), new TestBlock(entity.Plan));
        sorted.ForEach(inOrder.Apply);
        var arrivals = entity.Disordered(sorted);
        arrivals.ForEach(asArrived.Apply);
        for (var read = 0; read < 5; read++)
        {
            var asOfMs = entity.AsOfMs(sorted[^1].TimeMs);
            var (expected, actual) = (inOrder.Read(asOfMs), asArrived.Read(asOfMs));
            for (var feature = 0; feature < expected.Length; feature++)
            {
                // Only lifetime sums with huge or tiny inputs depend on the order, by rounding: the property above bounds that.
                if (entity.Features[feature].Definition is { Window: null, Aggregate: Aggregate.Sum or Aggregate.Mean } &&
                    sorted.Any(e => entity.Features[feature].Of!.Evaluate(e) is { } input && double.IsFinite(input) && !ExactSum.IsFixedPoint(input)))
                    continue;
                Assert.AreEqual(
                    BitConverter.DoubleToInt64Bits(expected[feature]), BitConverter.DoubleToInt64Bits(actual[feature]),
                    $"{name}: {entity.Features[feature].Definition} as of {asOfMs} is {expected[feature]:R} in order and {actual[feature]:R} after {string.Join("; ", arrivals)}");
            }
        }
    });

    private static void ForEachCase(Action<RandomEntity, string> test)
    {
        var seeds = Seeds.Of(DefinitionCount).ToList();
        Console.WriteLine($"seeds {seeds[0]} to {seeds[^1]}");
        Parallel.ForEach(seeds, seed =>
        {
            var entity = new RandomEntity(new Random(seed));
            for (var stream = 0; stream < StreamsPerDefinition; stream++)
            {
                var name = $"FEATURESTORE_SEED={seed}, stream {stream}";
                try
                {
                    test(entity, name);
                }
                catch (Exception exception) when (exception is not AssertFailedException)
                {
                    throw new InvalidOperationException(name, exception);
                }
            }
        });
    }

    private static void Compare(RandomEntity entity, TestBlock block, NaiveEntity naive, long asOfMs, string name)
    {
        var values = block.Read(asOfMs);
        for (var feature = 0; feature < values.Length; feature++)
        {
            var expected = naive.Value(entity.Features[feature], asOfMs);
            if (!expected.Fits(values[feature]))
            {
                Assert.Fail(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{name}: {entity.Features[feature].Definition} as of {asOfMs} is {values[feature]:R}, expected {expected.Value:R} ± {expected.Tolerance:R}"));
            }
        }
    }
}
