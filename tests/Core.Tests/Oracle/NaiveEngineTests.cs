using System.Globalization;
using System.Text.Json;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Oracle;

/// <summary>The oracle's own answers, worked out by hand: what the windows and aggregates mean.</summary>
[TestClass]
public sealed class NaiveEngineTests
{
    private const long DayMs = 86_400_000;

    private static readonly Input _a = new("A", e => e.A), _s = new("S", e => e.S);

    [TestMethod]
    [DataRow("sliding 10", "1 5 11 15", 15, "11 15", DisplayName = "the old end is open")]
    [DataRow("sliding 10", "1 5 11 15", 11, "5 11", DisplayName = "as of t, later events are left out")]
    [DataRow("sliding 10 delay 5", "1 5 6 15 16", 20, "6 15", DisplayName = "a delay moves both ends")]
    [DataRow("sliding 10 tile 4", "3 4 7 8 15", 15, "4 7 8 15", DisplayName = "the oldest tile counts whole")]
    [DataRow("sliding 10 tile 4", "3 4 7 8 15", 9, "4 7 8 15", DisplayName = "a tiled window is as of its newest event")]
    [DataRow("sliding 10 tile 4", "-6 -5 -4 3", 3, "-6 -5 -4 3", DisplayName = "tiles before the epoch")]
    [DataRow("sliding 10 tile 4", "-9 -8 3", 3, "-8 3", DisplayName = "tiles before the epoch begin at multiples, too")]
    [DataRow("sliding 10 tile 4 delay 4", "0 3 4 10 11 12 13", 15, "0 3 4 10 11", DisplayName = "with a delay a tile that ends at t − delay counts")]
    [DataRow("sliding 10 tile 4 delay 4", "0 3 4 10 11 12 13", 14, "0 3 4", DisplayName = "one that ends after t − delay does not")]
    [DataRow("tumbling 10", "9 10 19 20", 19, "10 19", DisplayName = "a period's end is open")]
    [DataRow("tumbling 10", "9 10 19 20", 12, "10 19", DisplayName = "an open period counts all events in it")]
    [DataRow("tumbling 10", "9 10 19 20", 30, "", DisplayName = "nothing in the period that holds t")]
    [DataRow("tumbling 10 closed", "9 10 19 20", 20, "10 19", DisplayName = "as of its very end a period is closed")]
    [DataRow("tumbling 10 closed", "9 10 19 20", 19, "9")]
    [DataRow("tumbling 10 offset 3", "2 3 12 13", 12, "3 12")]
    [DataRow("tumbling 10 offset 3", "-8 -7 2", 2, "-7 2", DisplayName = "periods before the epoch")]
    [DataRow("session 5", "1 5 10 14", 18, "10 14", DisplayName = "the gap is exclusive")]
    [DataRow("session 5", "1 5 10 14", 19, "", DisplayName = "gone when t is last + gap")]
    [DataRow("session 5", "1 5 9 13", 13, "1 5 9 13")]
    [DataRow("session 5 max 10", "1 5 9 11 12", 12, "12", DisplayName = "first + max belongs to the session, later does not")]
    [DataRow("session 5 closed 1", "1 5 10 14", 18, "1 5")]
    [DataRow("session 5 closed 1", "1 5 10 14", 19, "10 14")]
    [DataRow("session 5 closed 2", "1 5 10 14 30", 30, "1 5 10 14")]
    [DataRow("session 5 max 10 closed 1", "1 5 9 11 12", 12, "1 5 9 11", DisplayName = "a session that grew too long is closed by the next")]
    [DataRow("last 2", "1 5 5 7", 7, "5 7")]
    [DataRow("last 2", "1 5 5 7", 6, "5 5")]
    [DataRow("", "1 5 7", 0, "1 5 7", DisplayName = "a lifetime covers all")]
    public void AWindowCovers(string window, string times, long asOfMs, string covered)
    {
        List<TestEvent> events = [.. Numbers(times).Select(time => new TestEvent(0, time))];
        var actual = NaiveWindow.Of(Window(window), events, events[^1].TimeMs, asOfMs);
        Assert.AreEqual(covered, string.Join(' ', actual.Events.Select(e => e.TimeMs)));
    }

