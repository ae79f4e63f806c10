namespace FeatureStore.Core.Definitions;

/// <summary>A stream of events: a Kafka topic, how to read it, and what to make of bad input; or a join of two such.</summary>
public sealed record SourceDefinition
{
    internal static readonly TimeSpan AheadDefault = TimeSpan.FromHours(1);

    public required string Name { get; init; }

    /// <summary>Where its records are; null for a joined source.</summary>
    public KafkaTopicDefinition? Kafka { get; init; }

    /// <summary>What its events are pairs of; null for a source that reads a topic. Besides it a joined source has a name and a clock.</summary>
    public JoinDefinition? Join { get; init; }

    /// <summary>The field that holds event time; of type <see cref="FieldType.Timestamp"/>. Empty for a joined source.</summary>
    public required string Timestamp { get; init; }

    /// <summary>What "now" is when features of this source are read.</summary>
    public SourceClock Clock { get; init; }

    /// <summary>How far (inclusive) behind its partition's newest event an event may be. Later ones are dead letters.</summary>
    public TimeSpan Lateness { get; init; }

    /// <summary>How far past the wall clock an event's time may be; beyond it, a dead letter. Only with <see cref="SourceClock.Wall"/>.</summary>
    public TimeSpan Ahead { get; init; } = AheadDefault;

    /// <summary>How far ahead of the slowest active partition one may run; zero merges strictly by event time.</summary>
    public TimeSpan Align { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Topic of dead letters; null: the topic's name with <c>.dead-letter</c> appended.</summary>
    public string? DeadLetters { get; init; }

    /// <summary>Field whose repeats within the lateness are dropped; null: no de-duplication.</summary>
    public string? Id { get; init; }

    /// <summary>The fields that are read, in the order declared. 1 to 64. For a joined source what its sides give, once the project is compiled.</summary>
    public required IReadOnlyList<FieldDefinition> Fields { get; init; }

    public IReadOnlyList<CleanRule> Clean { get; init; } = [];

    /// <summary>Further fields of an event, which no record holds.</summary>
    public IReadOnlyList<EnrichDefinition> Enrich { get; init; } = [];

    /// <summary>All fields of an event: <see cref="Fields"/>, then those of <see cref="Enrich"/>.</summary>
    public IReadOnlyList<FieldDefinition> EventFields => Enrich.Count == 0 ? Fields : [.. Fields, .. Enrich.Select(enrich => new FieldDefinition(enrich.As, FieldType.Double))];

    /// <summary>What a record of the topic says: an event, or a change of a row.</summary>
    public EventEnvelope Envelope { get; init; }

    /// <summary>Where its refused records go. Those of a joined source go where those of the side go that they are of.</summary>
    public string DeadLetterTopic => DeadLetters ?? Kafka?.Topic + ".dead-letter";
}

/// <summary>
/// A field of type double that holds a feature of the entity that an event is about, as of the event's time: right after the event where its source feeds
/// the entity, else as far as the entity has come. Null where the feature, or the entity's key, is null.
/// </summary>
public sealed record EnrichDefinition
{
    /// <summary>A number, as <c>view:feature</c>. The keys of the view's entity are fields of the source.</summary>
    public required string Feature { get; init; }

    /// <summary>Name of the field.</summary>
    public required string As { get; init; }
}

public sealed record KafkaTopicDefinition
{
    public required string Topic { get; init; }

    public EventFormat Format { get; init; }
}

public enum EventFormat
{
    Json,
}

public enum EventEnvelope
{
    /// <summary>A record is an event.</summary>
    None,

    /// <summary>A record is a change of a row as Debezium writes it, with op, before and after: a create or a snapshot's read adds the row as an event, a delete takes it back, an update does both.</summary>
    Debezium,
}

public enum SourceClock
{
    /// <summary>The machine's clock: for live sources.</summary>
    Wall,

    /// <summary>The greatest event time applied: for replays and tests.</summary>
    Stream,
}

public sealed record FieldDefinition(string Name, FieldType Type);

/// <summary>Type of a field of an event or of a request.</summary>
public enum FieldType
{
    Int64,
    Double,
    Bool,

    /// <summary>UTF-8 text of at most 4,096 bytes.</summary>
    String,

    /// <summary>Unix milliseconds; written as RFC 3339 text or as an integer.</summary>
    Timestamp,
}

/// <summary>What to do with a field that is missing (null counts as missing) or outside its bounds.</summary>
public sealed record CleanRule
{
    public required string Field { get; init; }

    public MissingAction Missing { get; init; }

    /// <summary>What <see cref="MissingAction.Fill"/> puts in place; of the field's type: a long (for timestamp too, Unix ms), a double, a bool or a string.</summary>
    public object? Fill { get; init; }

    /// <summary>A value less than this is outside; the bound itself is inside.</summary>
    public double? Below { get; init; }

    /// <summary>A value greater than this is outside; the bound itself is inside.</summary>
    public double? Above { get; init; }

    public OutsideAction Outside { get; init; } = OutsideAction.DeadLetter;
}

public enum MissingAction
{
    /// <summary>The field stays null.</summary>
    Keep,

    /// <summary>The event is dropped, and counted.</summary>
    Drop,
    DeadLetter,

    /// <summary>The field takes <see cref="CleanRule.Fill"/>.</summary>
    Fill,
}

public enum OutsideAction
{
    DeadLetter,

    /// <summary>The event is dropped, and counted.</summary>
    Drop,

    /// <summary>The field becomes null.</summary>
    Null,

    /// <summary>The field takes the nearer bound.</summary>
    Clip,
}
