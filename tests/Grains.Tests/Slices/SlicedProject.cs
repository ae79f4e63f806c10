using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using FeatureStore.Grains.Payloads;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Tests;

namespace FeatureStore.Grains.Tests.Slices;

/// <summary>An event of the stream, at its place.</summary>
internal sealed record Payment(int Partition, long Offset, long TimeMs, long Customer, string Device, double Amount);

/// <summary>Payments of customers, who are each of one partition, with devices that all share. Amounts are whole and times differ, so that no value depends on the order.</summary>
internal static class SlicedProject
{
    public const int Customer = 0;
    public const int Device = 1;

    public static ProjectPlan Plan { get; } = TestProject.Compile(new ProjectDefinition
    {
        Project = "sliced",
        Sources =
        [
            new SourceDefinition
            {
                Name = "payments",
                Kafka = new KafkaTopicDefinition { Topic = "payments" },
                Timestamp = "AT",
                Lateness = TimeSpan.FromSeconds(10),
                Align = TimeSpan.FromSeconds(2),
                Fields = [new("AT", FieldType.Timestamp), new("CUSTOMER", FieldType.Int64), new("DEVICE", FieldType.String), new("AMOUNT", FieldType.Double)],
            },
        ],
        Entities = [new EntityDefinition { Name = "customer", Keys = ["CUSTOMER"] }, new EntityDefinition { Name = "device", Keys = ["DEVICE"] }],
        FeatureViews = [View("spend", "customer"), View("usage", "device")],
        FeatureServices =
        [
            new FeatureServiceDefinition
            {
                Name = "risk",
                Request = [new("AMOUNT", FieldType.Double)],
                Features = [.. new[] { "spend:n", "spend:sum", "spend:all", "usage:n", "usage:before" }.Select(feature => new ServiceFeatureDefinition { Name = feature.Replace(':', '_'), Feature = feature })],
            },
        ],
        Models = [new ModelDefinition { Name = "risk", Service = "risk", On = "payments", Sink = new SinkDefinition { Topic = "predictions" } }],
    });

    /// <summary>Values of a vector that depend on the customer alone.</summary>
    public static Range OfCustomer => ..3;

    /// <summary>A value that depends on all slices, and is what it is in one pipeline where nobody is lost.</summary>
    public static Range OfAll => 4..;

    public static Payment[][] Log(int seed, int partitions, int events)
    {
        var random = new Random(seed);
        var timeMs = TestProject.StartMs;
        var log = Enumerable.Range(0, partitions).Select(_ => new List<Payment>()).ToArray();
        for (var number = 0; number < events; number++)
        {
            timeMs += 1 + random.Next(200);
            var partition = random.Next(partitions);
            log[partition].Add(new Payment(partition, log[partition].Count, timeMs, partition + partitions * random.Next(5), $"device {random.Next(8)}", random.Next(1000)));
        }

        return [.. log.Select(partition => partition.ToArray())];
    }