    [TestMethod]
    [DataRow("Europe/Berlin", 24, 0, "2018-06-01T12:00Z", "2018-05-31T22:00Z", "2018-06-01T22:00Z")]
    [DataRow("Europe/Berlin", 24, 0, "2018-03-25T12:00Z", "2018-03-24T23:00Z", "2018-03-25T22:00Z", DisplayName = "a day of 23 hours")]
    [DataRow("Europe/Berlin", 24, 0, "2018-10-28T12:00Z", "2018-10-27T22:00Z", "2018-10-28T23:00Z", DisplayName = "a day of 25 hours")]
    [DataRow("Europe/Berlin", 24, 6, "2018-10-28T04:59Z", "2018-10-27T04:00Z", "2018-10-28T05:00Z")]
    [DataRow("America/Sao_Paulo", 24, 0, "2018-11-04T03:00Z", "2018-11-04T03:00Z", "2018-11-05T02:00Z", DisplayName = "a day whose midnight is skipped")]
    [DataRow("America/Sao_Paulo", 24, 0, "2018-02-18T02:30Z", "2018-02-17T02:00Z", "2018-02-18T03:00Z", DisplayName = "the hour before midnight comes twice")]
    [DataRow("UTC", 168, 0, "2018-06-01T12:00Z", "2018-05-31T00:00Z", "2018-06-07T00:00Z", DisplayName = "weeks are counted from the epoch, a Thursday")]
    [DataRow("Asia/Kolkata", 6, 1, "2018-06-01T00:00Z", "2018-05-31T19:30Z", "2018-06-01T01:30Z")]
    [DataRow("Europe/Berlin", 1, 0, "2018-10-28T01:30Z", "2018-10-28T01:00Z", "2018-10-28T02:00Z", DisplayName = "the hour that comes twice is two periods")]
    public void APeriodBeginsAndEndsByTheZonesClock(string zone, int hours, int offsetHours, string time, string from, string to)
    {
        var period = new NaiveZone(zone, hours * DayMs / 24, offsetHours * DayMs / 24).Period(Ms(time));
        Assert.AreEqual((Ms(from), Ms(to)), period);
        Assert.AreEqual(period, new NaiveZone(zone, hours * DayMs / 24, offsetHours * DayMs / 24).Period(period.FromMs));
        Assert.AreEqual(period, new NaiveZone(zone, hours * DayMs / 24, offsetHours * DayMs / 24).Period(period.ToMs - 1));

        static long Ms(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture).ToUnixTimeMilliseconds();
    }

    /// <summary>Events at 10 ms, 20 ms …, read as of 100 ms; a value that differs by one part in a million does not fit.</summary>
    [TestMethod]
    [DataRow(Aggregate.Count, "1 null 3", "2")]
    [DataRow(Aggregate.Count, "1 NaN Infinity", "1")]
    [DataRow(Aggregate.Count, "", "0")]
    [DataRow(Aggregate.Sum, "0.1 0.2 -0.3 0.5", "0.5")]
    [DataRow(Aggregate.Sum, "1.7e308 1.7e308", "null")]
    [DataRow(Aggregate.Sum, "", "0")]
    [DataRow(Aggregate.Mean, "1 null 2", "1.5")]
    [DataRow(Aggregate.Mean, "", "null")]
    [DataRow(Aggregate.Min, "3 -1 2", "-1")]
    [DataRow(Aggregate.Max, "3 -1 2", "3")]
    [DataRow(Aggregate.Max, "null", "null")]
    [DataRow(Aggregate.Variance, "2 4 4 4 5 5 7 9", "4")]
    [DataRow(Aggregate.Stddev, "2 4 4 4 5 5 7 9", "2")]
    [DataRow(Aggregate.Variance, "5", "0")]
    [DataRow(Aggregate.Skew, "0 0 3", "0.7071067811865476")]
    [DataRow(Aggregate.Skew, "0.1 0.1 0.1", "null")]
    [DataRow(Aggregate.Kurtosis, "0 0 1 1", "-2")]
    [DataRow(Aggregate.First, "null 2 3", "2")]
    [DataRow(Aggregate.Last, "2 3 null", "3")]
    [DataRow(Aggregate.FirstN, "5 4 3 2", "[5,4]")]
    [DataRow(Aggregate.LastN, "5 4 3 2", "[3,2]")]
    [DataRow(Aggregate.LastN, "", "null")]
    [DataRow(Aggregate.CountDistinct, "1 1 2 0 -0", "3")]
    [DataRow(Aggregate.CountDistinct, "1 2 3 4 5 6 7", "5")]
    [DataRow(Aggregate.ApproxCountDistinct, "", "0")]
    [DataRow(Aggregate.TopK, "2 1 1 2 3 3 3", """[{"value":3,"count":3},{"value":1,"count":2}]""")]
    [DataRow(Aggregate.TopK, "", "null")]
    [DataRow(Aggregate.Histogram, "-1 0 5 9.9 10 100", "[1,3,2]")]
    [DataRow(Aggregate.DecayedSum, "0 0 0 0 0 0 0 0 4 2", "4")]
    [DataRow(Aggregate.DecayedCount, "1 null null null null null null null 1 1", "1.501953125")]
    [DataRow(Aggregate.DecayedMean, "null null null null null null null null 6 3", "4")]
    [DataRow(Aggregate.TimeSinceLast, "1 1 1", "0.07")]
    [DataRow(Aggregate.TimeBetween, "1 1 1", "0.01")]
    [DataRow(Aggregate.TimeBetween, "1", "null")]
    public void AnAggregateMakesOfNumbers(Aggregate aggregate, string values, string expected) => AnAggregateMakes(new FeatureDefinition { Name = "f", Aggregate = aggregate, Of = "A" }, values, expected);

