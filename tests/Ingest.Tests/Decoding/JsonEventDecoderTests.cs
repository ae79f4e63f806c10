using System.Text;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Ingest.DeadLetters;
using FeatureStore.Ingest.Decoding;

namespace FeatureStore.Ingest.Tests.Decoding;

[TestClass]
public sealed unsafe class JsonEventDecoderTests
{
    private const string Time = "\"at\":\"2018-04-01T00:00:31Z\"";
    private const long TimeMs = 1_522_540_831_000;

    [TestMethod]
    public void Reads_every_type_in_any_order()
    {
        Accept($$"""{"id":5,"amount":57.16,"ok":true,"name":"a b",{{Time}},"seen":-1,"ide":-9223372036854775808,"größe":"ß","a\"b\\":7}""", row =>
        {
            Assert.AreEqual(5, row.Int64(0));
            Assert.AreEqual(57.16, row.Double(1));
            Assert.IsTrue(row.Bool(2));
            Assert.AreEqual("a b", Encoding.UTF8.GetString(row.Text(3)));
            Assert.AreEqual(TimeMs, row.Int64(4));
            Assert.AreEqual(-1, row.Int64(5));
            Assert.AreEqual(long.MinValue, row.Int64(6));
            Assert.AreEqual("ß", Encoding.UTF8.GetString(row.Text(7)));
            Assert.AreEqual(7, row.Int64(8));
        });
        Accept($$""" { "a\u0022b\u005c" : 8 , {{Time}} , "gr\u00f6\u00DFe" : "\"\\\/\b\f\n\r\t\u0000\uD83D\uDE00é" , "\u0069d" : 5.0 } """, row =>
        {
            Assert.AreEqual(8, row.Int64(8));
            Assert.AreEqual("\"\\/\b\f\n\r\t\0😀é", Encoding.UTF8.GetString(row.Text(7)));
            Assert.AreEqual(5, row.Int64(0));
            Assert.IsFalse(row.Has(1));
        });
    }

    [TestMethod]
    [DataRow("5", 5L)]
    [DataRow("-0", 0L)]
    [DataRow("5.0", 5L)]
    [DataRow("5.00000000000000000000000000", 5L)]
    [DataRow("0.5e1", 5L)]
    [DataRow("5E3", 5000L)]
    [DataRow("500e-2", 5L)]
    [DataRow("0e999999999999", 0L)]
    [DataRow("0.000000000000000000000000000005e30", 5L)]
    [DataRow("9223372036854775807", long.MaxValue)]
    [DataRow("-9223372036854775808.000", long.MinValue)]
    [DataRow("922337203685477580700000000000000000000000e-23", long.MaxValue)]
    public void Reads_whole_numbers(string number, long value) => Accept($$"""{"id":{{number}},{{Time}}}""", row => Assert.AreEqual(value, row.Int64(0)));

    [TestMethod]
    [DataRow("5.5", RejectionReason.NotWhole)]
    [DataRow("1e-400", RejectionReason.NotWhole)]
    [DataRow("1234567890123456789.5", RejectionReason.NotWhole)]
    [DataRow("5.00000000000000000000000001", RejectionReason.NotWhole)]
    [DataRow("9223372036854775808", RejectionReason.OutOfRange)]
    [DataRow("-9223372036854775809", RejectionReason.OutOfRange)]
    [DataRow("1e19", RejectionReason.OutOfRange)]
    [DataRow("123456789012345678901234567890", RejectionReason.OutOfRange)]
    [DataRow("1e99999999999999999999", RejectionReason.OutOfRange)]
    [DataRow("\"5\"", RejectionReason.WrongType)]
    [DataRow("true", RejectionReason.WrongType)]
    [DataRow("[]", RejectionReason.WrongType)]
    public void Refuses_what_is_no_int64(string number, RejectionReason reason) => Refuse($$"""{ "id":{{number}},{{Time}}}""", reason, 0, 7);

