using System.Globalization;

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
            AcceptRecreatedTopics = Flag("accept-recreated-topics", Value("accept-recreated-topics")),
            Help = Flag("help", Value("help")),
        };
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
