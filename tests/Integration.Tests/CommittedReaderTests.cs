using System.Text;
using Confluent.Kafka;
using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>The reader that judges "exactly one committed prediction" sees what was committed, all of it, and nothing else.</summary>
[TestClass]
public sealed class CommittedReaderTests : SystemTest
{
    protected override bool NeedsServer => false;

    [TestMethod]
    public void AbortedAndOpenTransactionsAreNotSeen()
    {
        var topic = $"t{Guid.NewGuid():n}";
        Kafka.CreateTopic(topic, 2);
        var timeout = TimeSpan.FromSeconds(30);
        using var producer = new ProducerBuilder<string, string>(new ProducerConfig { BootstrapServers = Kafka.Bootstrap, TransactionalId = topic }).Build();
        producer.InitTransactions(timeout);
        Send(0, 500);
        producer.CommitTransaction(timeout);
        Send(500, 600);
        producer.AbortTransaction(timeout);

        var seen = new List<int>();
        using var reader = new CommittedReader(Kafka.Bootstrap, topic, (key, value) =>
        {
            CollectionAssert.AreEqual(key.ToArray(), value.ToArray());
            seen.Add(int.Parse(Encoding.UTF8.GetString(key), System.Globalization.CultureInfo.InvariantCulture));
        });
        reader.ReadToEnd();
        CollectionAssert.AreEqual(Enumerable.Range(0, 500).ToList(), seen.Order().ToList());

        Send(600, 900);
        reader.ReadToEnd();
        Assert.HasCount(500, seen, "an open transaction was read");
        producer.CommitTransaction(timeout);
        reader.ReadUntil(() => seen.Count == 800, timeout, () => $"{seen.Count} records");
        reader.ReadToEnd();
        CollectionAssert.AreEqual(Enumerable.Range(600, 300).ToList(), seen.Skip(500).Order().ToList());

        void Send(int from, int to)
        {
            producer.BeginTransaction();
            for (var i = from; i < to; i++)
                producer.Produce(topic, new Message<string, string> { Key = $"{i}", Value = $"{i}" });
            Assert.AreEqual(0, producer.Flush(timeout));
        }
    }
}
