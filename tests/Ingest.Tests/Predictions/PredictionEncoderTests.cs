using System.Text;
using System.Text.Json;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using FeatureStore.Ingest.Predictions;

namespace FeatureStore.Ingest.Tests.Predictions;

[TestClass]
public sealed unsafe class PredictionEncoderTests
{
    private static readonly string[] _score = ["score"];

    [TestMethod]
    public void Writes_the_contracts_example()
    {
        var model = Model([new("CUSTOMER_ID", FieldType.Int64)], Numbers("TX_AMOUNT"));
        var events = new EventBatch(TestSources.Transactions.Schema);
        events.Add(new EventHeader { TimeMs = 1_527_811_207_000, Partition = 2, Offset = 1234 });
        events.SetInt64(0, 0, 585177);
        events.SetInt64(0, 2, 596);
        var (value, key) = Write(new PredictionEncoder(model, TestSources.Transactions, "1", _score), events, [0.0123], Vector(model, 57.16));
        Assert.AreEqual(
            """{"id":"585177","position":"transactions/2/1234","model":"fraud","version":"1","service":"fraud_v1","entity":{"CUSTOMER_ID":596},"event_time":"2018-06-01T00:00:07.000Z","outputs":{"score":0.0123},"features":{"TX_AMOUNT":57.16}}""",
            value);
        Assert.AreEqual("596", key);
    }

    [TestMethod]
    public void Without_id_the_position_stands_in_and_without_vector_there_are_no_features()
    {
        var model = Model([new("CUSTOMER_ID", FieldType.Int64)], Numbers("TX_AMOUNT"), vector: false);
        var events = new EventBatch(TestSources.Transactions.Schema);
        events.Add(new EventHeader { TimeMs = -1, Partition = 0, Offset = long.MaxValue });
        events.SetInt64(0, 2, -7);
        var (value, _) = Write(new PredictionEncoder(model, TestSources.Transactions, "12", ["a", "b"]), events, [1, float.MaxValue], null);
        Assert.AreEqual(
            """{"id":"transactions/0/9223372036854775807","position":"transactions/0/9223372036854775807","model":"fraud","version":"12","service":"fraud_v1","entity":{"CUSTOMER_ID":-7},"event_time":"1969-12-31T23:59:59.999Z","outputs":{"a":1,"b":3.4028234663852886e38}}""",
            value);
    }

    [TestMethod]
    public void Texts_are_escaped_and_several_join_keys_joined()
    {
        var source = TestSources.Plan(new("id", FieldType.String), new("at", FieldType.Timestamp), new("ok", FieldType.Bool), new("who", FieldType.String));
        var hostile = "\"\\|\b\f\n\r\t\0\u001f\u007fé😀";
        var model = Model([new("who", FieldType.String), new("at", FieldType.Timestamp), new("ok", FieldType.Bool), new("id", FieldType.String)],
            [Feature("n\"ame", isText: true), Feature("x"), Feature("none", isText: true)]);
        var events = new EventBatch(source.Schema);
        events.Add(new EventHeader { TimeMs = 0 });
        events.SetText(0, 0, Encoding.UTF8.GetBytes(hostile));
        events.SetInt64(0, 1, 0);
        events.SetInt64(0, 2, 1);
        var vectors = new VectorBatch(model.Service);
        vectors.Reset(1);
        vectors.SetText(0, 0, Encoding.UTF8.GetBytes(hostile));
        vectors[0, 1] = double.PositiveInfinity;
        var (value, key) = Write(new PredictionEncoder(model, source, "1", _score), events, [0.5], vectors);
        using var document = JsonDocument.Parse(value);
        Assert.AreEqual(hostile, document.RootElement.GetProperty("id").GetString());
        Assert.AreEqual(hostile, document.RootElement.GetProperty("entity").GetProperty("id").GetString());
        Assert.AreEqual(JsonValueKind.Null, document.RootElement.GetProperty("entity").GetProperty("who").ValueKind);
        Assert.IsTrue(document.RootElement.GetProperty("entity").GetProperty("ok").GetBoolean());
        Assert.AreEqual("1970-01-01T00:00:00.000Z", document.RootElement.GetProperty("entity").GetProperty("at").GetString());
        Assert.AreEqual(hostile, document.RootElement.GetProperty("features").GetProperty("n\"ame").GetString());
        Assert.AreEqual(JsonValueKind.Null, document.RootElement.GetProperty("features").GetProperty("x").ValueKind);
        Assert.AreEqual(JsonValueKind.Null, document.RootElement.GetProperty("features").GetProperty("none").ValueKind);
        Assert.AreEqual("|1970-01-01T00:00:00.000Z|true|\"\\\\\\|\b\f\n\r\t\0\u001f\u007fé😀", key);
    }

    [TestMethod]
    public void A_single_text_key_is_written_as_it_is()
    {
        var source = TestSources.Plan(new("who", FieldType.String), new("at", FieldType.Timestamp));
        var model = Model([new("who", FieldType.String)], []);
        var events = new EventBatch(source.Schema);
        events.Add(default);
        events.SetText(0, 0, "a|b\\\"c"u8);
        Assert.AreEqual("a|b\\\"c", Write(new PredictionEncoder(model, source, "1", _score), events, [0], new VectorBatch(model.Service)).Key);
    }

