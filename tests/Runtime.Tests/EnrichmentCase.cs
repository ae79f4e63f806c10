using System.Buffers.Binary;
using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;

namespace FeatureStore.Runtime.Tests;

/// <summary>Payments that take along how busy their terminal is, and what their device was up to; and an oracle that looks at all earlier events again.</summary>
internal static class EnrichmentCase
{
    private static long _offsets;

    public const int Payments = 0;
    public const int Logins = 1;
    public const int WindowSeconds = 60;

    public static ProjectPlan Plan { get; } = TestProject.Compile(new ProjectDefinition
    {
        Project = "test",
        Sources =
        [
            new SourceDefinition
            {
                Name = "payments",
                Kafka = new() { Topic = "payments" },
                Timestamp = "AT",
                Fields = [new("AT", FieldType.Timestamp), new("CUSTOMER", FieldType.Int64), new("TERMINAL", FieldType.Int64), new("DEVICE", FieldType.String), new("AMOUNT", FieldType.Double)],
                Enrich =
                [
                    new() { Feature = "terminals:busy", As = "BUSY" },
                    new() { Feature = "devices:fails", As = "FAILS" },
                    new() { Feature = "devices:newest", As = "NEWEST" },
                ],
            },
            new SourceDefinition
            {
                Name = "logins",
                Kafka = new() { Topic = "logins" },
                Timestamp = "AT",
                Fields = [new("AT", FieldType.Timestamp), new("DEVICE", FieldType.String), new("OK", FieldType.Bool)],
            },
        ],
        Entities = [new() { Name = "terminal", Keys = ["TERMINAL"] }, new() { Name = "customer", Keys = ["CUSTOMER"] }, new() { Name = "device", Keys = ["DEVICE"] }],
        FeatureViews =
        [
            View("terminals", "terminal", "payments", Windowed("busy", Aggregate.Count, null)),
            View("customers", "customer", "payments",
                Windowed("busy_spend", Aggregate.Sum, "AMOUNT") with { Where = "BUSY > 2.0" },
                Windowed("fails", Aggregate.Sum, "FAILS"),
                Windowed("told", Aggregate.Count, "NEWEST")),
            View("devices", "device", "logins", Windowed("fails", Aggregate.Count, null) with { Where = "!OK" }, Windowed("newest", Aggregate.Mean, "OK")),
        ],
        FeatureServices =
        [
            new()
            {
                Name = "risk",
                Request = [new("BUSY", FieldType.Double), new("FAILS", FieldType.Double), new("NEWEST", FieldType.Double)],
                Features =
                [
                    new() { Name = "BUSY", RequestField = "BUSY" }, new() { Name = "FAILS", RequestField = "FAILS" }, new() { Name = "newest", Expression = "has(NEWEST) ? NEWEST : -1.0" },
                    new() { Name = "busy_spend", Feature = "customers:busy_spend" }, new() { Name = "fails", Feature = "customers:fails" }, new() { Name = "told", Feature = "customers:told" },
                    new() { Name = "busy", Feature = "terminals:busy" },
                ],
            },
        ],
        Models = [new() { Name = "risk", Service = "risk", Entity = "customer", On = "payments", Sink = new SinkDefinition { Topic = "predictions" } }],
    });

    public static ComputedFeatures Computed { get; } = new(Plan.Services[0], Plan.Sources[Payments].Schema);

    public static string Int64Key(long key)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, key);
        return Convert.ToHexString(bytes);
    }

    public static double[] Add(TestBatch batch, (Payment Payment, double[] Vector) paid)
    {
        var payment = paid.Payment;
        var row = batch.Events.Add(new EventHeader { TimeMs = payment.TimeMs, Offset = Interlocked.Increment(ref _offsets) });
        batch.Events.SetInt64(row, 0, payment.TimeMs);
        batch.Events.SetInt64(row, 1, payment.Customer);
        if (payment.Terminal is { } terminal)
            batch.Events.SetInt64(row, 2, terminal);
        if (payment.Device is { } device)
            batch.Events.SetText(row, 3, Encoding.UTF8.GetBytes(device));
        batch.Events.SetDouble(row, 4, payment.Amount);
        return paid.Vector;
    }

    public static void Add(TestBatch batch, (long TimeMs, string? Device, bool Ok) login)
    {
        var row = batch.Events.Add(new EventHeader { TimeMs = login.TimeMs, Offset = Interlocked.Increment(ref _offsets) });
        batch.Events.SetInt64(row, 0, login.TimeMs);
        if (login.Device is { } device)
            batch.Events.SetText(row, 1, Encoding.UTF8.GetBytes(device));
        batch.Events.SetInt64(row, 2, login.Ok ? 1 : 0);
    }

    private static FeatureViewDefinition View(string name, string entity, string source, params FeatureDefinition[] features) =>
        new() { Name = name, Entity = entity, Source = source, Features = features };

    private static FeatureDefinition Windowed(string name, Aggregate aggregate, string? of) =>
        new() { Name = name, Aggregate = aggregate, Of = of, Window = new WindowDefinition.Sliding(TimeSpan.FromSeconds(WindowSeconds)) { Limit = 1000 } };

    public sealed record Payment(long TimeMs, long Customer, long? Terminal, string? Device, double Amount, double? Busy, double? Fails, double? Newest);

    /// <summary>All events so far, looked at again for each value.</summary>
    public sealed class Oracle
    {
        private readonly List<Payment> _payments = [];
        private readonly List<(long TimeMs, string? Device, bool Ok)> _logins = [];

        public (long TimeMs, string? Device, bool Ok) Login(long timeMs, string? device, bool ok)
        {
            _logins.Add((timeMs, device, ok));
            return _logins[^1];
        }

        public (Payment Payment, double[] Vector) Pay(long timeMs, long customer, long? terminal, string? device, double amount)
        {
            bool Covers(long eventMs) => eventMs > timeMs - WindowSeconds * 1000;
            double? busy = terminal is null ? null : 1 + _payments.Count(other => other.Terminal == terminal && Covers(other.TimeMs));
            var logins = _logins.Where(login => login.Device == device && Covers(login.TimeMs)).ToList();
            double? fails = device is null ? null : logins.Count(login => !login.Ok);
            double? newest = device is null || logins.Count == 0 ? null : logins.Average(login => login.Ok ? 1.0 : 0.0);
            var payment = new Payment(timeMs, customer, terminal, device, amount, busy, fails, newest);
            _payments.Add(payment);
            var own = _payments.Where(other => other.Customer == customer && Covers(other.TimeMs)).ToList();
            return (payment,
            [
                busy ?? double.NaN, fails ?? double.NaN, newest ?? -1, own.Where(other => other.Busy > 2).Sum(other => other.Amount),
                own.Sum(other => other.Fails ?? 0), own.Count(other => other.Newest is not null), busy ?? double.NaN,
            ]);
        }
    }
}