    [TestMethod]
    [DataRow("1e308", 1e308)]
    [DataRow("-0.0", -0.0)]
    [DataRow("4.9e-324", 4.9e-324)]
    [DataRow("1e-400", 0.0)]
    [DataRow("7", 7.0)]
    [DataRow("0.1", 0.1)]
    public void Reads_doubles(string number, double value) => Accept($$"""{{{Time}},"amount":{{number}}}""", row =>
        Assert.AreEqual(BitConverter.DoubleToInt64Bits(value), BitConverter.DoubleToInt64Bits(row.Double(1))));

    [TestMethod]
    [DataRow("1e309", RejectionReason.OutOfRange)]
    [DataRow("-1.7976931348623159e308", RejectionReason.OutOfRange)]
    [DataRow("\"1\"", RejectionReason.WrongType)]
    [DataRow("false", RejectionReason.WrongType)]
    public void Refuses_what_is_no_double(string number, RejectionReason reason) => Refuse($$"""{"amount":{{number}},{{Time}}}""", reason, 1, 10);

    [TestMethod]
    [DataRow("0")]
    [DataRow("\"true\"")]
    public void Refuses_what_is_no_bool(string value) => Refuse($$"""{"ok":{{value}},{{Time}}}""", RejectionReason.WrongType, 2, 6);

    [TestMethod]
    public void Bounds_texts()
    {
        Accept($$"""{"name":"{{new string('x', 4096)}}",{{Time}}}""", row => Assert.AreEqual(4096, row.Text(3).Length));
        Accept($$"""{"name":"\u0078{{new string('x', 4095)}}",{{Time}}}""", row => Assert.AreEqual(4096, row.Text(3).Length));
        Refuse($$"""{"name":"{{new string('x', 4097)}}",{{Time}}}""", RejectionReason.TextTooLong, 3, 8);
        Refuse($$"""{"name":"\u0078{{new string('x', 4096)}}",{{Time}}}""", RejectionReason.TextTooLong, 3, 8);
        Refuse($$"""{"name":5,{{Time}}}""", RejectionReason.WrongType, 3, 8);
    }

    [TestMethod]
    [DataRow("\"2018-04-01T00:00:31.000Z\"", TimeMs)]
    [DataRow("\"2018-04-01 02:00:31+02:00\"", TimeMs)]
    [DataRow("\"2018-04-01T00:00:31\\u005a\"", TimeMs)]
    [DataRow("1522540831000", TimeMs)]
    [DataRow("1.522540831e12", TimeMs)]
    [DataRow("-62135596800000", Rfc3339.MinMs)]
    [DataRow("253402300799999", Rfc3339.MaxMs)]
    public void Reads_event_times(string time, long timeMs) => Accept($$"""{"at":{{time}}}""", null, timeMs);

    [TestMethod]
    [DataRow("\"2018-04-01T00:00:31\"", RejectionReason.BadTimestamp)]
    [DataRow("\"2018-04-01 00:00:31\"", RejectionReason.BadTimestamp)]
    [DataRow("\"2018-04-31T00:00:31Z\"", RejectionReason.BadTimestamp)]
    [DataRow("\"1522540831000\"", RejectionReason.BadTimestamp)]
    [DataRow("\"\"", RejectionReason.BadTimestamp)]
    [DataRow("253402300800000", RejectionReason.OutOfRange)]
    [DataRow("-62135596800001", RejectionReason.OutOfRange)]
    [DataRow("0.5", RejectionReason.NotWhole)]
    [DataRow("{}", RejectionReason.WrongType)]
    public void Refuses_what_is_no_time(string time, RejectionReason reason) => Refuse($$"""{"at":{{time}}}""", reason, 4, 6);

