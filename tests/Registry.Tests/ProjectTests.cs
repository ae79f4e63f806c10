using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;

namespace FeatureStore.Registry.Tests;

/// <summary>Whole projects: what they load as, and what a badly broken one says.</summary>
[TestClass]
public sealed class ProjectTests
{
    [TestMethod]
    public void EveryValueArrives()
    {
        var project = Definitions.Load(Definitions.Sound).Project!;

        Assert.HasCount(3, project.Sources);
        var source = project.Sources[0];
        Assert.AreEqual(("shop", "orders", "orders", EventFormat.Json, "AT", SourceClock.Wall), (project.Project, source.Name, source.Kafka!.Topic, source.Kafka.Format, source.Timestamp, source.Clock));
        Assert.AreEqual((TimeSpan.FromMinutes(10), TimeSpan.FromHours(2), TimeSpan.Zero), (source.Lateness, source.Ahead, source.Align));
        Assert.AreEqual(("orders.bad", "orders.bad", "ID"), (source.DeadLetters, source.DeadLetterTopic, source.Id));
        CollectionAssert.AreEqual(
            new FieldDefinition[] { new("ID", FieldType.Int64), new("AT", FieldType.Timestamp), new("USER", FieldType.Int64), new("AMOUNT", FieldType.Double), new("CHANNEL", FieldType.String), new("FIRST", FieldType.Bool) },
            source.Fields.ToArray());
        CollectionAssert.AreEqual(
            new CleanRule[]
            {
                new() { Field = "AMOUNT", Missing = MissingAction.Drop, Below = 0, Above = 1e6, Outside = OutsideAction.Clip },
                new() { Field = "CHANNEL", Missing = MissingAction.Fill, Fill = "web" },
            },
            source.Clean.ToArray());
        Assert.AreEqual(new EnrichDefinition { Feature = "spend:ever", As = "PAST" }, Assert.ContainsSingle(source.Enrich));
        var joined = project.Sources[2];
        Assert.AreEqual(("hit_orders", null, "", 0), (joined.Name, joined.Kafka, joined.Timestamp, joined.Fields.Count));
        Assert.AreEqual(
            ("hits", "orders", "USER", TimeSpan.FromMinutes(45), JoinUnmatched.Left, 40),
            (joined.Join!.Left, joined.Join.Right, Assert.ContainsSingle(joined.Join.On), joined.Join.Within, joined.Join.Unmatched, joined.Join.Limit));
        Assert.AreEqual("user: USER", string.Join(';', project.Entities.Select(entity => $"{entity.Name}: {string.Join(',', entity.Keys)}")));

        var view = Assert.ContainsSingle(project.FeatureViews);
        Assert.AreEqual(("spend", "user", "orders", TimeSpan.FromDays(90)), (view.Name, view.Entity, view.Source, view.Ttl));
        var bounds = view.Features[8].Bounds;
        CollectionAssert.AreEqual(
            new FeatureDefinition[]
            {
                new() { Name = "total", Aggregate = Aggregate.Sum, Of = "AMOUNT", Where = "AMOUNT > 1.0", Window = new WindowDefinition.Sliding(TimeSpan.FromDays(7)) },
                new() { Name = "late", Aggregate = Aggregate.Mean, Of = "AMOUNT", Window = new WindowDefinition.Sliding(TimeSpan.FromHours(1)) { Delay = TimeSpan.FromDays(1), Limit = 500 }, Default = -1 },
                new() { Name = "ever", Aggregate = Aggregate.Count },
                new() { Name = "tiled", Aggregate = Aggregate.Quantile, Of = "AMOUNT", Q = 0.95, Window = new WindowDefinition.Sliding(TimeSpan.FromDays(30)) { Delay = TimeSpan.FromHours(1), Tile = TimeSpan.FromHours(2) } },
                new() { Name = "daily", Aggregate = Aggregate.Variance, Of = "AMOUNT", Sample = true, Window = new WindowDefinition.Tumbling(TimeSpan.FromDays(1)) { Offset = TimeSpan.FromHours(6), Closed = true, TimeZone = "Europe/Berlin" } },
                new() { Name = "visit", Aggregate = Aggregate.SessionDuration, Window = new WindowDefinition.Session(TimeSpan.FromMinutes(30)) { Max = TimeSpan.FromHours(12), Closed = 3, Limit = 600 } },
                new() { Name = "recent", Aggregate = Aggregate.LastN, Of = "CHANNEL", N = 5, Window = new WindowDefinition.Last(10) },
                new() { Name = "faded", Aggregate = Aggregate.DecayedSum, Of = "AMOUNT", HalfLife = TimeSpan.FromHours(36) },
                new() { Name = "spread", Aggregate = Aggregate.Histogram, Of = "AMOUNT", Bounds = bounds },
                new() { Name = "usual", Aggregate = Aggregate.TopK, Of = "CHANNEL", K = 4 },
                new() { Name = "by_channel", Aggregate = Aggregate.Stddev, Of = "AMOUNT", By = "CHANNEL", Limit = 20, Window = new WindowDefinition.Tumbling(TimeSpan.FromDays(7)) },
            },
            view.Features.ToArray());
        CollectionAssert.AreEqual(new[] { 0, 10, 100.5 }, bounds!.ToArray());

        var service = Assert.ContainsSingle(project.FeatureServices);
        CollectionAssert.AreEqual(new FieldDefinition[] { new("AMOUNT", FieldType.Double), new("CHANNEL", FieldType.String) }, service.Request.ToArray());
        Assert.AreEqual(
            "AMOUNT=AMOUNT; total=spend:total; big={AMOUNT > 9.0 ? 1.0 : 0.0}; mean_late=spend:late; ever=spend:ever; CHANNEL=CHANNEL",
            string.Join("; ", service.Features.Select(feature => $"{feature.Name}={feature.Feature ?? feature.RequestField ?? $"{{{feature.Expression}}}"}")));
        var transforms = service.Features[4].Transforms;
        Assert.AreEqual(new TransformDefinition.Standardize(53.6, 42.3), Assert.ContainsSingle(service.Features[3].Transforms));
        CollectionAssert.AreEqual(
            new TransformDefinition[] { new TransformDefinition.Log1p(), new TransformDefinition.Clip(0, 5), new TransformDefinition.MinMax(0, 5), new TransformDefinition.Impute(0) },
            transforms.Take(4).ToArray());
        CollectionAssert.AreEqual(new[] { 0.2, 0.5 }, ((TransformDefinition.Bucketize)transforms[4]).Bounds.ToArray());
        CollectionAssert.AreEqual(new[] { "web", "app" }, ((TransformDefinition.OneHot)service.Features[5].Transforms[0]).Categories.ToArray());

        var model = Assert.ContainsSingle(project.Models);
        Assert.AreEqual(("churn", "buy", "user", "orders", new SinkDefinition { Topic = "predictions", Vector = true }), (model.Name, model.Service, model.Entity, model.On, model.Sink));
        Assert.AreEqual(KeyValuePair.Create("score", "probabilities[1]"), Assert.ContainsSingle(model.Outputs));
    }