    /// <summary>What an undisturbed run makes of the log: the vector of each event, and the features of each entity.</summary>
    public static (Dictionary<(int Partition, long Offset), double[]> Vectors, Dictionary<(int Entity, string Key), double[]> Features) Expect(Payment[][] log, long? asOfMs = null)
    {
        using var runtime = new Runtime.Local.LocalRuntime(Plan, new Runtime.Local.LocalRuntimeOptions { Shards = 1 });
        var batch = new Batch();
        Dictionary<(int, long), double[]> vectors = [];
        foreach (var payment in log.SelectMany(partition => partition).OrderBy(payment => payment.TimeMs))
        {
            batch.Fill([payment]);
            runtime.ApplyAsync(batch.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            vectors[(payment.Partition, payment.Offset)] = batch.Vector(0);
        }

        return (vectors, Features(log, runtime, asOfMs));
    }

    /// <summary>The features of every entity of the log, as of its end and later.</summary>
    public static Dictionary<(int Entity, string Key), double[]> Features(Payment[][] log, IEntityRuntime runtime, long? endMs = null)
    {
        var payments = log.SelectMany(partition => partition).ToList();
        var newestMs = endMs ?? payments.Max(payment => payment.TimeMs);
        Dictionary<(int, string), double[]> features = [];
        foreach (var (entity, key) in payments.Select(payment => (Customer, KeyOf(Customer, payment))).Concat(payments.Select(payment => (Device, KeyOf(Device, payment)))))
        {
            if (features.ContainsKey((entity, Convert.ToHexString(key))))
                continue;
            var (keys, blocks) = (new BlockSet(), new BlockSet());
            keys.Add(key);
            runtime.ReadAsync(entity, keys, blocks, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            var plan = Plan.Entities[entity];
            var values = new double[2 * plan.Features.Count];
            foreach (var (index, asOfMs) in new[] { (0, newestMs), (1, newestMs + 30_000) })
                plan.Read(blocks.Count == 0 || blocks[0].IsEmpty ? throw new AssertFailedException($"Entity {entity} has no block.") : blocks[0], asOfMs, [.. Enumerable.Range(0, plan.Features.Count)], values.AsSpan(index * plan.Features.Count, plan.Features.Count));
            features[(entity, Convert.ToHexString(key))] = values;
        }

        return features;
    }

    /// <summary>The request that takes payments to an entity.</summary>
    public static ApplyRequest Request(ClusterPlan plan, long interval, params Payment[] payments)
    {
        var batch = new Batch();
        batch.Fill(payments);
        var rows = new byte[Enumerable.Range(0, payments.Length).Sum(row => EventCodec.Length(batch.Apply.Events, row))];
        for (var (row, at) = (0, 0); row < payments.Length; row++)
            at += EventCodec.Write(batch.Apply.Events, row, rows.AsSpan(at));
        return new ApplyRequest { Plan = plan.Fingerprint, Source = 0, Interval = interval, Vectors = 1, Count = payments.Length, Rows = rows };
    }

    public static byte[] KeyOf(int entity, Payment payment)
    {
        var batch = new Batch();
        batch.Fill([payment]);
        var key = new byte[EntityPlan.KeyBytesMax];
        return key[..Plan.Entities[entity].EncodeKey(batch.Apply.Events.Row(0), [entity == Customer ? 1 : 2], key)];
    }

    private static FeatureViewDefinition View(string name, string entity) => new()
    {
        Name = name,
        Entity = entity,
        Source = "payments",
        Features =
        [
            new FeatureDefinition { Name = "n", Aggregate = Aggregate.Count, Window = new WindowDefinition.Sliding(TimeSpan.FromSeconds(60)) { Limit = 10_000 } },
            new FeatureDefinition { Name = "sum", Aggregate = Aggregate.Sum, Of = "AMOUNT", Window = new WindowDefinition.Sliding(TimeSpan.FromSeconds(60)) { Limit = 10_000 } },
            // All that is in it has arrived, whatever the order.
            new FeatureDefinition { Name = "before", Aggregate = Aggregate.Sum, Of = "AMOUNT", Window = new WindowDefinition.Sliding(TimeSpan.FromSeconds(60)) { Delay = TimeSpan.FromSeconds(12), Limit = 10_000 } },
            new FeatureDefinition { Name = "sessions", Aggregate = Aggregate.Count, Window = new WindowDefinition.Session(TimeSpan.FromSeconds(2)) { Closed = 100 } },
            new FeatureDefinition { Name = "all", Aggregate = Aggregate.Sum, Of = "AMOUNT" },
        ],
    };

    /// <summary>Payments on their way into a runtime.</summary>
    public sealed class Batch
    {
        private readonly EventBatch _events = new(Plan.Sources[0].Schema);
        private readonly VectorBatch[] _vectors = [.. Plan.ServicesOn(Plan.Sources[0]).Select(service => new VectorBatch(service))];

        public Batch() => Apply = new ApplyBatch(0, _events, _vectors);

        public ApplyBatch Apply { get; }

        public void Fill(ReadOnlySpan<Payment> payments)
        {
            _events.Clear();
            foreach (var payment in payments)
            {
                var row = _events.Add(new EventHeader { TimeMs = payment.TimeMs, Offset = payment.Offset, Partition = payment.Partition });
                _events.SetInt64(row, 0, payment.TimeMs);
                _events.SetInt64(row, 1, payment.Customer);
                _events.SetText(row, 2, Encoding.UTF8.GetBytes(payment.Device));
                _events.SetDouble(row, 3, payment.Amount);
            }

            foreach (var vectors in _vectors)
                vectors.Reset(_events.Count);
        }

        public double[] Vector(int row) => _vectors[0].Row(row).ToArray();
    }
}
