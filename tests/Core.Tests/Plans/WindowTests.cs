using FeatureStore.Core.Definitions;
using static FeatureStore.Core.Tests.Plans.PlanFixture;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>What windows cover at their borders.</summary>
[TestClass]
public sealed class WindowTests
{
    [TestMethod]
    public void TheOldestTileCountsWholeAndThatBeforeNotAtAll()
    {
        var plan = Plan(Feature(Aggregate.Sum, "A", Tiled(30, 10)));
        var block = Block(plan, (9, 1), (10, 2), (19, 4), (20, 8), (45, 16));
        // (t − 30, t]: the tile that holds t − 29.
        Assert.AreEqual(30, block.Read(45, 0));
        Assert.AreEqual(30, block.Read(48, 0));
        Assert.AreEqual(24, block.Read(49, 0));
        Assert.AreEqual(24, block.Read(58, 0));
        Assert.AreEqual(16, block.Read(59, 0));
        Assert.AreEqual(16, block.Read(78, 0));
        Assert.AreEqual(0, block.Read(79, 0));
        // Earlier than the newest event is as of that.
        Assert.AreEqual(30, block.Read(0, 0));
    }

    [TestMethod]
    public void ADelayedTileIsSeenOnceItHasEnded()
    {
        var plan = Plan(Feature(Aggregate.Count, null, Tiled(20, 10, 5)));
        var block = Block(plan, (0, 1), (9, 1), (10, 1));
        Assert.AreEqual(0, block.Read(13, 0));
        Assert.AreEqual(2, block.Read(14, 0));
        Assert.AreEqual(3, block.Read(24, 0));
        // t − 5 − 19 lies in the second tile.
        Assert.AreEqual(1, block.Read(34, 0));
        Assert.AreEqual(0, block.Read(44, 0));
    }

    [TestMethod]
    public void FineTilesBecomePartsOfCoarseOnes()
    {
        (long LengthMs, long TileMs)[] windows = [(HourMs, 5 * MinuteMs), (DayMs, 2 * HourMs), (7 * DayMs, 12 * HourMs), (30 * DayMs, 60 * HourMs)];
        Aggregate[] aggregates = [Aggregate.Count, Aggregate.Sum, Aggregate.Max];
        var plan = Plan([.. windows.SelectMany(window => aggregates.Select(aggregate =>
            Feature(aggregate, aggregate == Aggregate.Count ? null : "A", Tiled(window.LengthMs, window.TileMs)) with { Name = $"{aggregate}{window.LengthMs}" }))]);
        var block = new TestBlock(plan);
        var random = new Random(3);
        List<(long TimeMs, double A)> events = [];
        for (var timeMs = 1_527_811_200_000L; events.Count < 12_000; timeMs += random.Next((int)(10 * MinuteMs)))
        {
            events.Add((timeMs, random.Next(1000)));
            block.Apply(new TestEvent(0, timeMs) { A = events[^1].A });
            if (events.Count % 500 > 0)
                continue;
            Assert.IsNull(plan.Check(block.Bytes));
            Assert.IsLessThan(2048, block.Bytes.Length);
            var values = block.Read(timeMs);
            for (var window = 0; window < windows.Length; window++)
            {
                var fromMs = (timeMs - windows[window].LengthMs + 1) / windows[window].TileMs * windows[window].TileMs;
                var covered = events.Where(e => e.TimeMs >= fromMs).Select(e => e.A).ToList();
                CollectionAssert.AreEqual(new[] { covered.Count, covered.Sum(), covered.Max() }, values[(3 * window)..(3 * window + 3)]);
            }
        }
    }

    [TestMethod]
    public void APeriodIsClosedAtItsVeryEnd()
    {
        var window = new WindowDefinition.Tumbling(Ms(100)) { Offset = Ms(30) };
        var plan = Plan(Feature(Aggregate.Count, null, window), Feature(Aggregate.Count, null, window with { Closed = true }) with { Name = "closed" });
        var block = Block(plan, (30, 1), (129, 1), (130, 1));
        CollectionAssert.AreEqual(new[] { 1.0, 2 }, block.Read(229));
        CollectionAssert.AreEqual(new[] { 0.0, 1 }, block.Read(230));
        CollectionAssert.AreEqual(new[] { 0.0, 0 }, block.Read(330));
        CollectionAssert.AreEqual(new[] { 0.0, 0 }, block.Read(-100));
    }