    [TestMethod]
    [DataRow(Aggregate.Variance, "2 4", "2")]
    [DataRow(Aggregate.Variance, "2", "null")]
    [DataRow(Aggregate.Stddev, "1 2 3", "1")]
    [DataRow(Aggregate.Skew, "0 0 3", "1.7320508075688772")]
    [DataRow(Aggregate.Skew, "0 3", "null")]
    [DataRow(Aggregate.Kurtosis, "0 0 1 1", "-6")]
    [DataRow(Aggregate.Kurtosis, "0 0 1", "null")]
    [DataRow(Aggregate.Kurtosis, "1 1 1 1", "null")]
    public void OfASampleItIs(Aggregate aggregate, string values, string expected) =>
        AnAggregateMakes(new FeatureDefinition { Name = "f", Aggregate = aggregate, Of = "A", Sample = true }, values, expected);

    [TestMethod]
    [DataRow(Aggregate.Rate, "sliding 50", "1 1 1 1 1 1 1 1 1 1", "100")]
    [DataRow(Aggregate.Rate, "tumbling 50", "1 1", "0")]
    [DataRow(Aggregate.SessionCount, "session 15 closed 3", "1 1 1", "1")]
    [DataRow(Aggregate.SessionDuration, "session 15 closed 3", "1 1 1", "0.02")]
    [DataRow(Aggregate.SessionStart, "session 15 closed 3", "1 1 1", "10")]
    [DataRow(Aggregate.SessionStart, "session 5 closed 2", "1 1 1", "20")]
    [DataRow(Aggregate.SessionCount, "session 15", "1 1 1", "0")]
    [DataRow(Aggregate.SessionStart, "session 15", "1 1 1", "null")]
    [DataRow(Aggregate.DecayedSum, "tumbling 100 closed", "1 2 4 8", "0.166015625")]
    [DataRow(Aggregate.Quantile, "sliding 90", "1 2 3 4", "3", DisplayName = "the middle of 2, 3, 4: the event at 10 has left")]
    public void InAWindowItIs(Aggregate aggregate, string window, string values, string expected) =>
        AnAggregateMakes(new FeatureDefinition { Name = "f", Aggregate = aggregate, Of = aggregate is Aggregate.Rate or >= Aggregate.SessionCount ? null : "A", Window = Window(window) }, values, expected);