    [TestMethod]
    public void DefaultsAreTheRecords()
    {
        var project = Definitions.Load("""
            project: small
            sources:
              - { name: clicks, kafka: { topic: clicks }, timestamp: AT, fields: { AT: timestamp, USER: string, N: int64 }, clean: [{ field: N, missing: fill, fill: 7 }, { field: USER, missing: drop }] }
            entities: [{ name: user, keys: [USER] }]
            feature_views:
              - { name: clicks, entity: user, source: clicks, features: [{ name: n, aggregate: count, window: { sliding: 500ms } }] }
            models: []
            """).Project!;
        var source = project.Sources[0];
        Assert.AreEqual(
            (SourceClock.Wall, TimeSpan.Zero, TimeSpan.FromHours(1), TimeSpan.FromHours(1), null, "clicks.dead-letter", null),
            (source.Clock, source.Lateness, source.Ahead, source.Align, source.DeadLetters, source.DeadLetterTopic, source.Id));
        Assert.AreEqual(new CleanRule { Field = "N", Missing = MissingAction.Fill, Fill = 7L }, source.Clean[0]);
        Assert.AreEqual(new WindowDefinition.Sliding(TimeSpan.FromMilliseconds(500)), project.FeatureViews[0].Features[0].Window);
        Assert.IsNull(project.FeatureViews[0].Ttl);
    }