    /// <summary>Berlin's clocks go from 2 to 3 on 2018-03-25, and from 3 to 2 on 2018-10-28.</summary>
    [TestMethod]
    [DataRow("2018-03-25T00:00+01:00", "2018-03-25T23:59+02:00", 24, true)]
    [DataRow("2018-03-24T23:59+01:00", "2018-03-25T00:00+01:00", 24, false)]
    [DataRow("2018-03-25T23:59+02:00", "2018-03-26T00:00+02:00", 24, false)]
    [DataRow("2018-10-28T00:00+02:00", "2018-10-28T23:59+01:00", 24, true)]
    [DataRow("2018-10-28T23:59+01:00", "2018-10-29T00:00+01:00", 24, false)]
    [DataRow("2018-10-28T02:30+02:00", "2018-10-28T02:30+01:00", 24, true)]
    [DataRow("2018-10-28T02:30+02:00", "2018-10-28T02:30+01:00", 1, false)]
    [DataRow("2018-03-25T01:59+01:00", "2018-03-25T03:00+02:00", 1, false)]
    [DataRow("2018-03-25T00:00+01:00", "2018-03-25T05:59+02:00", 6, true)]
    [DataRow("2018-03-25T00:00+01:00", "2018-03-25T06:00+02:00", 6, false)]
    public void DaysBeginAtLocalMidnight(string first, string second, int hours, bool areOnePeriod)
    {
        var plan = Plan(Feature(Aggregate.Count, null, new WindowDefinition.Tumbling(TimeSpan.FromHours(hours)) { TimeZone = "Europe/Berlin" }));
        var (firstMs, secondMs) = (Parse(first), Parse(second));
        Assert.AreEqual(areOnePeriod ? 2 : 1, Block(plan, (firstMs, 1), (secondMs, 1)).Read(secondMs, 0));

        static long Parse(string text) => DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture).ToUnixTimeMilliseconds();
    }

    [TestMethod]
    public void AnEventBetweenTwoSessionsMergesThem()
    {
        var session = new WindowDefinition.Session(Ms(10));
        var plan = Plan(
            TestEntity.Source(0, latenessMs: 100),
            Feature(Aggregate.Max, "A", session), Feature(Aggregate.Count, null, session with { Closed = 2 }) with { Name = "closed" },
            Feature(Aggregate.SessionDuration, null, session) with { Name = "duration" }, Feature(Aggregate.SessionStart, null, session with { Closed = 2 }) with { Name = "start" });
        var block = Block(plan, (0, 9), (9, 1), (18, 2), (28, 3));
        CollectionAssert.AreEqual(new[] { 3.0, 3, 0, 0 }, block.Read(30));
        block.Apply(new TestEvent(0, 19) { A = 4 });
        CollectionAssert.AreEqual(new[] { 9.0, 0, 0.028, double.NaN }, block.Read(37));
        CollectionAssert.AreEqual(new[] { double.NaN, 5, double.NaN, 0 }, block.Read(38));
    }

    [TestMethod]
    public void ASessionEndsAtItsGreatestLength()
    {
        var session = new WindowDefinition.Session(Ms(10)) { Max = Ms(15) };
        var plan = Plan(Feature(Aggregate.Count, null, session), Feature(Aggregate.Count, null, session with { Closed = 5 }) with { Name = "closed" }, Feature(Aggregate.SessionCount, null, session with { Closed = 5 }) with { Name = "sessions" });
        // 16 is less than the gap after 9, and later than 0 + 15.
        var block = Block(plan, (0, 1), (9, 1), (15, 1), (16, 1));
        CollectionAssert.AreEqual(new[] { 1.0, 3, 1 }, block.Read(16));
    }

    [TestMethod]
    public void SettledSessionsAreKeptAsLongAsTheyAreRead()
    {
        var session = new WindowDefinition.Session(Ms(10)) { Closed = 3 };
        var plan = Plan(Feature(Aggregate.Sum, "A", session), Feature(Aggregate.SessionCount, null, session) with { Name = "sessions" });
        var block = new TestBlock(plan);
        for (var i = 0; i < 1000; i++)
            block.Apply(new TestEvent(0, i * 10) { A = i });
        CollectionAssert.AreEqual(new[] { 996.0 + 997 + 998, 3 }, block.Read(9990));
        CollectionAssert.AreEqual(new[] { 997.0 + 998 + 999, 3 }, block.Read(10_000));
        Assert.IsLessThan(1000, block.Bytes.Length);
    }

    [TestMethod]
    public void LaterEventsAreLeftOutOfTheLast()
    {
        var plan = Plan(TestEntity.Source(0, latenessMs: 10), Feature(Aggregate.Sum, "A", new WindowDefinition.Last(2)));
        var block = Block(plan, (100, 1), (101, 2), (110, 4), (105, 8));
        Assert.AreEqual(12, block.Read(110, 0));
        Assert.AreEqual(10, block.Read(109, 0));
        Assert.AreEqual(3, block.Read(104, 0));
    }
}
