using System.Globalization;
using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Tests.Expressions;

[TestClass]
public class TimeTests
{
    public static IEnumerable<object[]> Timestamps => Bench.Table("""
        T → 2018-06-01T06:30:15.25Z
        OLD → 1969-12-31T23:59:59.999Z
        timestamp("2009-02-13T23:31:30Z") → 2009-02-13T23:31:30Z
        timestamp("2009-02-13T23:31:30.123456789Z") → 2009-02-13T23:31:30.123456789Z
        timestamp("2009-02-13T23:31:30+01:00") → 2009-02-13T22:31:30Z
        timestamp("2009-02-13T23:31:30-05:30") → 2009-02-14T05:01:30Z
        timestamp("2009-02-13t23:31:30z") → 2009-02-13T23:31:30Z
        timestamp("9999-12-31T23:59:59.999999999Z") → 9999-12-31T23:59:59.999999999Z
        timestamp(1234567890) → 2009-02-13T23:31:30Z
        timestamp(-1) → 1969-12-31T23:59:59Z
        timestamp(253402300799) → 9999-12-31T23:59:59Z
        timestamp(253402300800) → null
        timestamp(-62135596800) → 0001-01-01T00:00:00Z
        timestamp(-62135596801) → null
        timestamp(T) == T → true
        timestamp(dyn("2018-06-01T06:30:15.250Z")) == T → true
        timestamp(S) → null
        # Arithmetic
        T + duration("1h") → 2018-06-01T07:30:15.25Z
        duration("1h") + T → 2018-06-01T07:30:15.25Z
        T - duration("31s") → 2018-06-01T06:29:44.25Z
        T - OLD → 1527834615.251s
        OLD - T → -1527834615.251s
        OLD + duration("1ms") == timestamp(0) → true
        timestamp("0001-01-01T00:00:00Z") + duration("-1ns") → null
        timestamp("9999-12-31T23:59:59Z") + duration("1s") → null
        timestamp("9999-12-31T23:59:59.999999999Z") + duration("1ns") → null
        timestamp("0001-01-01T00:00:01.000000001Z") - duration("999999999ns") → 0001-01-01T00:00:00.000000002Z
        timestamp("9999-12-31T23:59:59Z") - timestamp("0001-01-01T00:00:00Z") → null
        T - duration("-9223372036854775808ns") → null
        dyn(T) - dyn(T) → 0s
        # Order
        T > OLD → true
        T <= T → true
        T == timestamp("2018-06-01T08:30:15.250+02:00") → true
        T != OLD → true
        T - OLD > duration("24h") → true
        timestamp("2018-01-01T00:00:00.000000001Z") > timestamp("2018-01-01T00:00:00Z") → true
        duration("60s") == duration("1m") → true
        duration("59s") < duration("1m") → true
        """);

    public static IEnumerable<object[]> Durations => Bench.Table("""
        duration("0") → 0s
        duration("1s") → 1s
        duration("1h30m") → 5400s
        duration("-1.5h") → -5400s
        duration("+2m") → 120s
        duration("1h34us") → 3600.000034s
        duration("1.5ms") → 0.0015s
        duration("10ns") → 0.00000001s
        duration(".5s") → 0.5s
        duration("1.s") → 1s
        duration("1µs") → 0.000001s
        duration("0.3333333333333333333h") → 1199.999999999s
        duration("9223372036s") → 9223372036s
        duration(duration("1s")) → 1s
        duration(dyn("1m")) → 60s
        duration(ASCII) → null
        duration("1h") + duration("1m") → 3660s
        duration("1h") - duration("2h") → -3600s
        duration("9223372036s") + duration("1s") → null
        duration("10000s").getHours() → 2
        duration("3730s").getMinutes() → 62
        duration("-90s").getMinutes() → -1
        duration("3730s").getSeconds() → 3730
        duration("1.234s").getMilliseconds() → 234
        (T - OLD).getHours() → 424398
        dyn(duration("1h")).getHours() → 1
        """);

