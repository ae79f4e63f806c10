using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Ingest.Kafka;

/// <summary>How to reach Kafka: makes clients with settings that keep the guarantees, and refuses settings that would weaken them.</summary>
public sealed partial class KafkaConnection
{
    /// <summary>Settings that are decided here; the second part says why.</summary>
    private static readonly Dictionary<string, string> _reserved = new(StringComparer.Ordinal)
    {
        ["bootstrap.servers"] = "the option --kafka says it",
        ["metadata.broker.list"] = "the option --kafka says it",
        ["test.mock.num.brokers"] = "the option --kafka says where Kafka is",
        ["enable.auto.commit"] = "offsets are committed with the predictions they belong to",
        ["auto.commit.enable"] = "offsets are committed with the predictions they belong to",
        ["enable.auto.offset.store"] = "offsets are committed with the predictions they belong to",
        ["auto.offset.reset"] = "a lost offset must stop ingest, not skip records",
        ["isolation.level"] = "records of aborted transactions must not be read",
        ["enable.idempotence"] = "without it records can be lost, doubled or reordered",
        ["acks"] = "a record counts only when all replicas have it",
        ["request.required.acks"] = "a record counts only when all replicas have it",
        ["transactional.id"] = "it is the identity that shuts out a second instance",
        ["group.id"] = "offsets are kept under the project's name",
        ["group.instance.id"] = "partitions are assigned by the store itself",
        ["group.protocol"] = "partitions are assigned by the store itself",
        ["enable.partition.eof"] = "it tells idle partitions from slow ones",
        ["enable.gapless.guarantee"] = "idempotence includes it",
        ["max.in.flight.requests.per.connection"] = "idempotence sets it",
        ["max.in.flight"] = "idempotence sets it",
        ["partitioner"] = "predictions of one key stay in one partition, as Java clients place it",
    };

    private readonly Dictionary<string, string> _properties;
    private readonly ILogger _logger;

    /// <param name="bootstrap">HOST:PORT, or several with commas.</param>
    /// <param name="properties">Further librdkafka properties: TLS, SASL, buffers.</param>
    /// <param name="logger">Gets the clients' own messages.</param>
    /// <exception cref="IngestConfigurationException">A property would weaken a guarantee.</exception>
    public KafkaConnection(string bootstrap, IReadOnlyDictionary<string, string> properties, ILogger<KafkaConnection> logger)
    {
        ArgumentNullException.ThrowIfNull(properties);
        foreach (var name in properties.Keys)
        {
            var reason = name.StartsWith("dotnet.", StringComparison.Ordinal) ? "it is no property of librdkafka" : _reserved.GetValueOrDefault(name);
            if (reason is not null)
                throw new IngestConfigurationException($"Kafka property \"{name}\" cannot be set: {reason}. Remove it from the Kafka configuration.");
        }

        _properties = new Dictionary<string, string>(properties, StringComparer.Ordinal) { ["bootstrap.servers"] = bootstrap };
        _properties.TryAdd("client.id", "featurestore");
        Bootstrap = bootstrap;
        _logger = logger;
    }

    public string Bootstrap { get; }

