using System.Runtime.InteropServices;
using Confluent.Kafka;

namespace FeatureStore.Ingest.Kafka;

/// <summary>
/// librdkafka's mock cluster in this process: speaks the real protocol on loopback, for trying out. It keeps at most 5 MiB a partition in memory,
/// and ignores isolation and transactional offsets.
/// </summary>
public sealed class EmbeddedBroker : IDisposable
{
    private readonly IProducer<Null, Null> _host;
    private readonly nint _cluster;

    public EmbeddedBroker()
    {
        _host = new ProducerBuilder<Null, Null>(new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["bootstrap.servers"] = "127.0.0.1:1",
            ["test.mock.num.brokers"] = "1",
        }).SetLogHandler((_, _) => { }).Build();
        _cluster = NativeKafka.rd_kafka_handle_mock_cluster(NativeKafka.ClientOf(_host.Handle));
        Bootstrap = Marshal.PtrToStringUTF8(NativeKafka.rd_kafka_mock_cluster_bootstraps(_cluster))!;
    }

    /// <summary>HOST:PORT on loopback.</summary>
    public string Bootstrap { get; }

    public void CreateTopic(string topic, int partitions)
    {
        var error = NativeKafka.rd_kafka_mock_topic_create(_cluster, topic, partitions, 1);
        if (error != 0)
            throw new IngestConfigurationException($"The embedded broker cannot make topic \"{topic}\": {NativeKafka.ErrorText(error)}.");
    }

    public void Dispose() => _host.Dispose();
}
