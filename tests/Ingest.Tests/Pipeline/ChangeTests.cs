using System.Text;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Ingest.DeadLetters;
using FeatureStore.Ingest.Pipeline;
using FeatureStore.Ingest.Tests.Simulation;
using FeatureStore.Registry;

namespace FeatureStore.Ingest.Tests.Pipeline;

/// <summary>Changes of rows as Debezium writes them: which rows each record gives, and what is refused with which reason.</summary>
[TestClass]
public sealed class ChangeTests
{
    private const string Row1 = """{"ID":1,"AT":60000,"USER":7,"AMOUNT":5,"NAME":"a\u0062"}""";
    private const string Row2 = """{"ID":1,"AT":90000,"USER":8,"AMOUNT":6.5,"NAME":null}""";
    private const string Dropped = """{"ID":1,"AT":60000,"USER":7}""";
    private const string Refused = """{"ID":1,"AT":60000,"USER":7,"AMOUNT":-1}""";
    private const string Keyless = """{"ID":1,"AT":60000,"AMOUNT":1}""";
    private const string OnlyKey = """{"ID":1,"AT":null,"USER":null,"AMOUNT":null}""";

    [TestMethod]
    [DataRow($$"""{"op":"c","before":null,"after":{{Row1}},"ts_ms":9}""", "+60000 7 5 ab")]
    [DataRow($$"""{"op":"r","after":{{Row1}} }""", "+60000 7 5 ab")]
    [DataRow($$"""{"op":"u","before":{{Row1}},"after":{{Row2}} }""", "-60000 7 5 ab; +90000 8 6.5 null")]
    [DataRow($$"""{"op":"d","before":{{Row1}},"after":null}""", "-60000 7 5 ab")]
    [DataRow($$""" { "ts_ms" : [1,{"op":"x"}], "after" : {{Row2}} , "source":{"before":1}, "before" : {{Row1}}, "op" : "u" } """, "-60000 7 5 ab; +90000 8 6.5 null")]
    [DataRow($$"""{"schema":{"type":"struct","fields":[{"field":"op"}]},"payload":{"op":"u","before":{{Row1}},"after":{{Row2}} } }""", "-60000 7 5 ab; +90000 8 6.5 null")]
    [DataRow($$"""{"op":"u","before":{{Dropped}},"after":{{Row2}} }""", "+90000 8 6.5 null", DisplayName = "what a rule dropped is not taken back")]
    [DataRow($$"""{"op":"u","before":{{Refused}},"after":{{Row2}} }""", "+90000 8 6.5 null", DisplayName = "what a rule refused is not taken back")]
    [DataRow($$"""{"op":"u","before":{{Keyless}},"after":{{Row2}} }""", "+90000 8 6.5 null", DisplayName = "what had no key is not taken back")]
    [DataRow($$"""{"op":"u","before":{{Row1}},"after":{{Dropped}} }""", "-60000 7 5 ab", DisplayName = "what is dropped now was there before")]
    [DataRow($$"""{"op":"d","before":{{Dropped}},"after":null}""", "")]
    [DataRow($$"""{"op":"d","before":{{Refused}},"after":null}""", "")]
    [DataRow("""{"op":"m","message":{"prefix":"a"}}""", "")]
    [DataRow(null, "", DisplayName = "a tombstone")]
    public void GivesTheRowsThatTakeEffect(string? value, string rows) => Assert.AreEqual((rows, ""), Decode(value));

