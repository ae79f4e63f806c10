using System.Globalization;
using System.Net;

namespace FeatureStore.Silo;

/// <summary>The server's options. Each can be given on the command line, as an environment variable, or as a key of appsettings.json, in this order.</summary>
internal sealed record SiloOptions
{
    private static readonly Option[] _all =
    [
        new("definitions", "DIR", "definitions of sources, views, services and models: a folder of YAML files, or one file", "examples/fraud"),
        new("kafka", "HOST:PORT", "Kafka brokers", "an embedded broker, for trying out"),
        new("kafka-config", "FILE", "librdkafka properties, name=value: TLS, SASL", null),
        new("redis", "HOST:PORT", "Redis for hot reads, with StackExchange.Redis options after commas", "reads from this process"),
        new("data", "DIR", "checkpoints; a later start with the same folder goes on from there", "data"),
        new("models", "DIR", "models: NAME/<integer>/model.onnx or NAME.onnx", "examples/fraud"),
        new("urls", "URL", "where HTTP is served", "http://127.0.0.1:8080"),
        new("shards", "N", "threads that apply events", "half of the processors"),
        new("publish-interval-ms", "N", "longest time between two commits of predictions, 5 to 100", "50"),
        new("runtime", "KIND", "local: all entities in this process; orleans: a grain each in a cluster of silos", "local"),
        new("roles", "ROLE", "of a silo: ingest owns the stream, serve only answers and hosts entities, all does both; one silo of a cluster ingests, unless it has slices", "all"),
        new("slices", "N", "divide the stream into so many slices, which all silos that ingest share; the same on all silos, 1 to 256", "1"),
        new("clustering", "KIND", "how silos find each other: localhost, adonet (PostgreSQL), redis, azure (tables), kubernetes", "localhost"),
        new("cluster-connection", "TEXT", "connection string of the clustering, and of the storage unless it has its own", null),
        new("storage", "KIND", "where grains keep their state: memory, sqlite (in --data, for silos on one machine), adonet (PostgreSQL), redis, azure (blobs)", "that of the clustering; of localhost sqlite, or memory with the embedded broker"),
        new("storage-connection", "TEXT", "connection string of the storage", "that of the clustering"),
        new("silo-address", "IP", "where other silos reach this one", "the machine's; with --clustering localhost 127.0.0.1"),
        new("silo-port", "N", "its port", "11111"),
        new("gateway-port", "N", "where Orleans clients reach this silo; 0: nowhere", "0"),
        new("silence-max-seconds", "N", "after how long without an answer a silo is taken for dead, 2 to 120; the same for all", "5"),
        new("primary-port", "N", "with --clustering localhost: the silo port of the first silo", "this one's"),
        new("dashboard-key", "TEXT", "serve the Orleans Dashboard at /dashboard, to whoever has this key of at least 16 characters", "no dashboard"),
        new("accept-recreated-topics", null, "go on although topics were recreated or records are gone", null),
        new("help", null, "this text", null),
    ];

    public required string? Definitions { get; init; }

    public required string? Kafka { get; init; }

    public required string? KafkaConfig { get; init; }

    public required string? Redis { get; init; }

    public required string Data { get; init; }

    public required string? Models { get; init; }

    public required string Urls { get; init; }

    public required int? Shards { get; init; }

    public required int PublishIntervalMs { get; init; }

    /// <summary>Null: all entities are in this process.</summary>
    public required ClusterOptions? Cluster { get; init; }

    public required bool AcceptRecreatedTopics { get; init; }

    public required bool Help { get; init; }

    public static string HelpText =>
        """
        Orleans.FeatureStore: features of a stream, kept, served and scored.

        run [options]

        """ + string.Join("", _all.Select(option =>
            $"  --{option.Name + (option.Value is null ? "" : " " + option.Value),-28}{option.Text}{(option.Default is null ? "" : $" (default: {option.Default})")}\n")) +
        """

        Each option is also an environment variable (--kafka-config is FEATURESTORE_KAFKA_CONFIG) and a key of appsettings.json
        ("FeatureStore": { "KafkaConfig": … }). The command line wins over the environment, the environment over the file.

        """;