    [TestMethod]
    public void Null_and_absence_are_missing_and_the_last_of_two_members_counts()
    {
        Accept($$"""{"id":5,{{Time}},"id":null,"ok":null,"name":"a","name":"b"}""", row =>
        {
            Assert.IsFalse(row.Has(0));
            Assert.IsFalse(row.Has(2));
            Assert.IsFalse(row.Has(1));
            Assert.AreEqual("b", Encoding.UTF8.GetString(row.Text(3)));
        });
        Refuse("{}", RejectionReason.MissingTimestamp, 4, 0);
        Refuse($$"""{{{Time}},"at":null}""", RejectionReason.MissingTimestamp, 4, 0);
    }

    [TestMethod]
    [DataRow("", JsonProblem.Empty, 0)]
    [DataRow(" \n", JsonProblem.Empty, 0)]
    [DataRow("\ufeff{}", JsonProblem.ByteOrderMark, 0)]
    [DataRow("[]", JsonProblem.NotAnObject, 0)]
    [DataRow("{", JsonProblem.EndsEarly, 1)]
    [DataRow("{1:2}", JsonProblem.NameExpected, 1)]
    [DataRow("{,}", JsonProblem.NameExpected, 1)]
    [DataRow("{\"x\" 1}", JsonProblem.ColonExpected, 5)]
    [DataRow("{\"x\":}", JsonProblem.ValueExpected, 5)]
    [DataRow("{\"x\":nul}", JsonProblem.ValueExpected, 5)]
    [DataRow("{\"x\":NaN}", JsonProblem.ValueExpected, 5)]
    [DataRow("{\"id\":tru}", JsonProblem.ValueExpected, 6)]
    [DataRow("{\"x\":01}", JsonProblem.BadNumber, 5)]
    [DataRow("{\"id\":-}", JsonProblem.BadNumber, 6)]
    [DataRow("{\"amount\":1.}", JsonProblem.BadNumber, 10)]
    [DataRow("{\"amount\":1e+}", JsonProblem.BadNumber, 10)]
    [DataRow("{\"id\":1 \"x\":2}", JsonProblem.CommaExpected, 8)]
    [DataRow("{\"x\":[1 2]}", JsonProblem.CommaExpected, 8)]
    [DataRow("{\"x\":1,}", JsonProblem.NameExpected, 7)]
    [DataRow("{\"x\":[1,]}", JsonProblem.ValueExpected, 8)]
    [DataRow("{\"x\":\"\\x\"}", JsonProblem.BadEscape, 6)]
    [DataRow("{\"x\":\"\\u12G4\"}", JsonProblem.BadEscape, 6)]
    [DataRow("{\"x\":\"\\ud83d\"}", JsonProblem.LoneSurrogate, 6)]
    [DataRow("{\"x\":\"\\ude00\\ud83d\"}", JsonProblem.LoneSurrogate, 6)]
    [DataRow("{\"x\":\"a\tb\"}", JsonProblem.ControlCharacter, 7)]
    [DataRow("{\"x\":\"open}", JsonProblem.EndsEarly, 11)]
    [DataRow("{\"x\":1}}", JsonProblem.TrailingBytes, 7)]
    [DataRow("{\"x\":1} {}", JsonProblem.TrailingBytes, 8)]
    public void Names_what_is_malformed(string document, JsonProblem problem, int position)
    {
        var rejection = Refuse(document, RejectionReason.MalformedJson, -1, position);
        Assert.AreEqual(problem, rejection.Problem);
    }