    [TestMethod]
    public void A_source_without_a_join_key_is_refused()
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() =>
            new PredictionEncoder(Model([new("DEVICE", FieldType.Int64)], []), TestSources.Transactions, "1", _score));
        StringAssert.Contains(error.Message, "Source \"transactions\" lacks a join key of entity \"customer\".", StringComparison.Ordinal);
    }

    [TestMethod]
    public void Fraud_predictions_are_written_without_allocation()
    {
        const int Count = 1000;
        var model = Model([new("CUSTOMER_ID", FieldType.Int64)], Numbers(
            "TX_AMOUNT", "TX_DURING_WEEKEND", "TX_DURING_NIGHT", "CUSTOMER_ID_NB_TX_1DAY_WINDOW", "CUSTOMER_ID_AVG_AMOUNT_1DAY_WINDOW", "CUSTOMER_ID_NB_TX_7DAY_WINDOW",
            "CUSTOMER_ID_AVG_AMOUNT_7DAY_WINDOW", "CUSTOMER_ID_NB_TX_30DAY_WINDOW", "CUSTOMER_ID_AVG_AMOUNT_30DAY_WINDOW", "TERMINAL_ID_NB_TX_1DAY_WINDOW",
            "TERMINAL_ID_RISK_1DAY_WINDOW", "TERMINAL_ID_NB_TX_7DAY_WINDOW", "TERMINAL_ID_RISK_7DAY_WINDOW", "TERMINAL_ID_NB_TX_30DAY_WINDOW", "TERMINAL_ID_RISK_30DAY_WINDOW"));
        var encoder = new PredictionEncoder(model, TestSources.Transactions, "1", _score);
        var random = new Random(1);
        var events = new EventBatch(TestSources.Transactions.Schema, Count);
        var vectors = new VectorBatch(model.Service);
        vectors.Reset(Count);
        var scores = new double[Count];
        for (var row = 0; row < Count; row++)
        {
            events.Add(new EventHeader { TimeMs = 1_527_811_207_000 + row * 9000L, Partition = row & 3, Offset = 100_000 + row });
            events.SetInt64(row, 0, 585_177 + row);
            events.SetInt64(row, 2, random.Next(5000));
            var values = vectors.Row(row);
            values[0] = Math.Round(random.NextDouble() * 200, 2);
            values[1] = random.Next(2);
            values[2] = random.Next(2);
            for (var window = 0; window < 3; window++)
            {
                int[] size = [4, 27, 86];
                values[3 + 2 * window] = size[window];
                values[4 + 2 * window] = random.NextDouble() * 100;
                values[9 + 2 * window] = size[window];
                values[10 + 2 * window] = random.Next(3) > 0 ? random.Next(10) / (double)random.Next(11, 100) : 0;
            }

            scores[row] = random.NextSingle();
        }

        var buffer = new byte[Count * 1024];
        var length = 0;
        Measure.WithoutAllocation("encode a prediction", Count, () =>
        {
            length = 0;
            for (var row = 0; row < Count; row++)
                length += encoder.TryWriteValue(buffer.AsSpan(length), events, row, scores.AsSpan(row, 1), vectors, row);
        });
        Console.WriteLine($"{length / Count} bytes a prediction");
        Assert.IsInRange(700 * Count, 900 * Count, length);
    }

    private static FeatureOrigin Origin { get; } = new FeatureOrigin.OfEntity(0, "view", 0);

    private static VectorFeature Feature(string name, bool isText = false) => new(name, isText, Origin, []);

    private static VectorFeature[] Numbers(params string[] names) => [.. names.Select(name => Feature(name))];

    private static ModelPlan Model(FieldDefinition[] keys, VectorFeature[] features, bool vector = true) => new()
    {
        Definition = new ModelDefinition { Name = "fraud", Service = "fraud_v1", On = "transactions", Sink = new SinkDefinition { Topic = "predictions", Vector = vector } },
        Service = new ServicePlan("fraud_v1", new RowSchema([]), features),
        Entity = Entity(keys),
        On = null,
    };

    private static EntityPlan Entity(FieldDefinition[] keys)
    {
        var definition = new EntityDefinition { Name = "customer", Keys = [.. keys.Select(key => key.Name)] };
        var source = TestSources.Plan([new("at", FieldType.Timestamp), .. keys.Where(key => key.Name != "at")]);
        var project = new ProjectDefinition { Project = "test", Sources = [source.Definition], Entities = [definition] };
        return new EntityPlan(new EntityPlanBuilder(0, definition, project, [source]));
    }

    private static VectorBatch Vector(ModelPlan model, params double[] values)
    {
        var vectors = new VectorBatch(model.Service);
        vectors.Reset(1);
        values.CopyTo(vectors.Row(0));
        return vectors;
    }

    /// <summary>Writes into exactly the room that the encoder asks for, before an unreadable page, and checks that one byte less is refused.</summary>
    private static (string Value, string Key) Write(PredictionEncoder encoder, EventBatch events, double[] scores, VectorBatch? vectors)
    {
        if (vectors is { Count: 0 })
            vectors.Reset(1);
        var room = encoder.ValueBytesMax(events, 0, vectors, 0);
        using var memory = new GuardedBytes(room);
        var destination = new Span<byte>(memory.AtEnd(new byte[room]), room);
        Assert.AreEqual(-1, encoder.TryWriteValue(destination[1..], events, 0, scores, vectors, 0));
        var length = encoder.TryWriteValue(destination, events, 0, scores, vectors, 0);
        Assert.IsGreaterThan(0, length);
        var key = new byte[PredictionEncoder.KeyBytesMax];
        Assert.AreEqual(-1, encoder.TryWriteKey(key.AsSpan(0, 3), events, 0));
        return (Encoding.UTF8.GetString(destination[..length]), Encoding.UTF8.GetString(key, 0, encoder.TryWriteKey(key, events, 0)));
    }
}
