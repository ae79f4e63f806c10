using System.Buffers.Binary;
using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Runtime.Tests;

/// <summary>Payments that take along how busy their terminal is, what their device was up to, and what a shop, which only they read, is like.</summary>
[TestClass]
public sealed class EnrichmentTests
{
    private const int Payments = 0;
    private const int Logins = 1;
    private const int WindowSeconds = 60;

    private static readonly ProjectPlan _plan = TestProject.Compile(new ProjectDefinition
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

    private static readonly ComputedFeatures _computed = new(_plan.Services[0], _plan.Sources[Payments].Schema);

    [TestMethod]
    public void PlanKnowsWhatEnriches()
    {
        var payments = _plan.Sources[Payments];
        Assert.AreEqual((8, 5), (payments.Schema.Count, payments.ReadFields));
        CollectionAssert.AreEqual(new[] { 1 }, payments.EntitiesOfEnriched.ToArray());
        CollectionAssert.AreEqual(new[] { _plan.Sources[Logins] }, payments.Peers.ToArray());
        CollectionAssert.AreEqual(new[] { payments }, _plan.Sources[Logins].Peers.ToArray());
    }

    /// <summary>Vectors and state are those of an oracle that looks at all earlier events again, also when the process starts anew from a checkpoint in the middle.</summary>
    [TestMethod]
    [DataRow(1, 1)]
    [DataRow(2, 3)]
    [DataRow(5, 2)]
    public void EnrichedFieldsAreAsOfTheEvent(int shards, int shardsAfter)
    {
        for (var seed = 1; seed <= 8; seed++)
        {
            var random = new Random(seed);
            var oracle = new Oracle();
            var runtime = NewRuntime(shards);
            var timeMs = TestProject.StartMs;
            for (var number = 0; number < 60; number++)
            {
                var batch = new TestBatch(_plan, number % 2 == 0 ? Payments : Logins);
                List<double[]> expected = [];
                for (var left = random.Next(100); left > 0; left--)
                {
                    timeMs += random.Next(2) * random.Next(1000);
                    var device = random.Next(10) == 0 ? null : $"d{random.Next(6)}";
                    if (batch.Apply.Source == Logins)
                        Add(batch, oracle.Login(timeMs, device, random.Next(2) == 0));
                    else
                        expected.Add(Add(batch, oracle.Pay(timeMs, random.Next(8), random.Next(12) == 0 ? null : random.Next(5), device, random.Next(1, 1000))));
                }

                batch.ResetVectors();
                runtime.Apply(batch);
                if (batch.Apply.Source == Payments)
                {
                    _computed.Fill(batch.Vectors[0], batch.Events);
                    for (var row = 0; row < expected.Count; row++)
                        CollectionAssert.AreEqual(expected[row], batch.Vectors[0].Row(row).ToArray(), $"seed {seed}, batch {number}, row {row}");
                }

                if (number == 30)
                    runtime = Restart(runtime, shardsAfter);
            }

            runtime.Dispose();
        }
    }

    /// <summary>What a batch is cut into makes no difference: state ends the same.</summary>
    [TestMethod]
    public void BatchesMakeNoDifference()
    {
        using var whole = NewRuntime(2);
        using var cut = NewRuntime(3);
        var random = new Random(7);
        var (all, oracle, timeMs) = (new TestBatch(_plan, Payments), new Oracle(), TestProject.StartMs);
        for (var index = 0; index < 500; index++)
        {
            Payment payment = oracle.Pay(timeMs += random.Next(500), random.Next(8), random.Next(3), "d", index).Payment;
            Add(all, (payment, []));
            var one = new TestBatch(_plan, Payments);
            Add(one, (payment, []));
            one.ResetVectors();
            cut.Apply(one);
        }

        all.ResetVectors();
        whole.Apply(all);
        var entities = Enumerable.Range(0, 3).Select(key => (0, Int64Key(key))).Concat(Enumerable.Range(0, 8).Select(key => (1, Int64Key(key)))).ToList();
        Runtimes.AssertSame(whole.Read(entities), cut.Read(entities));
    }

    /// <summary>A row that is applied again forgets what enriched it before.</summary>
    [TestMethod]
    public void ABatchCanBeAppliedTwice()
    {
        using var first = NewRuntime(1);
        using var second = NewRuntime(1);
        var oracle = new Oracle();
        var login = new TestBatch(_plan, Logins);
        Add(login, oracle.Login(TestProject.StartMs, "d", true));
        login.ResetVectors();
        first.Apply(login);
        var batch = new TestBatch(_plan, Payments);
        Add(batch, oracle.Pay(TestProject.StartMs, 1, 1, "d", 5));
        foreach (var (runtime, newest) in new[] { (first, true), (second, false) })
        {
            batch.ResetVectors();
            runtime.Apply(batch);
            Assert.AreEqual(newest, batch.Events.Row(0).Has(7));
            Assert.IsTrue(batch.Events.Row(0).Has(6), "A count of nothing is 0.");
        }
    }

    [TestMethod]
    public void EnrichingAllocatesNothing()
    {
        using var runtime = NewRuntime(1);
        var (batch, random, oracle) = (new TestBatch(_plan, Payments), new Random(3), new Oracle());
        for (var row = 0; row < 300; row++)
            Add(batch, oracle.Pay(TestProject.StartMs, random.Next(8), random.Next(5), "d", 1));
        var before = 0L;
        for (var round = 0; round < 200; round++)
        {
            if (round == 150)
                before = GC.GetAllocatedBytesForCurrentThread();
            batch.ResetVectors();
            for (var row = 0; row < batch.Events.Count; row++)
                batch.Events[row].TimeMs += 1000;
            runtime.Apply(batch);
        }

        Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static LocalRuntime NewRuntime(int shards) => new(_plan, new LocalRuntimeOptions { Shards = shards });

    private static LocalRuntime Restart(LocalRuntime runtime, int shards)
    {
        runtime.BeginSnapshot();
        var checkpoint = runtime.CopySnapshot(Runtimes.Header());
        var restored = NewRuntime(shards);
        restored.Restore(checkpoint.Header, visit =>
        {
            for (var index = 0; index < checkpoint.Keys.Count; index++)
                visit(checkpoint.Entities[index], checkpoint.Keys[index], checkpoint.Blocks[index]);
        });
        runtime.Dispose();
        return restored;
    }

    private static string Int64Key(long key)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, key);
        return Convert.ToHexString(bytes);
    }

