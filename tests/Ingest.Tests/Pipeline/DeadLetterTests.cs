using System.Text;
using FeatureStore.Core.Plans;
using FeatureStore.Ingest.Pipeline;
using FeatureStore.Ingest.Tests.Simulation;
using FeatureStore.Registry;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Ingest.Tests.Pipeline;

/// <summary>What decoding, cleaning, keys and models refuse, as it goes to the dead-letter topic.</summary>
[TestClass]
public sealed class DeadLetterTests
{
    private const string Definitions = """
        project: shop
        sources:
          - name: orders
            kafka: { topic: orders, format: json }
            timestamp: AT
            clock: wall
            ahead: 1h
            lateness: 1m
            dead_letters: bad
            fields: { AT: timestamp, USER: string, SHOP: int64, ITEM: string, AMOUNT: double, COLOUR: string }
            clean:
              - { field: AMOUNT, missing: drop, above: 1000, outside: drop }
              - { field: COLOUR, missing: dead_letter }
          - name: items
            kafka: { topic: items, format: json }
            timestamp: AT
            fields: { AT: timestamp, ITEM: string }
        entities:
          - { name: user, keys: [USER, SHOP] }
          - { name: item, keys: [ITEM] }
        feature_views:
          - { name: users, entity: user, source: orders, features: [{ name: orders, aggregate: count }] }
          - { name: stock, entity: item, source: items, features: [{ name: seen, aggregate: count }] }
        feature_services:
          - { name: all, request: { AMOUNT: double }, features: [AMOUNT, "users:orders", "stock:seen"] }
        models:
          - { name: first, service: all, entity: item, on: orders, sink: { topic: predictions, vector: true } }
          - { name: second, service: all, entity: user, on: orders, sink: { topic: predictions } }
        """;

    private readonly ProjectPlan _plan = ProjectPlan.Compile(DefinitionLoader.Load([new DefinitionFile("shop.yaml", Definitions)]).Project!);
    private readonly ManualTime _time = new();
    private readonly DeadLetterLog _log = new();

    [TestMethod]
    [DataRow("nonsense", "value is not JSON at byte 0: an object is expected", "malformed-json")]
    [DataRow("{\"SHOP\":1}", "field \"AT\" is missing; it holds the event's time", "missing-timestamp")]
    [DataRow("{\"AT\":$now,\"SHOP\":1.5}", "field \"SHOP\" has a fraction at byte 27; a whole number is expected", "not-whole")]
    [DataRow("{\"AT\":$now,\"AMOUNT\":1,\"USER\":\"u\",\"SHOP\":1}", "field \"COLOUR\" is missing", "clean[1] COLOUR")]
    [DataRow("{\"AT\":$now,\"AMOUNT\":1,\"COLOUR\":\"c\",\"SHOP\":1}", "field \"USER\" is missing; it is a join key", "key-missing")]
    [DataRow("{\"AT\":$now,\"AMOUNT\":1,\"COLOUR\":\"c\",\"USER\":\"$1015\",\"SHOP\":1}", "key that begins with field \"USER\" has 1025 bytes; an entity's key has at most 1024", "key-too-long")]
    [DataRow("{\"AT\":$now,\"AMOUNT\":1,\"COLOUR\":\"c\",\"USER\":\"u\",\"SHOP\":1,\"ITEM\":\"$1023\"}", "key that begins with field \"ITEM\" has 1025 bytes; an entity's key has at most 1024", "key-too-long")]
    [DataRow("{\"AT\":$late,\"AMOUNT\":1,\"COLOUR\":\"c\",\"USER\":\"u\",\"SHOP\":1}", "event is 1h behind the newest of its partition; the source's lateness is 1m", "too-late")]
    [DataRow("{\"AT\":$ahead,\"AMOUNT\":1,\"COLOUR\":\"c\",\"USER\":\"u\",\"SHOP\":1}", "event is 2h past the wall clock; the source allows 1h ahead", "too-far-ahead")]
    public void Says_why_and_where_and_keeps_the_record_as_it_was(string value, string reason, string rule)
    {
        var bytes = Encoding.UTF8.GetBytes(Text(value));
        var letter = Run(key: [0, 255], bytes, [new("trace", [0, 1]), new("trace", null), new("reason", "theirs"u8.ToArray())]).Single();
        CollectionAssert.AreEqual(bytes, letter.Value);
        CollectionAssert.AreEqual(new byte[] { 0, 255 }, letter.Key);
        CollectionAssert.AreEqual(
            new[] { "trace=00-01", "trace=null", "reason=theirs", "source-position=orders/0/1", $"reason={reason}", $"rule={rule}" },
            letter.Headers.Select(header => $"{header.Key}={(header.Key != "trace" ? Encoding.UTF8.GetString(header.Value!) : header.Value is null ? "null" : BitConverter.ToString(header.Value))}").ToList());
        var logged = _log.Newest(1).Single();
        Assert.AreEqual((reason, rule, "orders/0/1", "orders", bytes.Length), (logged.Reason, logged.Rule, logged.Position, logged.Source, logged.ValueLength));
    }

    [TestMethod]
    public void Null_and_empty_stay_apart()
    {
        var letter = Run(null, [], []).Single();
        Assert.IsNull(letter.Key);
        Assert.IsNotNull(letter.Value);
        letter = Run([], null, []).Single();
        Assert.IsEmpty(letter.Key!);
        Assert.IsNull(letter.Value, "A tombstone.");
    }

