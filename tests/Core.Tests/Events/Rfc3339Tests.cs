using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using FeatureStore.Core.Events;

namespace FeatureStore.Core.Tests.Events;

[TestClass]
public sealed partial class Rfc3339Tests
{
    [TestMethod]
    [DataRow("1970-01-01T00:00:00Z", 0L)]
    [DataRow("1969-12-31T23:59:59.999Z", -1L)]
    [DataRow("2018-04-01t00:00:31z", 1_522_540_831_000L)]
    [DataRow("2018-04-01 00:00:31.9999999999999999999999Z", 1_522_540_831_999L)]
    [DataRow("2018-04-01T00:00:31.5Z", 1_522_540_831_500L)]
    [DataRow("2018-03-31T19:00:31.05-05:00", 1_522_540_831_050L)]
    [DataRow("2018-04-01T05:45:31+05:45", 1_522_540_831_000L)]
    [DataRow("2018-04-01T00:00:31-00:00", 1_522_540_831_000L)]
    [DataRow("2000-02-29T00:00:00Z", 951_782_400_000L)]
    [DataRow("2016-12-31T23:59:60Z", 1_483_228_800_000L)]
    [DataRow("2016-12-31T23:59:60.75Z", 1_483_228_800_750L)]
    [DataRow("2017-01-01T05:29:60+05:30", 1_483_228_800_000L)]
    [DataRow("0001-01-01T00:00:00Z", Rfc3339.MinMs)]
    [DataRow("9999-12-31T23:59:59.999Z", Rfc3339.MaxMs)]
    public void Reads(string text, long unixMs)
    {
        Assert.IsTrue(Rfc3339.TryParse(Encoding.UTF8.GetBytes(text), out var read), text);
        Assert.AreEqual(unixMs, read, text);
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("2018-04-01")]
    [DataRow("2018-04-01T00:00:31")]
    [DataRow("2018-04-01 00:00:31.123")]
    [DataRow("2018-04-01T00:00Z")]
    [DataRow("2018-04-01T00:00:31.Z")]
    [DataRow("2018-04-01T00:00:31,5Z")]
    [DataRow("2018-04-01T00:00:31+0200")]
    [DataRow("2018-04-01T00:00:31+24:00")]
    [DataRow("2018-04-01T00:00:31+02:60")]
    [DataRow("2018-04-01T00:00:31+2:000")]
    [DataRow("2018-04-01T00:00:31Z ")]
    [DataRow(" 2018-04-01T00:00:31Z")]
    [DataRow("2018-04-01U00:00:31Z")]
    [DataRow("2018/04/01T00:00:31Z")]
    [DataRow("2018-4-01T00:00:31.0Z")]
    [DataRow("2018-00-01T00:00:31Z")]
    [DataRow("2018-13-01T00:00:31Z")]
    [DataRow("2018-04-00T00:00:31Z")]
    [DataRow("2018-04-31T00:00:31Z")]
    [DataRow("1900-02-29T00:00:31Z")]
    [DataRow("2018-04-01T24:00:00Z")]
    [DataRow("2018-04-01T00:60:00Z")]
    [DataRow("2018-04-01T00:00:61Z")]
    [DataRow("2018-04-01T23:59:60Z")]
    [DataRow("2018-04-30T23:58:60Z")]
    [DataRow("2018-04-30T23:59:60+01:00")]
    [DataRow("9999-12-31T23:59:60Z")]
    [DataRow("0000-12-31T23:59:59Z")]
    [DataRow("0001-01-01T00:00:00+00:01")]
    [DataRow("9999-12-31T23:59:59-00:01")]
    [DataRow("２018-04-01T00:00:31Z")]
    public void Refuses(string text)
    {
        Assert.IsFalse(Rfc3339.TryParse(Encoding.UTF8.GetBytes(text), out var read), text);
        Assert.AreEqual(0, read);
    }

    [TestMethod]
    public void Any_time_is_written_as_the_framework_writes_it_and_reads_back()
    {
        const int Seed = 3339;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        Span<byte> text = stackalloc byte[Rfc3339.Length];
        for (var i = 0; i < 200_000; i++)
        {
            // Every day of the calendar's 400-year cycle twice, then times anywhere.
            var unixMs = i < 146_097 ? (i - 20_000) * 86_400_000L + random.Next(86_400_000) : random.NextInt64(Rfc3339.MinMs, Rfc3339.MaxMs + 1);
            Rfc3339.Write(unixMs, text);
            Assert.AreEqual(DateTime.UnixEpoch.AddMilliseconds(unixMs).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture), Encoding.UTF8.GetString(text));
            Assert.IsTrue(Rfc3339.TryParse(text, out var read));
            Assert.AreEqual(unixMs, read);
        }
    }

    [TestMethod]
    public void What_lies_outside_is_written_as_the_bound()
    {
        Span<byte> text = stackalloc byte[Rfc3339.Length];
        Rfc3339.Write(long.MaxValue, text);
        Assert.AreEqual("9999-12-31T23:59:59.999Z", Encoding.UTF8.GetString(text));
        Rfc3339.Write(long.MinValue, text);
        Assert.AreEqual("0001-01-01T00:00:00.000Z", Encoding.UTF8.GetString(text));
    }

    [TestMethod]
    public void Mutated_texts_read_as_a_plain_reading_of_the_grammar_does()
    {
        const int Seed = 33391;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var accepted = 0;
        string[] bases = ["2018-04-01T00:00:31Z", "2016-12-31T23:59:60.123456Z", "2000-02-29 12:34:56.7+02:30", "9999-12-31T23:59:59.999-23:59", "0001-01-01t00:00:00z"];
        for (var i = 0; i < 200_000; i++)
        {
            var text = new StringBuilder(bases[random.Next(bases.Length)]);
            for (var edits = random.Next(3); edits > 0; edits--)
                text[random.Next(text.Length)] = "0123456789012345-+:.TZ tz/:;é"[random.Next(29)];
            var expected = Naive(text.ToString());
            var read = Rfc3339.TryParse(Encoding.UTF8.GetBytes(text.ToString()), out var unixMs);
            Assert.AreEqual(expected, read ? unixMs : null, $"\"{text}\"");
            accepted += read ? 1 : 0;
        }

        Assert.IsGreaterThan(10_000, accepted);
    }

    private static long? Naive(string text)
    {
        var match = Grammar().Match(text);
        if (!match.Success)
            return null;
        int Part(int group) => int.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);
        var leap = Part(6) == 60;
        if (Part(6) > 60 || !DateTime.TryParseExact($"{match.Groups[1].Value}-{match.Groups[2].Value}-{match.Groups[3].Value} {match.Groups[4].Value}:{match.Groups[5].Value}", "yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var local))
            return null;
        var milliseconds = (local - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMillisecond + Part(6) * 1000L + int.Parse((match.Groups[7].Value + "000")[..3], CultureInfo.InvariantCulture);
        if (match.Groups[8].Success)
        {
            if (Part(9) > 23 || Part(10) > 59)
                return null;
            milliseconds += (match.Groups[8].Value == "+" ? -1 : 1) * (Part(9) * 60L + Part(10)) * 60_000;
        }

        if (milliseconds is < Rfc3339.MinMs or > Rfc3339.MaxMs)
            return null;
        var utc = DateTime.UnixEpoch.AddMilliseconds(milliseconds);
        return leap && (utc.Day != 1 || utc.Hour + utc.Minute + utc.Second > 0) ? null : milliseconds;
    }

    [GeneratedRegex(@"\A([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))\z")]
    private static partial Regex Grammar();
}