    [TestMethod]
    [DataRow(Aggregate.Last, "a b", "\"b\"")]
    [DataRow(Aggregate.First, "x64 b", "\"b\"", DisplayName = "a text of more than 63 bytes is skipped")]
    [DataRow(Aggregate.Count, "x64 b", "2", DisplayName = "but it counts")]
    [DataRow(Aggregate.TopK, "b a é b a é", """[{"value":"a","count":2},{"value":"b","count":2}]""")]
    [DataRow(Aggregate.LastN, "c b a", """["b","a"]""")]
    [DataRow(Aggregate.CountDistinct, "c b c", "2")]
    public void AnAggregateMakesOfTexts(Aggregate aggregate, string texts, string expected)
    {
        var definition = WithParameters(new FeatureDefinition { Name = "f", Aggregate = aggregate, Of = "S" });
        var feature = new NaiveFeature(0, definition, Condition.Always, _s, null);
        var naive = new NaiveEngine([TestEntity.Source(0)], [feature]);
        var timeMs = 0;
        foreach (var text in texts.Split(' '))
            naive.Apply(new TestEvent(0, timeMs += 10) { S = text == "x64" ? new string('x', 64) : text });
        Fits(naive.Value(feature, 100), expected);
    }

    [TestMethod]
    [DataRow(50, "a:1 b:2 a:4 null:8", """{"a":5,"b":2}""")]
    [DataRow(50, "a:1 b:null", """{"a":1}""", DisplayName = "a key whose inputs are all skipped is not there")]
    [DataRow(50, "", "{}")]
    [DataRow(2, "a:1 b:2 c:3", """{"b":2,"c":3}""", DisplayName = "the key longest unseen goes")]
    public void ByAFieldItIsAMap(int limit, string events, string expected)
    {
        var feature = new NaiveFeature(0, new FeatureDefinition { Name = "f", Aggregate = Aggregate.Sum, Of = "A", By = "S", Limit = limit }, Condition.Always, _a, _s);
        var naive = new NaiveEngine([TestEntity.Source(0)], [feature]);
        var timeMs = 0;
        foreach (var text in events.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => text.Split(':')))
            naive.Apply(new TestEvent(0, timeMs += 10) { S = text[0] == "null" ? null : text[0], A = Numbers<double>(text[1]).Single() });
        Fits(naive.Value(feature, 100), expected);
        Assert.IsFalse(naive.Value(feature, 100).Fits(Json("""{"z":1}""")));
    }

    [TestMethod]
    public void TheOrderIsThatOfTimeThenOfArrival()
    {
        var feature = Number(Aggregate.LastN, new WindowDefinition.Last(3)) with { Definition = WithParameters(new FeatureDefinition { Name = "f", Aggregate = Aggregate.LastN, Of = "A" }) with { N = 3 } };
        var naive = new NaiveEngine([TestEntity.Source(0, latenessMs: 10)], [feature]);
        foreach (var (timeMs, value) in new[] { (20, 1.0), (15, 2), (20, 3), (15, 4) })
            naive.Apply(new TestEvent(0, timeMs) { A = value });
        Fits(naive.Value(feature, 20), "[4,1,3]");
    }

    [TestMethod]
    public void ARetractionLeavesWhatItWouldBeWithout()
    {
        var feature = Number(Aggregate.Max, new WindowDefinition.Sliding(TimeSpan.FromMilliseconds(100)));
        var naive = new NaiveEngine([TestEntity.Source(0)], [feature]);
        naive.Apply(new TestEvent(0, 10) { A = 1 });
        naive.Apply(new TestEvent(0, 20) { A = 2 });
        Assert.IsFalse(naive.Retract(new TestEvent(0, 20) { A = 3 }));
        Fits(naive.Value(feature, 20), "2");
        Assert.IsTrue(naive.Retract(new TestEvent(0, 20) { A = 2 }));
        Assert.IsFalse(naive.Retract(new TestEvent(0, 20) { A = 2 }));
        Fits(naive.Value(feature, 20), "1");
    }

    [TestMethod]
    public void AFullWindowForgetsTheOldest()
    {
        var feature = Number(Aggregate.Sum, new WindowDefinition.Sliding(TimeSpan.FromMilliseconds(100)) { Limit = 2 });
        var naive = new NaiveEngine([TestEntity.Source(0, latenessMs: 100)], [feature]);
        foreach (var (timeMs, value) in new[] { (10, 1), (20, 2), (5, 4), (10, 8), (15, 16) })
            naive.Apply(new TestEvent(0, timeMs) { A = value });
        Fits(naive.Value(feature, 20), "18");
    }

    [TestMethod]
    public void AQuantileFromASketchIsWithinOnePercent()
    {
        var feature = Number(Aggregate.Quantile, null);
        feature = feature with { Definition = WithParameters(feature.Definition) };
        var naive = new NaiveEngine([TestEntity.Source(0)], [feature]);
        for (var value = 1; value <= 5; value++)
            naive.Apply(new TestEvent(0, value) { A = value });
        Assert.IsTrue(naive.Value(feature, 100).Fits(2.98) && naive.Value(feature, 100).Fits(3.03));
        Assert.IsFalse(naive.Value(feature, 100).Fits(2.96) || naive.Value(feature, 100).Fits(3.04));
    }

    [TestMethod]
    public void DefaultStandsInForNull()
    {
        var feature = Number(Aggregate.Mean, null);
        feature = feature with { Definition = feature.Definition with { Default = -1.5 } };
        Fits(new NaiveEngine([TestEntity.Source(0)], [feature]).Value(feature, 0), "-1.5");
    }

    private static NaiveFeature Number(Aggregate aggregate, WindowDefinition? window) =>
        new(0, new FeatureDefinition { Name = "f", Aggregate = aggregate, Of = "A", Window = window }, Condition.Always, _a, null);

    private static FeatureDefinition WithParameters(FeatureDefinition definition) => definition with
    {
        N = 2,
        K = 2,
        Q = 0.5,
        HalfLife = TimeSpan.FromMilliseconds(10),
        Bounds = [0, 10],
        Limit = definition.Aggregate == Aggregate.CountDistinct ? 5 : null,
    };

    private static void AnAggregateMakes(FeatureDefinition definition, string values, string expected)
    {
        definition = WithParameters(definition);
        var feature = new NaiveFeature(0, definition, Condition.Always, definition.Of is null ? null : _a, null);
        var naive = new NaiveEngine([TestEntity.Source(0)], [feature]);
        var timeMs = 0;
        foreach (var value in Numbers<double>(values))
            naive.Apply(new TestEvent(0, timeMs += 10) { A = value });
        Fits(naive.Value(feature, 100), expected);
    }

    private static void Fits(Expectation actual, string expected)
    {
        Assert.IsTrue(actual.Fits(Json(expected)), $"{actual}");
        // It is no oracle that takes anything else.
        Assert.IsFalse(actual.Fits(Json("[7e77]")) || actual.Fits(Json("-7e77")) || actual.Fits(Json("\"7e77\"")), $"{actual}");
        if (double.TryParse(expected, CultureInfo.InvariantCulture, out var number))
            Assert.IsFalse(actual.Fits(Json((number * 1.000001 + (number == 0 ? 2 : 0)).ToString("R", CultureInfo.InvariantCulture))), $"{actual}");
    }

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private static List<long> Numbers(string text) => [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(number => long.Parse(number, CultureInfo.InvariantCulture))];

    private static List<T?> Numbers<T>(string text)
        where T : struct, IParsable<T> =>
        [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(number => number == "null" ? (T?)null : T.Parse(number, CultureInfo.InvariantCulture))];

    /// <summary>As in "sliding 10 tile 4", in milliseconds; nothing: a lifetime.</summary>
    private static WindowDefinition? Window(string text)
    {
        var words = text.Split(' ');
        return words[0] switch
        {
            "sliding" => new WindowDefinition.Sliding(Duration(1)) { Delay = After("delay") ?? TimeSpan.Zero, Tile = After("tile") },
            "tumbling" => new WindowDefinition.Tumbling(Duration(1)) { Offset = After("offset") ?? TimeSpan.Zero, Closed = words.Contains("closed") },
            "session" => new WindowDefinition.Session(Duration(1)) { Max = After("max"), Closed = (int)(After("closed")?.TotalMilliseconds ?? 0) },
            "last" => new WindowDefinition.Last((int)Duration(1).TotalMilliseconds),
            _ => null,
        };

        TimeSpan Duration(int word) => TimeSpan.FromMilliseconds(int.Parse(words[word], CultureInfo.InvariantCulture));

        TimeSpan? After(string word) => Array.IndexOf(words, word) is >= 0 and var at ? Duration(at + 1) : null;
    }
}
