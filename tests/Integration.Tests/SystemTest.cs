using System.Text.Json;
using Confluent.Kafka;
using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>A test of the server as a process of its own, against a real broker. What the machine lacks skips the test, with the reason.</summary>
public abstract class SystemTest
{
    protected static readonly TimeSpan ReadyDeadline = TimeSpan.FromSeconds(150);
    protected static readonly TimeSpan StopDeadline = TimeSpan.FromSeconds(90);
    private static readonly Lock _lock = new();
    private static KafkaServer? _kafka;
    private static bool _isLoaded;
    private readonly List<SiloProcess> _silos = [];

    public required TestContext TestContext { get; set; }

    protected CancellationToken Cancel => TestContext.CancellationToken;

    /// <summary>A folder of the test's own, removed after it.</summary>
    protected string Folder { get; private set; } = "";

    /// <summary>The broker that all tests share, started by the first that needs it.</summary>
    protected static KafkaServer Kafka
    {
        get
        {
            lock (_lock)
                return _kafka ??= KafkaServer.Start();
        }
    }

    /// <summary>Whether the test starts the server.</summary>
    protected virtual bool NeedsServer => true;

    [TestInitialize]
    public void Prepare()
    {
        try
        {
            if (NeedsServer)
                _ = SiloProcess.Program;
            _ = Kafka;
        }
        catch (FixtureMissingException missing)
        {
            Assert.Inconclusive(missing.Message);
        }

        Folder = Workspace.NewFolder("test");
    }

    [TestCleanup]
    public void Clean()
    {
        foreach (var silo in _silos)
        {
            if (TestContext.CurrentTestOutcome != UnitTestOutcome.Passed)
                TestContext.WriteLine($"Server {silo.Id} printed:\n{Last(silo.Output)}{Last(silo.Error)}");
            silo.Dispose();
        }

        if (Folder.Length > 0)
            Directory.Delete(Folder, recursive: true);

        static string Last(string text) => text.Length > 8000 ? text[^8000..] : text;
    }

    internal static void StopKafka()
    {
        lock (_lock)
            _kafka?.Dispose();
        _kafka = null;
    }

    /// <summary>A topic with the transactions of the fraud data in 4 partitions, loaded by the first test that needs it.</summary>
    protected static string TransactionsTopic()
    {
        lock (_lock)
        {
            if (!_isLoaded)
                Kafka.LoadTransactions("transactions", 4);
            _isLoaded = true;
            return "transactions";
        }
    }

    /// <summary>The example's project under the test's name.</summary>
    protected FraudJob NewJob(string? topic = null) =>
        new(Folder, $"t{Guid.NewGuid():n}"[..16], topic);

    protected SiloProcess Start(FraudJob job, params string[] more) => Start([.. job.Arguments(Kafka.Bootstrap), .. more]);

    protected SiloProcess Start(string[] arguments, int port = 0)
    {
        var silo = SiloProcess.Start(arguments, port);
        _silos.Add(silo);
        return silo;
    }

    /// <summary>All committed records of a small topic, in the order of each partition.</summary>
    protected static List<ConsumeResult<byte[], byte[]?>> ReadRecords(string topic, int count, TimeSpan deadline)
    {
        using var consumer = new ConsumerBuilder<byte[], byte[]?>(new ConsumerConfig
        {
            BootstrapServers = Kafka.Bootstrap,
            GroupId = "records",
            IsolationLevel = IsolationLevel.ReadCommitted,
            EnableAutoCommit = false,
            EnablePartitionEof = true,
        }).Build();
        using var admin = new DependentAdminClientBuilder(consumer.Handle).Build();
        var partitions = admin.GetMetadata(topic, deadline).Topics.Single().Partitions;
        consumer.Assign(partitions.Select(partition => new TopicPartitionOffset(topic, partition.PartitionId, Offset.Beginning)));
        var records = new List<ConsumeResult<byte[], byte[]?>>();
        var ended = new HashSet<int>();
        Wait.Until(
            () =>
            {
                while (consumer.Consume(TimeSpan.FromMilliseconds(200)) is { } result)
                {
                    if (!result.IsPartitionEOF)
                        records.Add(result);
                    else
                        ended.Add(result.Partition.Value);
                }

                return records.Count >= count && ended.Count == partitions.Count;
            },
            deadline, () => $"{records.Count} of {count} records of \"{topic}\".");
        return records;
    }

    /// <summary>The predictions of a small topic by id; two with one id fail the test.</summary>
    protected static Dictionary<string, JsonElement> ReadPredictions(string topic, int count)
    {
        var predictions = new Dictionary<string, JsonElement>();
        foreach (var record in ReadRecords(topic, count, TimeSpan.FromSeconds(90)))
        {
            var prediction = JsonDocument.Parse(record.Message.Value).RootElement;
            Assert.IsTrue(predictions.TryAdd(prediction.GetProperty("id").GetString()!, prediction), $"Prediction {prediction} is there twice.");
        }

        return predictions;
    }

    /// <summary>A random source whose seed the test prints; FEATURESTORE_SEED repeats a run.</summary>
    protected Random Seeded()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("FEATURESTORE_SEED"), out var given) ? given : Environment.TickCount;
        TestContext.WriteLine($"FEATURESTORE_SEED={seed}");
        return new Random(seed);
    }
}

[TestClass]
public static class Servers
{
    [AssemblyCleanup]
    public static void Stop() => SystemTest.StopKafka();
}