    [TestMethod]
    [DataRow("{\"AT\":$now,\"COLOUR\":\"c\",\"USER\":\"u\",\"SHOP\":1}")]
    [DataRow("{\"AT\":$now,\"AMOUNT\":1001,\"COLOUR\":\"c\",\"USER\":\"u\",\"SHOP\":1}")]
    public void What_a_rule_drops_is_no_dead_letter(string value) => Assert.IsEmpty(Run(null, Encoding.UTF8.GetBytes(Text(value)), []));

    [TestMethod]
    [DataRow("{\"AT\":$now,\"AMOUNT\":1,\"COLOUR\":\"c\",\"USER\":\"$1014\",\"SHOP\":1}", DisplayName = "the longest key")]
    [DataRow("{\"AT\":$now,\"AMOUNT\":1,\"COLOUR\":\"c\",\"USER\":\"\",\"SHOP\":1,\"ITEM\":\"$1022\"}", DisplayName = "the longest key that is only looked up")]
    [DataRow("{\"AT\":$now,\"AMOUNT\":1,\"COLOUR\":\"c\",\"USER\":\"u\",\"SHOP\":1}", DisplayName = "no key to look up")]
    [DataRow("{\"AT\":$now,\"AMOUNT\":1000,\"COLOUR\":\"c\",\"USER\":\"u\",\"SHOP\":1}", DisplayName = "the bound itself")]
    [DataRow("{\"AT\":$edge,\"AMOUNT\":1,\"COLOUR\":\"c\",\"USER\":\"u\",\"SHOP\":1}", DisplayName = "the lateness itself")]
    [DataRow("{\"AT\":$next,\"AMOUNT\":1,\"COLOUR\":\"c\",\"USER\":\"u\",\"SHOP\":1}", DisplayName = "as far ahead as may be")]
    public void What_is_just_right_passes(string value)
    {
        Assert.IsEmpty(Run(null, Encoding.UTF8.GetBytes(Text(value)), []));
        Assert.AreEqual(4, _predictions, "Two models and two records.");
    }

    [TestMethod]
    public void A_row_on_which_models_fail_is_a_dead_letter_of_each_and_the_others_are_scored()
    {
        var letters = Run([1], Encoding.UTF8.GetBytes(Text("{\"AT\":$now,\"AMOUNT\":13,\"COLOUR\":\"c\",\"USER\":\"u\",\"SHOP\":1}")), []);
        CollectionAssert.AreEqual(
            new[] { "first", "second" }.Select(model => $"model \"{model}\" fails on this event: {SumModel.Failure}").ToList(),
            letters.Select(letter => Encoding.UTF8.GetString(letter.Headers[1].Value!)).ToList());
        Assert.IsTrue(letters.All(letter => Encoding.UTF8.GetString(letter.Headers[2].Value!) == "model-failure"));
        Assert.AreEqual(2, _predictions);
    }

    private int _predictions;

    private string Text(string value)
    {
        var nowMs = _time.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var length in new[] { 1014, 1015, 1022, 1023 })
            value = value.Replace($"${length}", new string('x', length), StringComparison.Ordinal);
        return value
            .Replace("$now", $"{nowMs}", StringComparison.Ordinal)
            .Replace("$late", $"{nowMs - 3_600_000}", StringComparison.Ordinal)
            .Replace("$edge", $"{nowMs - 60_000}", StringComparison.Ordinal)
            .Replace("$next", $"{nowMs + 3_600_000}", StringComparison.Ordinal)
            .Replace("$ahead", $"{nowMs + 7_200_000}", StringComparison.Ordinal);
    }

    /// <summary>Lets a good record and then the one at hand through decoding, applying and scoring.</summary>
    private List<DeadLetterRecord> Run(byte[]? key, byte[]? value, KeyValuePair<string, byte[]?>[] headers)
    {
        var source = _plan.Sources[0];
        var broker = new SimulatedBroker("orders", partitions: 1);
        broker.Partitions[0].Append(null, Encoding.UTF8.GetBytes(Text("{\"AT\":$now,\"AMOUNT\":1,\"COLOUR\":\"c\",\"USER\":\"u\",\"SHOP\":1}")));
        broker.Partitions[0].Append(key, value, 0, headers);
        using var records = new SimulatedSource(broker, new Chaos(1) { IsOn = false });
        using var runtime = new LocalRuntime(_plan, new LocalRuntimeOptions { Shards = 1 });
        using var outgoing = new OutgoingBatch();
        var lane = new SourceLane(_plan, source, records, StartingPoints.Open(_plan, source, records, null, new Dictionary<(string, int), long>(), false, _time));
        records.Start([0]);
        var batch = new PipelineBatch(source, lane.Services, 1, new IngestOptions());
        while (lane.Partitions[0].NextOffset < 2)
            lane.Fill(batch, silent: false);
        runtime.ApplyAsync(batch.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        lane.Compute(batch);
        new PredictionWriter(_plan, new AnyModel(), _log, _time).Write(batch, records, outgoing);
        records.Release(batch.Handles);
        _predictions = outgoing.RecordCount;
        Assert.IsTrue(outgoing.DeadLetters.All(letter => letter.Topic == "bad"));
        return [.. outgoing.DeadLetters.Select(letter => letter.Record)];
    }

    private sealed class AnyModel : IModelCatalog
    {
        public IReadOnlyList<string> Models => ["first", "second"];

        public bool TryGet(string name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out IServedModel? model)
        {
            model = new SumModel(name, failsOn: 13);
            return true;
        }

        public void Dispose()
        {
        }
    }
}