    [TestMethod]
    [DataRow($$"""{"op":"u","before":{{Row1}},"after":{{Refused}} }""", "-60000 7 5 ab", "clean[0] AMOUNT: field \"AMOUNT\" is -1, below 0")]
    [DataRow($$"""{"op":"u","before":{{Row1}},"after":{{Keyless}} }""", "-60000 7 5 ab", "key-missing: field \"USER\" is missing; it is a join key")]
    [DataRow($$"""{"op":"u","before":{{Row1}},"after":{"AT":"soon"} }""", "-60000 7 5 ab", "bad-timestamp: field \"AT\" is not a time at byte 90; write 2018-04-01T00:00:31Z, with a zone, or an integer of Unix milliseconds")]
    [DataRow($$"""{"op":"c","after":{{Refused}} }""", "", "clean[0] AMOUNT: field \"AMOUNT\" is -1, below 0")]
    [DataRow($$"""{"op":"u","before":null,"after":{{Row1}} }""", "", "missing-before: the change does not have the whole row before it; set REPLICA IDENTITY FULL on the table (or what the database has for it)")]
    [DataRow($$"""{"op":"u","after":{{Row1}} }""", "", "missing-before: the change does not have the whole row before it; set REPLICA IDENTITY FULL on the table (or what the database has for it)")]
    [DataRow($$"""{"op":"u","before":{{OnlyKey}},"after":{{Row1}} }""", "", "missing-before: the change does not have the whole row before it; set REPLICA IDENTITY FULL on the table (or what the database has for it)")]
    [DataRow("""{"op":"d","before":{"ID":1}}""", "", "missing-before: the change does not have the whole row before it; set REPLICA IDENTITY FULL on the table (or what the database has for it)")]
    [DataRow($$"""{"op":"c","before":{{Row1}},"after":null}""", "", "missing-after: the change does not have the row after it")]
    [DataRow($$"""{"op":"u","before":{{Row1}},"after":[]}""", "", "missing-after: the change does not have the row after it")]
    [DataRow("""{"op":"t"}""", "", "truncated: the table was truncated, which says of no row what it was; its rows still count")]
    [DataRow(Row1, "", "no-operation: the change has no op that is known; it is c, r, u or d, as Debezium writes it (envelope: debezium)")]
    [DataRow($$"""{"op":"x","after":{{Row1}} }""", "", "no-operation: the change has no op that is known; it is c, r, u or d, as Debezium writes it (envelope: debezium)")]
    [DataRow("""{"op":1}""", "", "no-operation: the change has no op that is known; it is c, r, u or d, as Debezium writes it (envelope: debezium)")]
    [DataRow("""{"schema":null,"payload":null}""", "", "no-operation: the change has no op that is known; it is c, r, u or d, as Debezium writes it (envelope: debezium)")]
    [DataRow("", "", "malformed-json: value is not JSON at byte 0: it is empty")]
    [DataRow("[]", "", "malformed-json: value is not JSON at byte 0: an object is expected")]
    [DataRow($$"""{"op":"c","after":{{Row1}}""", "", "malformed-json: value is not JSON at byte 74: it ends early")]
    [DataRow($$"""{"op":"c","after":{{Row1}} } }""", "", "malformed-json: value is not JSON at byte 77: more bytes after the object")]
    [DataRow("""{"op":"c","after":{"ID":1,}}""", "", "malformed-json: value is not JSON at byte 26: a member's name in quotes is expected")]
    public void SaysWhyARecordIsADeadLetter(string value, string rows, string problem) => Assert.AreEqual((rows, problem), Decode(value));

    /// <summary>Every beginning of a change is refused, and no byte beyond it is read.</summary>
    [TestMethod]
    public void EveryCutIsRefused()
    {
        const string Value = $$"""{"schema":{"a":"\u00e9"},"payload":{"op":"u","before":{{Row1}},"after":{{Row2}} } }""";
        for (var length = 0; length < Value.Length; length++)
            StringAssert.StartsWith(Decode(Value[..length]).Problem, "malformed-json", Value[..length]);
    }

    /// <summary>Any change of bytes gives rows or a reason, never an exception or a read beyond the value.</summary>
    [TestMethod]
    public void GarbledChangesAreAnswered()
    {
        const int Seed = 1;
        var random = new Random(Seed);
        var value = Encoding.UTF8.GetBytes($$"""{"schema":{},"payload":{"before":{{Row1}},"op":"u","after":{{Row2}} } }""");
        var plan = Plan("lifetime");
        var decoder = new RecordDecoder(plan, plan.Sources[0]);
        var answers = new HashSet<string>();
        for (var index = 0; index < 20_000; index++)
        {
            var garbled = value.ToArray();
            for (var changes = random.Next(1, 4); changes > 0; changes--)
                garbled[random.Next(garbled.Length)] = random.Next(2) == 0 ? (byte)random.Next(256) : value[random.Next(value.Length)];
            try
            {
                answers.Add(Decode(plan, decoder, garbled).Problem.Split(':')[0]);
            }
            catch (Exception exception) when (exception is not AssertFailedException)
            {
                Assert.Fail($"seed {Seed}, case {index}: {exception}");
            }
        }

        Assert.IsGreaterThan(5, answers.Count, string.Join(", ", answers));
    }

    /// <summary>An update or a delete of an old row takes effect where no window has settled it, and is a dead letter where one may have. It moves no time.</summary>
    [TestMethod]
    [DataRow("lifetime", "+1000000; -60000; +90000; -60000", "0/3 too-late: event is 15m40s behind the newest of its partition; the source's lateness is 10m")]
    [DataRow("{ sliding: 1d }", "+1000000; -60000; +90000; -60000", "0/3 too-late: event is 15m40s behind the newest of its partition; the source's lateness is 10m")]
    [DataRow("{ session: 30m }", "+1000000", """
        0/1 late-retraction: event to take back or to change is 15m40s behind the newest of its partition; the source's lateness is 10m, and session and last windows settle after it
        0/2 late-retraction: event to take back or to change is 15m40s behind the newest of its partition; the source's lateness is 10m, and session and last windows settle after it
        0/3 too-late: event is 15m40s behind the newest of its partition; the source's lateness is 10m
        """)]
    [DataRow("{ last: 3 }", "+1000000", """
        0/1 late-retraction: event to take back or to change is 15m40s behind the newest of its partition; the source's lateness is 10m, and session and last windows settle after it
        0/2 late-retraction: event to take back or to change is 15m40s behind the newest of its partition; the source's lateness is 10m, and session and last windows settle after it
        0/3 too-late: event is 15m40s behind the newest of its partition; the source's lateness is 10m
        """)]
    public void OldRowsChangeUnlessTheyAreSettled(string window, string rows, string refused)
    {
        var (through, letters, newestMs) = LetThrough(Plan(window),
            """{"op":"c","after":{"ID":2,"AT":1000000,"USER":7,"AMOUNT":1}}""",
            $$"""{"op":"u","before":{{Row1}},"after":{{Row2}} }""",
            $$"""{"op":"d","before":{{Row1}} }""",
            $$"""{"op":"c","after":{{Row1}} }""");
        Assert.AreEqual(rows, through);
        Assert.AreEqual(refused.ReplaceLineEndings("\n"), letters);
        Assert.AreEqual(1_000_000, newestMs);
    }

