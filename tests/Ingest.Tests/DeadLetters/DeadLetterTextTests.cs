using System.Text;
using FeatureStore.Core.Cleaning;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Ingest.DeadLetters;
using FeatureStore.Ingest.Decoding;

namespace FeatureStore.Ingest.Tests.DeadLetters;

[TestClass]
public sealed unsafe class DeadLetterTextTests
{
    [TestMethod]
    [DataRow("", "value is not JSON at byte 0: it is empty", "malformed-json")]
    [DataRow("\ufeff{}", "value is not JSON at byte 0: a byte order mark; send UTF-8 without one", "malformed-json")]
    [DataRow("[1]", "value is not JSON at byte 0: an object is expected", "malformed-json")]
    [DataRow("{\"id\":1", "value is not JSON at byte 7: it ends early", "malformed-json")]
    [DataRow("{id:1}", "value is not JSON at byte 1: a member's name in quotes is expected", "malformed-json")]
    [DataRow("{\"id\" 1}", "value is not JSON at byte 6: a colon is expected", "malformed-json")]
    [DataRow("{\"id\":}", "value is not JSON at byte 6: a value is expected", "malformed-json")]
    [DataRow("{\"id\":1;}", "value is not JSON at byte 7: a comma or the closing bracket is expected", "malformed-json")]
    [DataRow("{\"id\":01}", "value is not JSON at byte 6: not a number", "malformed-json")]
    [DataRow("{\"x\":\"\\q\"}", "value is not JSON at byte 6: not an escape", "malformed-json")]
    [DataRow("{\"x\":\"\\udc00\"}", "value is not JSON at byte 6: half of a surrogate pair", "malformed-json")]
    [DataRow("{\"x\":\"\n\"}", "value is not JSON at byte 6: a control character; escape it", "malformed-json")]
    [DataRow("{} x", "value is not JSON at byte 3: more bytes after the object", "malformed-json")]
    [DataRow("{\"id\":\"1\"}", "field \"id\" is a string at byte 6; a whole number is expected", "wrong-type")]
    [DataRow("{\"amount\":{}}", "field \"amount\" is an object at byte 10; a number is expected", "wrong-type")]
    [DataRow("{\"ok\":0}", "field \"ok\" is a number at byte 6; true or false is expected", "wrong-type")]
    [DataRow("{\"name\":[]}", "field \"name\" is an array at byte 8; a string is expected", "wrong-type")]
    [DataRow("{\"at\":true}", "field \"at\" is true or false at byte 6; an RFC 3339 string or an integer of Unix milliseconds is expected", "wrong-type")]
    [DataRow("{\"id\":5.5}", "field \"id\" has a fraction at byte 6; a whole number is expected", "not-whole")]
    [DataRow("{\"id\":1e19}", "field \"id\" is beyond the range of int64 at byte 6", "out-of-range")]
    [DataRow("{\"amount\":1e309}", "field \"amount\" is beyond the range of double at byte 10", "out-of-range")]
    [DataRow("{\"at\":1e18}", "field \"at\" is beyond the years 0001 to 9999 at byte 6", "out-of-range")]
    [DataRow("{\"at\":\"2018-04-01 00:00:31\"}", "field \"at\" is not a time at byte 6; write 2018-04-01T00:00:31Z, with a zone, or an integer of Unix milliseconds", "bad-timestamp")]
    [DataRow("{\"id\":1}", "field \"at\" is missing; it holds the event's time", "missing-timestamp")]
    public void Of_what_the_decoder_refuses(string document, string reason, string rule) =>
        Assert.AreEqual((reason, rule), Of(Decode(Encoding.UTF8.GetBytes(document))));