    /// <summary>Reads the options.</summary>
    /// <exception cref="StartException">An option is unknown, lacks its value, or has one that it cannot have.</exception>
    public static SiloOptions Read(IReadOnlyList<string> arguments, Func<string, string?> environment, IConfiguration configuration)
    {
        var given = ReadArguments(arguments);
        // Empty stands for not given, as templates of deployments write it.
        string? Value(string name) =>
            given.GetValueOrDefault(name)
            ?? NullIfEmpty(environment("FEATURESTORE_" + name.ToUpperInvariant().Replace('-', '_')))
            ?? NullIfEmpty(configuration["FeatureStore:" + string.Concat(name.Split('-').Select(word => char.ToUpperInvariant(word[0]) + word[1..]))]);
        return new SiloOptions
        {
            Definitions = Value("definitions"),
            Kafka = Value("kafka"),
            KafkaConfig = Value("kafka-config"),
            Redis = Value("redis"),
            Data = Value("data") ?? "data",
            Models = Value("models"),
            Urls = Value("urls") ?? "http://127.0.0.1:8080",
            Shards = Value("shards") is { } shards ? Number("shards", shards, 1, 64) : null,
            PublishIntervalMs = Number("publish-interval-ms", Value("publish-interval-ms") ?? "50", 5, 100),
            Cluster = Choice("runtime", Value("runtime"), "local", "orleans") == "local" ? NoCluster(Value) : ReadCluster(Value),
            AcceptRecreatedTopics = Flag("accept-recreated-topics", Value("accept-recreated-topics")),
            Help = Flag("help", Value("help")),
        };
    }

    private static ClusterOptions? NoCluster(Func<string, string?> value) => value("slices") is null or "1"
        ? null
        : throw new StartException("Option \"--slices\" goes with \"--runtime orleans\": one process consumes the whole stream. Leave it out.");

    private static ClusterOptions ReadCluster(Func<string, string?> value)
    {
        var clustering = Choice("clustering", value("clustering"), "localhost", "adonet", "redis", "azure", "kubernetes");
        var connection = value("cluster-connection");
        if (clustering != "localhost" && connection is null)
            throw new StartException($"\"--clustering {clustering}\" needs \"--cluster-connection\": the connection string of the database in which silos find each other.");
        var isEmbedded = value("kafka") is null;
        var usual = clustering switch { "localhost" => isEmbedded ? "memory" : "sqlite", "kubernetes" => null, _ => clustering };
        var storage = Choice("storage", value("storage") ?? usual, null, "memory", "sqlite", "adonet", "redis", "azure");
        var storageConnection = value("storage-connection") ?? connection;
        if (storage is not ("memory" or "sqlite") && storageConnection is null)
            throw new StartException($"\"--storage {storage}\" needs \"--storage-connection\".");
        if (storage == "memory" && clustering != "localhost")
            throw new StartException($"\"--storage memory\" is lost with a silo, and \"--clustering {clustering}\" is for silos that come and go. Choose --storage adonet, redis or azure.");
        if (storage == "sqlite" && clustering != "localhost")
            throw new StartException($"\"--storage sqlite\" is a file of one machine, and \"--clustering {clustering}\" is for silos on several. Choose --storage adonet, redis or azure.");
        if (storage == "sqlite" && isEmbedded)
            throw new StartException("\"--storage sqlite\" outlives the process, and without \"--kafka\" the stream ends with it. Give --kafka HOST:PORT, or choose --storage memory.");
        var siloPort = Number("silo-port", value("silo-port") ?? "11111", 1, 65535);
        var key = value("dashboard-key");
        if (key is { Length: < 16 })
            throw new StartException("Option \"--dashboard-key\" is shorter than 16 characters. Give one that cannot be guessed, as from: openssl rand -hex 16.");
        string[] roles = Choice("roles", value("roles"), "all", "ingest", "serve", "ingest,serve", "serve,ingest") switch { "ingest" => ["ingest"], "serve" => ["serve"], _ => ["ingest", "serve"] };
        var slices = Number("slices", value("slices") ?? "1", 1, FeatureStore.Runtime.Slice.CountMax);
        if (isEmbedded && slices > 1)
            throw new StartException("Option \"--slices\" needs \"--kafka HOST:PORT\": the embedded broker has no transactions, by which a slice's new owner shuts out the old one.");
        if (isEmbedded && (!roles.Contains("ingest") || clustering != "localhost"))
            throw new StartException("Without \"--kafka\" the broker is embedded and ends with the process: that is for one silo, with --clustering localhost and --roles all. Give --kafka HOST:PORT.");
        return new ClusterOptions
        {
            Roles = roles,
            Slices = slices,
            Clustering = clustering,
            Connection = connection,
            Storage = storage,
            StorageConnection = storageConnection,
            SiloAddress = value("silo-address") is { } address ? Address(address) : null,
            SiloPort = siloPort,
            GatewayPort = Number("gateway-port", value("gateway-port") ?? "0", 0, 65535),
            PrimaryPort = Number("primary-port", value("primary-port") ?? siloPort.ToString(CultureInfo.InvariantCulture), 1, 65535),
            SilenceMax = TimeSpan.FromSeconds(Number("silence-max-seconds", value("silence-max-seconds") ?? "5", 2, 120)),
            DashboardKey = key,
        };
    }

