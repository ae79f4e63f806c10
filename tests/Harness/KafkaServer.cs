using Confluent.Kafka;
using Confluent.Kafka.Admin;

namespace FeatureStore.Harness;

/// <summary>A real Kafka broker of the shared folder, with a data folder of its own that goes with it.</summary>
public sealed class KafkaServer : IDisposable
{
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(180);
    private readonly string _data = Workspace.NewFolder("kafka");

    private KafkaServer()
    {
    }

    /// <summary>host:port of the broker.</summary>
    public string Bootstrap { get; private set; } = "";

    public int ProcessId { get; private set; }

    /// <exception cref="FixtureMissingException">The shared folder or Java is not on this machine.</exception>
    public static KafkaServer Start(params string[] options)
    {
        var start = Workspace.SharedPath("kafka", "start");
        if (!OnPath("java"))
            throw new FixtureMissingException("Java is missing: apt-get install openjdk-17-jre-headless.");
        var server = new KafkaServer();
        try
        {
            foreach (var line in ChildProcess.Run(start, ["--port", "0", "--data", server._data, .. options], _deadline).Split('\n'))
            {
                if (line.StartsWith("bootstrap=", StringComparison.Ordinal))
                    server.Bootstrap = line["bootstrap=".Length..];
                else if (line.StartsWith("pid=", StringComparison.Ordinal))
                    server.ProcessId = int.Parse(line["pid=".Length..], System.Globalization.CultureInfo.InvariantCulture);
            }

            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    /// <summary>Sends the fraud data, keyed by customer, with shared/kafka/load.</summary>
    public void LoadTransactions(string topic, int partitions, params string[] options) =>
        ChildProcess.Run(
            Workspace.SharedPath("kafka", "load"),
            ["--bootstrap", Bootstrap, "--topic", topic, "--partitions", $"{partitions}", "--key", "CUSTOMER_ID", "--timestamp", "TX_DATETIME", .. options, FraudData.TransactionsFile],
            TimeSpan.FromMinutes(5));

    public void CreateTopic(string topic, int partitions)
    {
        using var admin = new AdminClientBuilder(new AdminClientConfig { BootstrapServers = Bootstrap }).Build();
        admin.CreateTopicsAsync([new TopicSpecification { Name = topic, NumPartitions = partitions, ReplicationFactor = 1 }]).GetAwaiter().GetResult();
    }

    public void DeleteTopic(string topic)
    {
        using var admin = new AdminClientBuilder(new AdminClientConfig { BootstrapServers = Bootstrap }).Build();
        admin.DeleteTopicsAsync([topic]).GetAwaiter().GetResult();
    }

    public void Dispose()
    {
        ChildProcess.Run(Workspace.SharedPath("kafka", "stop"), ["--data", _data, "--kill"], _deadline);
        Directory.Delete(_data, recursive: true);
    }

    internal static bool OnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));
}
