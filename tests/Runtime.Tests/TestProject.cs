using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;

namespace FeatureStore.Runtime.Tests;

/// <summary>
/// Payments of customers by devices, and logins from devices: two sources, two entities. Payments are scored with what is known of the device, which
/// only logins change.
/// </summary>
internal static class TestProject
{
    public const int Payments = 0;
    public const int Logins = 1;
    public const int Customer = 0;
    public const int Device = 1;
    public const long StartMs = 1_527_811_200_000;

    public static readonly ProjectDefinition Definition = new()
    {
        Project = "test",
        Sources =
        [
            Source("payments", new("AT", FieldType.Timestamp), new("CUSTOMER", FieldType.Int64), new("DEVICE", FieldType.String), new("AMOUNT", FieldType.Double)),
            Source("logins", new("AT", FieldType.Timestamp), new("OK", FieldType.Bool), new("DEVICE", FieldType.String)),
        ],
        Entities = [new EntityDefinition { Name = "customer", Keys = ["CUSTOMER"] }, new EntityDefinition { Name = "device", Keys = ["DEVICE"] }],
        FeatureViews =
        [
            View("spend", "customer", "payments", Count("n", 60), Sum("sum", "AMOUNT", 60), Sum("all", "AMOUNT", 0)),
            View("access", "device", "logins", Count("n", 30), Sum("ok", "OK", 30)),
        ],
        FeatureServices =
        [
            Service("risk", "access:n", "AMOUNT", "spend:sum", "spend:n", "access:ok"),
            Service("short", "spend:all"),
        ],
        Models = [Model("risk"), Model("short")],
    };

    public static ProjectPlan Plan { get; } = Compile(Definition);

    public static ProjectPlan Compile(ProjectDefinition definition)
    {
        Assert.AreEqual("", string.Join("\n", DefinitionValidator.Validate(definition)));
        return ProjectPlan.Compile(definition);
    }

    /// <summary>Random batches of both sources in turn: few customers and devices, some events without a key or with one that is too long, times out of order.</summary>
    public static IEnumerable<TestBatch> Batches(int seed, int batches, int eventsMax)
    {
        var random = new Random(seed);
        var timeMs = StartMs;
        for (var number = 0; number < batches; number++)
        {
            var batch = new TestBatch(Plan, number % 3 == 2 ? Logins : Payments);
            for (var left = random.Next(eventsMax + 1); left > 0; left--)
            {
                timeMs += random.Next(500);
                batch.Add(timeMs - random.Next(5000), RandomCustomer(), RandomDevice(), random.Next(100_000) / 100.0);
            }

            batch.ResetVectors();
            yield return batch;
        }

        long? RandomCustomer() => random.Next(20) == 0 ? null : random.Next(40);

        string? RandomDevice() => random.Next(20) switch { 0 => null, 1 => new string('x', random.Next(1000, 3000)), _ => $"device {random.Next(25)}" };
    }

    private static SourceDefinition Source(string name, params FieldDefinition[] fields) => new()
    {
        Name = name,
        Kafka = new KafkaTopicDefinition { Topic = name },
        Timestamp = "AT",
        Lateness = TimeSpan.FromSeconds(10),
        Fields = fields,
    };

    private static FeatureViewDefinition View(string name, string entity, string source, params FeatureDefinition[] features) =>
        new() { Name = name, Entity = entity, Source = source, Features = features };

    private static FeatureDefinition Count(string name, int seconds) => new() { Name = name, Aggregate = Aggregate.Count, Window = Window(seconds) };

    private static FeatureDefinition Sum(string name, string of, int seconds) => new() { Name = name, Aggregate = Aggregate.Sum, Of = of, Window = Window(seconds) };

    private static WindowDefinition.Sliding? Window(int seconds) => seconds == 0 ? null : new WindowDefinition.Sliding(TimeSpan.FromSeconds(seconds)) { Limit = 1000 };

    private static FeatureServiceDefinition Service(string name, params string[] features) => new()
    {
        Name = name,
        Request = [new("AMOUNT", FieldType.Double)],
        Features = [.. features.Select(feature => feature.Contains(':', StringComparison.Ordinal)
            ? new ServiceFeatureDefinition { Name = feature.Replace(':', '_'), Feature = feature }
            : new ServiceFeatureDefinition { Name = feature, RequestField = feature })],
    };

    private static ModelDefinition Model(string service) =>
        new() { Name = service, Service = service, On = "payments", Sink = new SinkDefinition { Topic = "predictions" } };
}

/// <summary>A batch of one source with the vectors to fill.</summary>
internal sealed class TestBatch
{
    private static long _offsets;
    private readonly int _source;

    public TestBatch(ProjectPlan plan, int source)
    {
        _source = source;
        Events = new EventBatch(plan.Sources[source].Schema);
        Vectors = [.. plan.ServicesOn(plan.Sources[source]).Select(service => new VectorBatch(service))];
        Apply = new ApplyBatch(source, Events, Vectors);
    }

    public EventBatch Events { get; }

    public VectorBatch[] Vectors { get; }

    public ApplyBatch Apply { get; }

    public void Add(long timeMs, long? customer, string? device, double amount)
    {
        var row = Events.Add(new EventHeader { TimeMs = timeMs, Offset = Interlocked.Increment(ref _offsets) });
        Events.SetInt64(row, 0, timeMs);
        if (device is not null)
            Events.SetText(row, 2, System.Text.Encoding.UTF8.GetBytes(device));
        if (_source == TestProject.Logins)
        {
            Events.SetInt64(row, 1, amount > 300 ? 1 : 0);
            return;
        }

        Events.SetDouble(row, 3, amount);
        if (customer is { } number)
            Events.SetInt64(row, 1, number);
    }

    public void ResetVectors()
    {
        foreach (var vectors in Vectors)
            vectors.Reset(Events.Count);
    }

    /// <summary>All values of all vectors.</summary>
    public double[] Values() => [.. Vectors.SelectMany(vectors => Enumerable.Range(0, vectors.Count).SelectMany(row => vectors.Row(row).ToArray()))];
}