    /// <summary>Reads a file of <c>name=value</c> lines; one that begins with '#' or '!' is a comment.</summary>
    /// <exception cref="IngestConfigurationException">The file cannot be read, or a line is no property.</exception>
    public static Dictionary<string, string> ReadProperties(string file)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new IngestConfigurationException($"Kafka configuration \"{file}\" cannot be read: {exception.Message}", exception);
        }

        Dictionary<string, string> properties = new(StringComparer.Ordinal);
        for (var number = 1; number <= lines.Length; number++)
        {
            var line = lines[number - 1].Trim();
            if (line.Length == 0 || line[0] is '#' or '!')
                continue;
            var at = line.IndexOf('=', StringComparison.Ordinal);
            // The line is not repeated: it may hold a password.
            if (at <= 0)
                throw new IngestConfigurationException($"{file}:{number}: the line is no property. Write name=value, as in security.protocol=SSL.");
            var name = line[..at].TrimEnd();
            if (!properties.TryAdd(name, line[(at + 1)..].TrimStart()))
                throw new IngestConfigurationException($"{file}:{number}: property \"{name}\" is set twice. Keep one.");
        }

        return properties;
    }

    internal IConsumer<byte[], byte[]> CreateConsumer(string group, IEnumerable<KeyValuePair<string, string>> settings) =>
        Build(() => new ConsumerBuilder<byte[], byte[]>(Settings(settings, [
                new("group.id", group),
                new("enable.auto.commit", "false"),
                new("enable.auto.offset.store", "false"),
                new("auto.offset.reset", "error"),
                new("isolation.level", "read_committed"),
                new("enable.partition.eof", "true"),
            ]))
            .SetLogHandler((_, message) => Log(message))
            .SetErrorHandler((_, error) => LogError(error))
            .Build());

    internal IProducer<byte[], byte[]> CreateProducer(IEnumerable<KeyValuePair<string, string>> settings) =>
        Build(() => new ProducerBuilder<byte[], byte[]>(Settings(settings, [
                new("enable.idempotence", "true"),
                new("acks", "all"),
                new("partitioner", "murmur2_random"),
            ]))
            .SetLogHandler((_, message) => Log(message))
            .SetErrorHandler((_, error) => LogError(error))
            .Build());

    internal IAdminClient CreateAdmin() =>
        Build(() => new AdminClientBuilder(Settings([], [])).SetLogHandler((_, message) => Log(message)).SetErrorHandler((_, error) => LogError(error)).Build());

    /// <summary>Number of partitions of each topic; 0 where it does not exist.</summary>
    /// <exception cref="IngestConfigurationException">No broker answered in time.</exception>
    internal static IReadOnlyDictionary<string, int> CountPartitions(IAdminClient admin, IEnumerable<string> topics, string bootstrap, TimeSpan timeout)
    {
        Metadata metadata;
        try
        {
            // All topics: asking for one that is missing would make it on brokers that create topics by themselves.
            metadata = admin.GetMetadata(timeout);
        }
        catch (KafkaException exception)
        {
            throw new IngestConfigurationException(
                $"Kafka at \"{bootstrap}\" cannot be reached within {timeout.TotalSeconds:0} s: {exception.Error.Reason}. Check the address, and TLS or SASL in the Kafka configuration.", exception);
        }

        var counts = metadata.Topics.Where(topic => !topic.Error.IsError).ToDictionary(topic => topic.Topic, topic => topic.Partitions.Count);
        return topics.Distinct().ToDictionary(topic => topic, topic => counts.GetValueOrDefault(topic));
    }

    /// <summary>Makes topics that are missing.</summary>
    internal static async Task CreateTopicsAsync(IAdminClient admin, IReadOnlyDictionary<string, int> topics, TimeSpan timeout)
    {
        if (topics.Count == 0)
            return;
        try
        {
            await admin.CreateTopicsAsync(
                topics.Select(topic => new TopicSpecification { Name = topic.Key, NumPartitions = topic.Value, ReplicationFactor = -1 }),
                new CreateTopicsOptions { RequestTimeout = timeout, OperationTimeout = timeout }).ConfigureAwait(false);
        }
        catch (CreateTopicsException exception) when (exception.Results.All(result => !result.Error.IsError || result.Error.Code == ErrorCode.TopicAlreadyExists))
        {
            // Somebody else made it in the meantime.
        }
        catch (KafkaException exception)
        {
            throw new IngestConfigurationException(
                $"The topics {string.Join(", ", topics.Keys.Select(topic => $"\"{topic}\""))} cannot be made: {exception.Error.Reason}. Make them, or allow it.", exception);
        }
    }

    private static T Build<T>(Func<T> build)
    {
        try
        {
            return build();
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException or KafkaException)
        {
            throw new IngestConfigurationException($"The Kafka configuration is not valid: {exception.Message}", exception);
        }
    }

    /// <summary>Settings of a client: the operator's before our own defaults, what the guarantees need before both.</summary>
    private Dictionary<string, string> Settings(IEnumerable<KeyValuePair<string, string>> defaults, IEnumerable<KeyValuePair<string, string>> guarantees)
    {
        // In this order: of two names for one property, the client takes the later.
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in defaults.Concat(_properties).Concat(guarantees))
            settings[name] = value;
        return settings;
    }

    private void Log(LogMessage message)
    {
        var level = message.Level switch
        {
            <= SyslogLevel.Warning => LogLevel.Warning,
            <= SyslogLevel.Info => LogLevel.Information,
            _ => LogLevel.Debug,
        };
        LogClient(level, message.Name, message.Message);
    }

    private void LogError(Error error) => LogClient(LogLevel.Warning, error.Code.ToString(), error.Reason);

    [LoggerMessage(Message = "Kafka client {Client}: {Text}")]
    private partial void LogClient(LogLevel level, string client, string text);
}

/// <summary>Ingest cannot start as it is configured. The message is one sentence for the operator.</summary>
public sealed class IngestConfigurationException(string message, Exception? innerException = null) : Exception(message, innerException);