    [TestMethod]
    public void Of_what_is_too_long_too_deep_or_not_utf8()
    {
        Assert.AreEqual(("field \"name\" is too long at byte 8; a text has at most 4096 bytes", "text-too-long"), Of(Decode(Encoding.UTF8.GetBytes($"{{\"name\":\"{new string('x', 4097)}\"}}"))));
        Assert.AreEqual(("value is not JSON at byte 68: more than 64 levels", "malformed-json"), Of(Decode(Encoding.UTF8.GetBytes($"{{\"x\":{new string('[', 64)}"))));
        Assert.AreEqual(("value is not JSON at byte 6: a text that is not UTF-8", "malformed-json"), Of(Decode([.. "{\"x\":\""u8, 0xff, .. "\"}"u8])));
        Assert.AreEqual(("value has 1048577 bytes; at most 1048576 are read", "too-large"), Of(Decode(new byte[(1 << 20) + 1])));
    }

    [TestMethod]
    public void Of_times_and_keys()
    {
        Assert.AreEqual(
            ("event is 1d2h3m4s5ms behind the newest of its partition; the source's lateness is 10m", "too-late"),
            Of(new Rejection { Reason = RejectionReason.TooLate, Measured = 93_784_005, Limit = 600_000 }));
        Assert.AreEqual(
            ("event is 1ms behind the newest of its partition; the source's lateness is 0s", "too-late"),
            Of(new Rejection { Reason = RejectionReason.TooLate, Measured = 1, Limit = 0 }));
        Assert.AreEqual(
            ("event is 1h30s past the wall clock; the source allows 1h ahead", "too-far-ahead"),
            Of(new Rejection { Reason = RejectionReason.TooFarAhead, Measured = 3_630_000, Limit = 3_600_000 }));
        Assert.AreEqual(("field \"name\" is missing; it is a join key", "key-missing"), Of(new Rejection { Reason = RejectionReason.KeyMissing, Field = 3 }));
        Assert.AreEqual(
            ("key that begins with field \"name\" has 1025 bytes; an entity's key has at most 1024", "key-too-long"),
            Of(new Rejection { Reason = RejectionReason.KeyTooLong, Field = 3, Measured = 1025, Limit = 1024 }));
    }

    [TestMethod]
    public void Of_a_cleaning_rule()
    {
        var rejection = new Rejection { Reason = RejectionReason.Cleaning, Cleaned = new CleanResult(CleanVerdict.DeadLetter, 1, CleanFault.Below, BitConverter.DoubleToInt64Bits(-5)) };
        var definition = TestSources.AllTypes.Definition with { Clean = [new CleanRule { Field = "id" }, new CleanRule { Field = "amount", Below = 0 }] };
        var source = new SourcePlan { Index = 0, Definition = definition, Schema = TestSources.AllTypes.Schema, TimestampField = 4, IdField = -1 };
        Assert.AreEqual(("field \"amount\" is -5, below 0", "clean[1] amount"), DeadLetterText.Of(source, rejection, null));
    }

    [TestMethod]
    public void Of_a_models_failure()
    {
        var rejection = new Rejection { Reason = RejectionReason.ModelFailure };
        Assert.AreEqual(("model \"fraud\" fails on this event: output is NaN", "model-failure"), DeadLetterText.Of(TestSources.AllTypes, rejection, ("fraud", "output is NaN")));
        var (reason, _) = DeadLetterText.Of(TestSources.AllTypes, rejection, ("fraud", new string('x', 5000)));
        Assert.AreEqual($"model \"fraud\" fails on this event: {new string('x', 1000)}…", reason);
    }

    [TestMethod]
    public void Every_reason_has_a_rule_of_its_own()
    {
        var reasons = Enum.GetValues<RejectionReason>().Where(reason => reason is not (RejectionReason.None or RejectionReason.Cleaning)).ToArray();
        var rules = reasons.Select(reason => Of(new Rejection { Reason = reason, Field = 0 }).Rule).ToArray();
        CollectionAssert.AllItemsAreUnique(rules);
    }

    private static (string Reason, string Rule) Of(Rejection rejection) => DeadLetterText.Of(TestSources.AllTypes, rejection, null);

    private static Rejection Decode(byte[] document)
    {
        fixed (byte* value = document)
        {
            Assert.IsFalse(new JsonEventDecoder(TestSources.AllTypes).TryDecode(
                new EventBatch(TestSources.AllTypes.Schema), new EventHeader { Value = value, ValueLength = document.Length }, out var rejection));
            return rejection;
        }
    }
}