    public static IEnumerable<object[]> Parts => Bench.Table("""
        T.getFullYear() → 2018
        T.getMonth() → 5
        T.getDate() → 1
        T.getDayOfMonth() → 0
        T.getDayOfWeek() → 5
        T.getDayOfYear() → 151
        T.getHours() → 6
        T.getMinutes() → 30
        T.getSeconds() → 15
        T.getMilliseconds() → 250
        # Before 1970
        OLD.getFullYear() → 1969
        OLD.getMonth() → 11
        OLD.getDate() → 31
        OLD.getDayOfWeek() → 3
        OLD.getDayOfYear() → 364
        OLD.getHours() → 23
        OLD.getMinutes() → 59
        OLD.getSeconds() → 59
        OLD.getMilliseconds() → 999
        timestamp("2000-02-29T00:00:00Z").getDayOfYear() → 59
        timestamp("2000-12-31T00:00:00Z").getDayOfYear() → 365
        timestamp("1900-12-31T00:00:00Z").getDayOfYear() → 364
        timestamp("0001-01-01T00:00:00Z").getDayOfWeek() → 1
        # Time zones
        T.getHours("UTC") → 6
        T.getHours("Europe/Amsterdam") → 8
        T.getHours("America/New_York") → 2
        T.getHours("Asia/Kolkata") → 12
        T.getMinutes("Asia/Kolkata") → 0
        T.getDate("America/Los_Angeles") → 31
        T.getMonth("America/Los_Angeles") → 4
        T.getDayOfWeek("America/Los_Angeles") → 4
        T.getHours("+01:30") → 8
        T.getMinutes("+01:30") → 0
        T.getHours("-07:00") → 23
        T.getHours("02:00") → 8
        timestamp("2018-01-15T12:00:00Z").getHours("Europe/Amsterdam") → 13
        timestamp("2018-03-25T00:59:59Z").getHours("Europe/Amsterdam") → 1
        timestamp("2018-03-25T01:00:00Z").getHours("Europe/Amsterdam") → 3
        timestamp("0001-01-01T00:00:00Z").getFullYear("-05:00") → 0
        timestamp("0001-01-01T00:00:00Z").getMonth("America/New_York") → 11
        timestamp("9999-12-31T23:00:00Z").getFullYear("+05:00") → 10000
        dyn(T).getHours() → 6
        dyn(T).getHours("Europe/Amsterdam") → 8
        """);

    [TestMethod]
    [DynamicData(nameof(Timestamps))]
    [DynamicData(nameof(Durations))]
    [DynamicData(nameof(Parts))]
    public void ExpressionGives(string expression, string expected) => Assert.AreEqual(expected, Bench.Evaluate(expression));

    /// <summary>Against DateTime, over all of its range.</summary>
    [TestMethod]
    public void PartsAgreeWithTheLibrary()
    {
        var random = new Random(20180601);
        (string Function, Func<DateTime, int> Part)[] parts =
        [
            ("getFullYear", time => time.Year), ("getMonth", time => time.Month - 1), ("getDate", time => time.Day), ("getDayOfMonth", time => time.Day - 1),
            ("getDayOfWeek", time => (int)time.DayOfWeek), ("getDayOfYear", time => time.DayOfYear - 1), ("getHours", time => time.Hour),
            ("getMinutes", time => time.Minute), ("getSeconds", time => time.Second), ("getMilliseconds", time => time.Millisecond),
        ];
        var expressions = parts.Select(part => Bench.Compile($"T.{part.Function}()")).ToArray();
        var batch = new EventBatch(Bench.Schema);
        batch.Add(default);
        for (var i = 0; i < 50_000; i++)
        {
            var milliseconds = random.NextInt64(Instant.SecondsMin * 1000, (Instant.SecondsMax + 1) * 1000);
            batch.SetInt64(0, Bench.Schema.IndexOf("T"), milliseconds);
            var time = DateTime.UnixEpoch.AddTicks(milliseconds * TimeSpan.TicksPerMillisecond);
            for (var part = 0; part < parts.Length; part++)
            {
                var value = expressions[part].EvaluateNumber(batch.Row(0));
                Assert.AreEqual(parts[part].Part(time), value, string.Create(CultureInfo.InvariantCulture, $"{parts[part].Function} of {time:O}"));
            }
        }
    }

    [TestMethod]
    [DataRow(long.MinValue)]
    [DataRow(long.MaxValue)]
    [DataRow(-62135596800001)]
    [DataRow(253402300800000)]
    public void AFieldOutsideTheYears1To9999HasNoValue(long milliseconds)
    {
        var batch = new EventBatch(Bench.Schema);
        batch.Add(default);
        batch.SetInt64(0, Bench.Schema.IndexOf("T"), milliseconds);
        Assert.AreEqual(double.NaN, Bench.Compile("T.getHours()").EvaluateNumber(batch.Row(0)));
        Assert.AreEqual(double.NaN, Bench.Compile("T").EvaluateNumber(batch.Row(0)));
    }
}