    [TestMethod]
    [DataRow("int64", "-9223372036854775808", long.MinValue)]
    [DataRow("double", "3", 3.0)]
    [DataRow("bool", "true", true)]
    [DataRow("string", "7", "7")]
    [DataRow("string", "\"\"", "")]
    [DataRow("timestamp", "1522540831000", 1522540831000)]
    [DataRow("timestamp", "2018-04-01T00:00:31Z", 1522540831000)]
    [DataRow("timestamp", "\"2018-04-01T02:00:31.5+02:00\"", 1522540831500)]
    public void FillTakesTheFieldsType(string type, string fill, object expected)
    {
        var project = Definitions.Load($$"""
            project: small
            sources:
              - name: clicks
                kafka: { topic: clicks }
                timestamp: AT
                fields: { AT: timestamp, X: {{type}} }
                clean: [{ field: X, missing: fill, fill: {{fill}} }]
            """);
        Assert.IsEmpty(project.Errors, project.ToString());
        Assert.AreEqual(expected, project.Project!.Sources[0].Clean[0].Fill);
    }

    /// <summary>Faults of every kind are told together, and none of their consequences.</summary>
    [TestMethod]
    public void ManyFaultsAreToldAtOnce()
    {
        var text = Definitions.Edit(
            Definitions.Sound,
            "lateness: 10m", "§latness: 10x",
            "AMOUNT: double, CHANNEL: string, FIRST", "AMOUNT: §float, CHANNEL: string, FIRST",
            "keys: [USER]", "§key: [USER]",
            "name: ever, aggregate: count", "name: ever, aggregate: §rating",
            "where: \"AMOUNT > 1.0\", window: { sliding: 7d }", "where: \"CHANNEL == §7\", window: { sliding: §0d }",
            "- spend:total", "- §spend:totall",
            "std: 42.3", "std: §0",
            "    service: buy", "    service: §sell",
            "topic: predictions", "topic: §orders");
        var (clean, places) = Definitions.TakeMarks(text.Replace("10x", "§10x", StringComparison.Ordinal));

        // The expression's field has no type known, so nothing is said of the expression.
        places = [.. places.Where(place => place != Place(clean, "7\", window"))];
        Assert.AreEqual(
            string.Join('\n', places.Order(Comparer<string>.Create(CompareParts))),
            string.Join('\n', Definitions.Load(clean).Errors.Select(error => $"{error.Line}:{error.Column}")));
        Assert.IsNull(Definitions.Load(clean).Project);
    }

    /// <summary>A thing that cannot be read is not unknown to those that refer to it.</summary>
    [TestMethod]
    [DataRow("  - name: orders\n    kafka", "  - §kafka")]
    [DataRow("    fields: {", "    §fieldz: {")]
    [DataRow("    fields: { ID: int64, AT: timestamp, USER: int64, AMOUNT: double, CHANNEL: string, FIRST: bool }", "    fields: §~")]
    [DataRow("  - { name: user, keys: [USER] }", "  - §[user]")]
    [DataRow("  - name: spend\n    entity: user\n    source", "  - §entity: user\n    source")]
    [DataRow("    features:\n      - { name: total, aggregate: sum", "    features:\n      - §total\n      - { name: all, aggregate: sum")]
    [DataRow("  - name: buy\n    request", "  - §request")]
    [DataRow("feature_views:\n  - name: spend\n    entity: user\n    source: orders\n    ttl: 90d", "feature_views:\n    §entity: user\n    ttl: 90d")]
    [DataRow("    request: { AMOUNT: double, CHANNEL: string }", "    request: { AMOUNT: double, CHANNEL: §text }")]
    [DataRow("outputs: { score: \"probabilities[1]\" }", "outputs: { score: §}")]
    [DataRow("sink: { topic: predictions, vector: true }", "sink: §predictions")]
    [DataRow("on: orders", "on: §[orders]")]
    public void OneFaultIsToldOnce(string old, string edited)
    {
        var (text, places) = Definitions.TakeMarks(Definitions.Edit(Definitions.Sound, old, edited));
        var errors = Definitions.Load(text).Errors;
        Assert.AreEqual(places[0], string.Join('\n', errors.Select(error => $"{error.Line}:{error.Column}")), string.Join('\n', errors));
    }