    private static IPAddress Address(string text) =>
        IPAddress.TryParse(text, out var address) && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any)
            ? address
            : throw new StartException($"Option \"--silo-address\" is \"{text}\"; it is the IP address by which other silos reach this one.");

    /// <summary>One of several words; the first where none is given and there is a default.</summary>
    private static string Choice(string name, string? text, string? otherwise, params string[] others)
    {
        string[] words = [.. otherwise is null ? [] : new[] { otherwise }, .. others];
        return (text ?? otherwise) is { } word && words.Contains(word)
            ? word
            : throw new StartException($"Option \"--{name}\" is {(text is null ? "missing" : $"\"{text}\"")}; it is one of {string.Join(", ", words)}.");
    }

    private static Dictionary<string, string> ReadArguments(IReadOnlyList<string> arguments)
    {
        Dictionary<string, string> given = new(StringComparer.Ordinal);
        for (var index = 0; index < arguments.Count; index++)
        {
            var argument = arguments[index] is "-h" ? "--help" : arguments[index];
            var name = argument.Split('=', 2)[0];
            var option = _all.FirstOrDefault(option => "--" + option.Name == name)
                ?? throw new StartException($"There is no option \"{name}\". The options are {string.Join(", ", _all.Select(option => "--" + option.Name))}.");
            var value = argument.Length > name.Length ? argument[(name.Length + 1)..]
                : option.Value is null ? "true"
                : index + 1 < arguments.Count && !arguments[index + 1].StartsWith("--", StringComparison.Ordinal) ? arguments[++index]
                : "";
            given[option.Name] = value.Length > 0 ? value : throw new StartException($"Option \"{name}\" lacks its value: {name}{(option.Value is null ? "=true" : " " + option.Value)}.");
        }

        return given;
    }

    private static string? NullIfEmpty(string? text) => string.IsNullOrWhiteSpace(text) ? null : text;

    private static int Number(string name, string text, int min, int max) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number
            : throw new StartException($"Option \"--{name}\" is \"{text}\"; it is a whole number from {min} to {max}.");

    private static bool Flag(string name, string? text) => text switch
    {
        null or "0" => false,
        "1" => true,
        _ => bool.TryParse(text, out var flag) ? flag : throw new StartException($"Option \"--{name}\" is \"{text}\"; it is true or false."),
    };

    private sealed record Option(string Name, string? Value, string Text, string? Default);
}

/// <summary>The server cannot start. The message is one sentence for the operator.</summary>
internal sealed class StartException(string message, Exception? innerException = null) : Exception(message, innerException);