    [TestMethod]
    public void Refuses_invalid_utf8_wherever_it_stands()
    {
        foreach (var bad in new byte[][] { [0x80], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82] })
        {
            Assert.AreEqual(JsonProblem.InvalidUtf8, Refuse([.. "{\"name\":\"a"u8, .. bad, .. "\"}"u8]).Problem);
            Assert.AreEqual(JsonProblem.InvalidUtf8, Refuse([.. "{\"unknown\":[{\""u8, .. bad, .. "\":1}]}"u8]).Problem);
        }
    }

    [TestMethod]
    public void Nests_64_levels_and_no_more()
    {
        Accept($$"""{{{Time}},"x":{{new string('[', 63)}}{{new string(']', 63)}}}""", null);
        var rejection = Refuse($$"""{{{Time}},"x":{{new string('[', 64)}}{{new string(']', 64)}}}""", RejectionReason.MalformedJson, -1, 32 + 63 + 1);
        Assert.AreEqual(JsonProblem.TooDeep, rejection.Problem);
    }

    [TestMethod]
    public void Refuses_values_beyond_the_limit_unread()
    {
        var decoder = new JsonEventDecoder(TestSources.AllTypes, 10);
        var batch = new EventBatch(TestSources.AllTypes.Schema);
        fixed (byte* value = "{}         "u8)
        {
            Assert.IsFalse(decoder.TryDecode(batch, new EventHeader { Value = value, ValueLength = 11 }, out var rejection));
            Assert.AreEqual((RejectionReason.TooLarge, 11, 10), (rejection.Reason, rejection.Measured, rejection.Limit));
            Assert.IsFalse(decoder.TryDecode(batch, new EventHeader { Value = value, ValueLength = 10 }, out rejection));
            Assert.AreEqual(RejectionReason.MissingTimestamp, rejection.Reason);
        }
    }

    [TestMethod]
    public void Real_transactions_decode_without_allocation()
    {
        const int PerRound = 5000;
        var documents = TestSources.RealTransactions(100_000);
        var bytes = documents.SelectMany(document => document).ToArray();
        var lengths = documents.Select(document => document.Length).ToArray();
        var batch = new EventBatch(TestSources.Transactions.Schema, PerRound);
        var decoder = new JsonEventDecoder(TestSources.Transactions);
        var next = 0;
        var offset = 0;
        Measure.WithoutAllocation("decode an event", PerRound, () =>
        {
            if (next == documents.Count)
                next = offset = 0;
            batch.Clear();
            fixed (byte* start = bytes)
            {
                for (var i = 0; i < PerRound; i++)
                {
                    var length = lengths[next++];
                    decoder.TryDecode(batch, new EventHeader { Value = start + offset, ValueLength = length }, out _);
                    offset += length;
                }
            }

            Assert.AreEqual(PerRound, batch.Count);
        });
    }

    private delegate void Check(FieldRow row);

    private static void Accept(string document, Check? check, long timeMs = TimeMs)
    {
        Decode(TestSources.AllTypes, Encoding.UTF8.GetBytes(document), (batch, rejection) =>
        {
            Assert.AreEqual(RejectionReason.None, rejection.Reason, $"{document}: {rejection}");
            Assert.AreEqual(1, batch.Count);
            Assert.AreEqual(timeMs, batch[0].TimeMs);
            check?.Invoke(batch.Row(0));
        });
    }

    private static Rejection Refuse(string document, RejectionReason reason, int field, int position)
    {
        var rejection = Refuse(Encoding.UTF8.GetBytes(document));
        Assert.AreEqual((reason, field, position), (rejection.Reason, rejection.Field, rejection.PositionBytes), document);
        return rejection;
    }

    private static Rejection Refuse(byte[] document)
    {
        Rejection result = default;
        Decode(TestSources.AllTypes, document, (batch, rejection) =>
        {
            Assert.AreNotEqual(RejectionReason.None, rejection.Reason, Encoding.UTF8.GetString(document));
            Assert.AreEqual(0, batch.Count);
            result = rejection;
        });
        return result;
    }

    private static void Decode(SourcePlan plan, byte[] document, Action<EventBatch, Rejection> check)
    {
        using var memory = new GuardedBytes(document.Length);
        var batch = new EventBatch(plan.Schema);
        var header = new EventHeader { Value = memory.AtEnd(document), ValueLength = document.Length };
        Assert.AreEqual(new JsonEventDecoder(plan).TryDecode(batch, header, out var rejection), rejection.Reason == RejectionReason.None);
        check(batch, rejection);
    }
}
