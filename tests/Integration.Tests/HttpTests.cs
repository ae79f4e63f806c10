using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>Events in over HTTP, features and scores out, with Redis between where it is configured.</summary>
[TestClass]
public sealed class HttpTests : SystemTest
{
    private const int Count = 2_000;
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(90);

    [TestMethod]
    public async Task PushedEventsArePredictedAndTheirFeaturesRead()
    {
        var job = NewJob();
        Kafka.CreateTopic(job.Topic, 4);
        var silo = Start(job).WaitReady(ReadyDeadline);
        await PushAndReadAsync(silo, job);
    }

    [TestMethod]
    public async Task FeaturesComeFromRedis()
    {
        RedisServer redis;
        try
        {
            redis = RedisServer.Start();
        }
        catch (FixtureMissingException missing)
        {
            Assert.Inconclusive(missing.Message);
            return;
        }

        using var _ = redis;
        var job = NewJob();
        Kafka.CreateTopic(job.Topic, 4);
        var silo = Start(job, "--redis", redis.Address).WaitReady(ReadyDeadline);
        await PushAndReadAsync(silo, job);
        Wait.Until(() => Keys(redis) > 0, _deadline, () => $"Redis has {Keys(redis)} keys.");

        static int Keys(RedisServer redis) => int.Parse(redis.Ask("DBSIZE").AsSpan(1), CultureInfo.InvariantCulture);
    }

    /// <summary>Pushes transactions, waits for their predictions, and holds what is served of each customer against the independent features.</summary>
    private async Task PushAndReadAsync(SiloProcess silo, FraudJob job)
    {
        var transactions = FraudExpectations.Transactions[..Count];
        foreach (var chunk in transactions.Chunk(500))
        {
            using var pushed = await silo.Http.PostAsJsonAsync("push", new
            {
                push_source_name = "transactions",
                df = new
                {
                    TRANSACTION_ID = chunk.Select(transaction => transaction.Id),
                    TX_DATETIME = chunk.Select(transaction => transaction.Time.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture)),
                    CUSTOMER_ID = chunk.Select(transaction => transaction.Customer),
                    TERMINAL_ID = chunk.Select(transaction => transaction.Terminal),
                    TX_AMOUNT = chunk.Select(transaction => transaction.Amount),
                    TX_FRAUD = chunk.Select(transaction => transaction.Fraud ? 1 : 0),
                },
                to = "online",
            }, JsonSerializerOptions.Default, Cancel);
            Assert.AreEqual(HttpStatusCode.OK, pushed.StatusCode, await pushed.Content.ReadAsStringAsync(Cancel));
        }

        Assert.AreEqual(Count, ReadPredictions(job.Sink(), Count).Count);

        // As of the newest event, which is "now" with clock: stream.
        var customers = transactions.Select(transaction => transaction.Customer).Distinct().Take(100).ToList();
        var nowMs = transactions.Max(transaction => transaction.TimeMs);
        string[] features = ["CUSTOMER_ID_NB_TX_1DAY_WINDOW", "CUSTOMER_ID_AVG_AMOUNT_7DAY_WINDOW"];
        JsonElement answer = default;
        Wait.Until(
            () =>
            {
                answer = ReadFeatures(silo, [.. features.Select(feature => "customer_spending:" + feature)], [.. customers, -1]);
                return customers.Index().All(customer => Matches(answer, customer.Index, transactions, customer.Item, nowMs));
            },
            _deadline, () => $"The features do not become right: {answer}");

        var names = answer.GetProperty("metadata").GetProperty("feature_names").EnumerateArray().Select(name => name.GetString()).ToList();
        CollectionAssert.AreEqual((string[])["CUSTOMER_ID", .. features], names);
        await ScoreAsync(silo, transactions[^1]);
        foreach (var column in answer.GetProperty("results").EnumerateArray().Skip(1))
        {
            Assert.AreEqual("NOT_FOUND", column.GetProperty("statuses")[customers.Count].GetString());
            Assert.AreEqual(JsonValueKind.Null, column.GetProperty("values")[customers.Count].ValueKind);
            Assert.AreEqual(customers.Count, column.GetProperty("statuses").EnumerateArray().Count(status => status.GetString() == "PRESENT"));
        }
    }

    /// <summary>The newest transaction's values once more, as a request: "now" is its time, so its features are those of the event.</summary>
    private async Task ScoreAsync(SiloProcess silo, Transaction newest)
    {
        using var scored = await silo.Http.PostAsJsonAsync("v1/models/fraud/score", new
        {
            CUSTOMER_ID = newest.Customer,
            TERMINAL_ID = newest.Terminal,
            TX_AMOUNT = newest.Amount,
            TX_DATETIME = newest.Time.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture),
        }, JsonSerializerOptions.Default, Cancel);
        var text = await scored.Content.ReadAsStringAsync(Cancel);
        Assert.AreEqual(HttpStatusCode.OK, scored.StatusCode, text);
        var row = JsonDocument.Parse(text).RootElement.GetProperty("rows")[0];
        Assert.IsTrue(row.GetProperty("outputs").GetProperty("score").GetDouble() is > 0 and < 1, text);
        var features = row.GetProperty("features");
        var right = ReferenceEngine.Compute(FraudExpectations.Transactions[..Count]).Get(newest.Id);
        for (var i = 0; i < right.Length; i++)
            Assert.AreEqual(right[i], features.GetProperty(FraudData.FeatureNames[i]).GetDouble(), 1e-11 * Math.Abs(right[i]), FraudData.FeatureNames[i]);
    }

    private static JsonElement ReadFeatures(SiloProcess silo, string[] features, int[] customers)
    {
        using var response = silo.Http.PostAsJsonAsync("get-online-features", new { features, entities = new { CUSTOMER_ID = customers } }, JsonSerializerOptions.Default).GetAwaiter().GetResult();
        var text = response.Content.ReadAsStringAsync().GetAwaiter().GetResult();
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, text);
        return JsonDocument.Parse(text).RootElement;
    }

    private static bool Matches(JsonElement answer, int row, Transaction[] transactions, int customer, long nowMs)
    {
        var ofCustomer = transactions.Where(transaction => transaction.Customer == customer).ToList();
        var day = ofCustomer.Count(transaction => transaction.TimeMs > nowMs - 86_400_000);
        var week = ofCustomer.Average(transaction => transaction.Amount); // the pushed transactions span less than a week
        var results = answer.GetProperty("results");
        return Number(1) == day && Math.Abs(Number(2) - week) <= 1e-11 * week;

        double Number(int column) => results[column].GetProperty("values")[row] is { ValueKind: JsonValueKind.Number } value ? value.GetDouble() : double.NaN;
    }
}
