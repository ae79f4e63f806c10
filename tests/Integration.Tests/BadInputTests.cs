using System.Text;
using Confluent.Kafka;
using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>What no feature can be made of: it goes to the dead-letter topic as it came, and nothing else suffers.</summary>
[TestClass]
public sealed class BadInputTests : SystemTest
{
    private const long MinuteMs = 60_000;
    private static readonly long _startMs = new DateTimeOffset(2018, 4, 2, 12, 0, 0, TimeSpan.Zero).ToUnixTimeMilliseconds();
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(90);

    [TestMethod]
    public void BadRecordsAreDeadLettersAndTheRestIsScored()
    {
        (string What, byte[]? Value, string Reason)[] bad =
        [
            ("truncated", "{\"TRANSACTION_ID\":"u8.ToArray(), ""),
            ("no JSON", "transaction"u8.ToArray(), ""),
            ("not UTF-8", [(byte)'{', (byte)'"', 0xff, 0xfe, (byte)'"', (byte)':', (byte)'1', (byte)'}'], ""),
            ("no bytes", [], ""),
            ("a tombstone", null, ""),
            ("an array", "[1]"u8.ToArray(), ""),
            ("text for a number", With("\"TX_AMOUNT\":\"much\""), "TX_AMOUNT"),
            ("a number too large", With("\"TX_AMOUNT\":1e999"), "TX_AMOUNT"),
            ("a fraction for an integer", With("\"TERMINAL_ID\":1.5"), "TERMINAL_ID"),
            ("no time", With("\"TX_DATETIME\":\"yesterday\""), "TX_DATETIME"),
            ("the time is missing", With("\"TX_DATETIME\":null"), "TX_DATETIME"),
            ("the key is missing", With("\"CUSTOMER_ID\":null"), "CUSTOMER_ID"),
            ("below the bound", With("\"TX_AMOUNT\":-0.01"), "TX_AMOUNT"),
            ("above the bound", With("\"TX_AMOUNT\":1000000.01"), "TX_AMOUNT"),
            ("late", Good(900, 10 * MinuteMs - 1000).ToJson(), "late"),
        ];
        var job = NewJob();
        Kafka.CreateTopic(job.Topic, 1);
        using (var producer = new TransactionProducer(Kafka.Bootstrap, job.Topic))
        {
            producer.Send(Good(1, 0));
            producer.Send(Good(2, 20 * MinuteMs));
            foreach (var (_, value, _) in bad)
                producer.Send("some key"u8.ToArray(), value, _startMs, new Headers { { "trace", "a1"u8.ToArray() } });
            producer.Send(Good(3, 10 * MinuteMs)); // exactly as late as is allowed
            producer.Send(Good(4, 20 * MinuteMs));
            producer.Flush();
        }

        var silo = Start(job).WaitReady(ReadyDeadline);
        var predictions = ReadPredictions(job.Sink(), 4);
        CollectionAssert.AreEquivalent(new[] { "1", "2", "3", "4" }, predictions.Keys.ToList());
        // Of the four payments of one customer the bad ones are no part: 1 and 3 and 2 and 4 themselves make up the counts.
        Assert.AreEqual(4.0, predictions["4"].GetProperty("features").GetProperty("CUSTOMER_ID_NB_TX_1DAY_WINDOW").GetDouble());

        var letters = ReadRecords(job.DeadLetters, bad.Length, _deadline).ToDictionary(letter => Header(letter, "source-position"));
        for (var i = 0; i < bad.Length; i++)
        {
            var (what, value, reason) = bad[i];
            var position = $"{job.Topic}/0/{i + 2}";
            Assert.IsTrue(letters.TryGetValue(position, out var letter), $"{what}: no dead letter of {position}, only {string.Join(", ", letters.Keys)}");
            CollectionAssert.AreEqual(value ?? [], letter.Message.Value ?? [], what);
            CollectionAssert.AreEqual("some key"u8.ToArray(), letter.Message.Key, what);
            Assert.AreEqual("a1", Header(letter, "trace"), what);
            StringAssert.Contains(Header(letter, "reason"), reason, what);
            Assert.AreNotEqual("", Header(letter, "reason"), what);
            Assert.AreNotEqual("", Header(letter, "rule"), what);
            TestContext.WriteLine($"{what}: {Header(letter, "rule")}: {Header(letter, "reason")}");
        }

        Assert.AreEqual(bad.Length, letters.Count);
        Assert.AreEqual(0, silo.Terminate(StopDeadline), silo.Error);
    }

    [TestMethod]
    public void ARepeatedIdCountsOnce()
    {
        var job = NewJob();
        Kafka.CreateTopic(job.Topic, 1);
        using var producer = new TransactionProducer(Kafka.Bootstrap, job.Topic);
        producer.Send(Good(1, 0));
        producer.Send(Good(1, 0));
        producer.Send(Good(2, MinuteMs));
        producer.Send(Good(1, 0));
        producer.Flush();
        var silo = Start(job).WaitReady(ReadyDeadline);
        ReadPredictions(job.Sink(), 2);

        // Also across a restart: what was seen is part of the state.
        silo.Kill();
        producer.Send(Good(2, MinuteMs));
        producer.Send(Good(3, 2 * MinuteMs));
        producer.Flush();
        silo = Start(job).WaitReady(ReadyDeadline);
        var predictions = ReadPredictions(job.Sink(), 3);
        CollectionAssert.AreEquivalent(new[] { "1", "2", "3" }, predictions.Keys.ToList());
        Assert.AreEqual(3.0, predictions["3"].GetProperty("features").GetProperty("CUSTOMER_ID_NB_TX_1DAY_WINDOW").GetDouble());
        Assert.AreEqual(0, silo.Terminate(StopDeadline), silo.Error);
    }

    private static Transaction Good(int id, long afterMs) => new(id, _startMs + afterMs, Customer: 7, Terminal: 8, Amount: 9.5, Fraud: false);

    /// <summary>A good record but for one member.</summary>
    private static byte[] With(string member)
    {
        var text = Encoding.UTF8.GetString(Good(900, 20 * MinuteMs).ToJson());
        var start = text.IndexOf(member[..(member.IndexOf(':') + 1)], StringComparison.Ordinal);
        var end = text.IndexOfAny([',', '}'], text.IndexOf(':', start));
        return Encoding.UTF8.GetBytes(text[..start] + member + text[end..]);
    }

    private static string Header(ConsumeResult<byte[], byte[]?> record, string name) =>
        Encoding.UTF8.GetString(record.Message.Headers.TryGetLastBytes(name, out var value) ? value : throw new InvalidDataException(
            $"A dead letter has no header \"{name}\", only {string.Join(", ", record.Message.Headers.Select(header => header.Key))}."));
}