    private static double[] Add(TestBatch batch, (Payment Payment, double[] Vector) paid)
    {
        var payment = paid.Payment;
        var row = batch.Events.Add(new EventHeader { TimeMs = payment.TimeMs });
        batch.Events.SetInt64(row, 0, payment.TimeMs);
        batch.Events.SetInt64(row, 1, payment.Customer);
        if (payment.Terminal is { } terminal)
            batch.Events.SetInt64(row, 2, terminal);
        if (payment.Device is { } device)
            batch.Events.SetText(row, 3, Encoding.UTF8.GetBytes(device));
        batch.Events.SetDouble(row, 4, payment.Amount);
        return paid.Vector;
    }

    private static void Add(TestBatch batch, (long TimeMs, string? Device, bool Ok) login)
    {
        var row = batch.Events.Add(new EventHeader { TimeMs = login.TimeMs });
        batch.Events.SetInt64(row, 0, login.TimeMs);
        if (login.Device is { } device)
            batch.Events.SetText(row, 1, Encoding.UTF8.GetBytes(device));
        batch.Events.SetInt64(row, 2, login.Ok ? 1 : 0);
    }

    private static FeatureViewDefinition View(string name, string entity, string source, params FeatureDefinition[] features) =>
        new() { Name = name, Entity = entity, Source = source, Features = features };

    private static FeatureDefinition Windowed(string name, Aggregate aggregate, string? of) =>
        new() { Name = name, Aggregate = aggregate, Of = of, Window = new WindowDefinition.Sliding(TimeSpan.FromSeconds(WindowSeconds)) { Limit = 1000 } };

    private sealed record Payment(long TimeMs, long Customer, long? Terminal, string? Device, double Amount, double? Busy, double? Fails, double? Newest);

    /// <summary>All events so far, looked at again for each value.</summary>
    private sealed class Oracle
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