    /// <summary>The example of the design, without what belongs to later windows.</summary>
    [TestMethod]
    public void TheDesignsExampleLoadsAndCompiles()
    {
        var result = Definitions.Load("""
            project: fraud
            sources:
              - name: transactions
                kafka: { topic: transactions, format: json }
                timestamp: TX_DATETIME
                clock: stream
                lateness: 10m
                align: 1h
                dead_letters: transactions.dead-letter
                id: TRANSACTION_ID
                fields: { TRANSACTION_ID: int64, TX_DATETIME: timestamp, CUSTOMER_ID: int64, TERMINAL_ID: int64, TX_AMOUNT: double, TX_FRAUD: int64 }
                clean:
                  - { field: TX_AMOUNT, missing: drop, below: 0, above: 1e6, outside: dead_letter }
            entities:
              - { name: customer, keys: [CUSTOMER_ID] }
              - { name: terminal, keys: [TERMINAL_ID] }
            feature_views:
              - name: customer_spending
                entity: customer
                source: transactions
                ttl: 90d
                features:
                  - { name: nb_tx_7d,  aggregate: count,          window: { sliding: 7d } }
                  - { name: avg_amt_7d, aggregate: mean, of: TX_AMOUNT, window: { sliding: 7d } }
              - name: terminal_risk
                entity: terminal
                source: transactions
                features:
                  - { name: risk_7d, aggregate: mean, of: TX_FRAUD, window: { sliding: 7d, delay: 7d }, default: 0 }
            feature_services:
              - name: fraud_v1
                request: { TX_AMOUNT: double, TX_DATETIME: timestamp }
                features:
                  - TX_AMOUNT
                  - { name: night, expression: "TX_DATETIME.getHours() <= 6 ? 1.0 : 0.0" }
                  - customer_spending:nb_tx_7d
                  - { feature: customer_spending:avg_amt_7d, transform: { standardize: { mean: 53.6, std: 42.3 } } }
                  - terminal_risk:risk_7d
            models:
              - name: fraud
                service: fraud_v1
                entity: customer
                on: transactions
                outputs: { score: "probabilities[1]" }
                sink: { topic: predictions, vector: true }
            """);
        Assert.AreEqual("project \"fraud\": 1 source, 2 entities, 2 feature views with 3 features, 1 feature service, 1 model.", result.ToString());
        Assert.AreEqual(5, ProjectPlan.Compile(result.Project!).Services[0].Width);
    }

    [TestMethod]
    public void AJoinedSourceHasWhatItsSidesHave()
    {
        var plan = ProjectPlan.Compile(Definitions.Load(Definitions.Sound).Project!);
        var joined = plan.Sources[2];
        Assert.AreEqual(
            "SEEN:Timestamp CHANNEL:String USER:Int64 ID:Int64 AT:Timestamp AMOUNT:Double right_CHANNEL:String FIRST:Bool PAST:Double",
            string.Join(' ', joined.Schema.Fields.Select(field => $"{field.Name}:{field.Type}")));
        Assert.AreEqual((plan.Sources[1], plan.Sources[0], 40, -1), (joined.Join!.Left, joined.Join.Right, joined.Join.Limit, joined.TimestampField));
        Assert.AreEqual((45 * 60_000, (45 + 10 + 60) * 60_000), (joined.Join.WithinMs, joined.Join.KeptMs));
        CollectionAssert.AreEqual(new[] { plan.Sources[1] }, plan.Sources[0].Peers.ToArray());
    }

    [TestMethod]
    public void SoundDefinitionsCompile() => Assert.AreEqual(7, ProjectPlan.Compile(Definitions.Load(Definitions.Sound).Project!).Services[0].Width);

    private static string Place(string text, string piece)
    {
        var at = text.IndexOf(piece, StringComparison.Ordinal);
        return $"{text[..at].Count(character => character == '\n') + 1}:{at - text.LastIndexOf('\n', at)}";
    }

    private static int CompareParts(string left, string right)
    {
        var (first, second) = (left.Split(':').Select(int.Parse).ToArray(), right.Split(':').Select(int.Parse).ToArray());
        return (first[0], first[1]).CompareTo((second[0], second[1]));
    }
}