    [TestMethod]
    public void RepeatsOfAnIdAreDroppedWhereRowsAreCreatedOnly()
    {
        var (through, letters, newestMs) = LetThrough(Plan("lifetime"),
            $$"""{"op":"c","after":{{Row1}} }""",
            $$"""{"op":"c","after":{{Row1}} }""",
            $$"""{"op":"u","before":{{Row1}},"after":{{Row2}} }""",
            """{"op":"d","before":{"ID":1,"AT":95000,"USER":8,"AMOUNT":6.5}}""");
        Assert.AreEqual("+60000; -60000; +90000; -95000", through);
        Assert.AreEqual("", letters);
        Assert.AreEqual(90_000, newestMs, "A deletion moves no time.");
    }

    private static ProjectPlan Plan(string window) => ProjectPlan.Compile(DefinitionLoader.Load([new DefinitionFile("changes.yaml", $$"""
        project: changes
        sources:
          - name: orders
            kafka: { topic: orders }
            timestamp: AT
            clock: stream
            lateness: 10m
            id: ID
            envelope: debezium
            fields: { ID: int64, AT: timestamp, USER: int64, AMOUNT: double, NAME: string }
            clean:
              - { field: AMOUNT, missing: drop, below: 0, outside: dead_letter }
        entities:
          - { name: user, keys: [USER] }
        feature_views:
          - { name: users, entity: user, source: orders, features: [{ name: n, aggregate: count{{(window == "lifetime" ? "" : $", window: {window}")}} }] }
        """)]).Project!);

    private static (string Rows, string Problem) Decode(string? value)
    {
        var plan = Plan("lifetime");
        return Decode(plan, new RecordDecoder(plan, plan.Sources[0]), value is null ? null : Encoding.UTF8.GetBytes(value));
    }

    private static unsafe (string Rows, string Problem) Decode(ProjectPlan plan, RecordDecoder decoder, byte[]? value)
    {
        using var guarded = new GuardedBytes(value?.Length ?? 0);
        var batch = new EventBatch(plan.Sources[0].Schema);
        var header = new EventHeader { Value = value is null ? null : guarded.AtEnd(value), ValueLength = value?.Length ?? 0 };
        var rows = decoder.Decode(batch, header, out var rejection);
        Assert.AreEqual(batch.Count, rows);
        var text = Enumerable.Range(0, rows).Select(row =>
        {
            var fields = batch.Row(row);
            var name = fields.Has(4) ? Encoding.UTF8.GetString(fields.Text(4)) : "null";
            return FormattableString.Invariant($"{(batch[row].IsRetraction ? '-' : '+')}{batch[row].TimeMs} {fields.Int64(2)} {fields.Double(3)} {name}");
        });
        if (rejection.Reason == RejectionReason.None)
            return (string.Join("; ", text), "");
        var (reason, rule) = DeadLetterText.Of(plan.Sources[0], rejection, null);
        return (string.Join("; ", text), $"{rule}: {reason}");
    }

    private static (string Rows, string Refused, long NewestMs) LetThrough(ProjectPlan plan, params string[] values)
    {
        var broker = new SimulatedBroker("orders", partitions: 1);
        foreach (var value in values)
            broker.Partitions[0].Append(null, Encoding.UTF8.GetBytes(value));
        using var records = new SimulatedSource(broker, new Chaos(1) { IsOn = false });
        var source = plan.Sources[0];
        var lane = new SourceLane(plan, source, records, StartingPoints.Open(plan, source, records, null, new Dictionary<(string, int), long>(), false, new ManualTime()));
        records.Start([0]);
        var batch = new PipelineBatch(source, lane.Services, 1, new IngestOptions());
        while (lane.Partitions[0].NextOffset < values.Length)
            lane.Fill(batch, silent: false);
        var rows = Enumerable.Range(0, batch.Events.Count).Select(row => $"{(batch.Events[row].IsRetraction ? '-' : '+')}{batch.Events[row].TimeMs}");
        var refused = batch.Refused.Select(letter =>
        {
            var (reason, rule) = DeadLetterText.Of(source, letter.Rejection, null);
            return $"{letter.Header.Partition}/{letter.Header.Offset} {rule}: {reason}";
        });
        var result = (string.Join("; ", rows), string.Join('\n', refused), lane.Partitions[0].NewestMs);
        records.Release(batch.Handles);
        return result;
    }
}
