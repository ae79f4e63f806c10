using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>The judge on trial: it accepts right predictions, and each single thing that can be wrong with one turns its verdict.</summary>
[TestClass]
public sealed class OracleTests
{
    private const string Topic = "transactions";
    private static readonly Transaction[] _transactions = Sample();
    private static readonly FeatureTable _features = ReferenceEngine.Compute(_transactions);

    [TestMethod]
    public void RightPredictionsPass()
    {
        var (verdict, oracle) = Judge(predictions => predictions);
        Assert.AreEqual("", verdict);
        Assert.AreEqual(_transactions.Length, oracle.ReferenceCompared);
        Assert.AreEqual(2, oracle.ScoresCompared);
    }

    [TestMethod]
    public void AMissingPredictionIsFound() =>
        StringAssert.Contains(Judge(predictions => predictions.Where((_, i) => i != 7)).Verdict, "missing: 1; 7");

    [TestMethod]
    public void ADoubledPredictionIsFound() =>
        StringAssert.Contains(Judge(predictions => predictions.Append(predictions[^1])).Verdict, "more than once: 1; 39");

    [TestMethod]
    public void PredictionsOfOneCustomerOutOfOrderAreFound() =>
        StringAssert.Contains(Judge(predictions => [predictions[5], .. predictions[..5], .. predictions[6..]]).Verdict, "out of order: 1; 0 after 5");

    [TestMethod]
    public void PositionsThatSkipARecordAreFound() =>
        StringAssert.Contains(Judge(Change(4, "\"position\":\"transactions/0/0\"", "\"position\":\"transactions/0/9\"")).Verdict, "position out of line");

    [TestMethod]
    [DataRow("\"TX_AMOUNT\":14", "\"TX_AMOUNT\":14.0000001", "wrong feature: 1; 4: TX_AMOUNT 14.0000001, not 14")]
    [DataRow("\"TERMINAL_ID_RISK_30DAY_WINDOW\":0", "\"TERMINAL_ID_RISK_30DAY_WINDOW\":1e-9", "wrong feature: 1; 4: TERMINAL_ID_RISK_30DAY_WINDOW")]
    [DataRow("\"TX_AMOUNT\":14,", "", "not a prediction: 1; feature \"TX_DURING_WEEKEND\", not \"TX_AMOUNT\"")]
    [DataRow("\"TX_AMOUNT\":14", "\"TX_AMOUNT\":null", "not a prediction: 1; Null")]
    [DataRow("\"score\":0.25", "\"score\":0.2500021", "wrong score: 1; 4: 0.2500021, not 0.25")]
    [DataRow("\"score\":0.25", "\"score\":1.25", "score outside 0 to 1: 1; 4")]
    [DataRow("\"id\":\"4\"", "\"id\":\"40\"", "no such transaction")]
    [DataRow("\"id\":\"4\"", "\"id\":\"5\"", "missing: 1; 4")]
    [DataRow("\"version\":\"1\"", "\"version\":\"2\"", "not a prediction: 1; \"2\", not \"1\"")]
    [DataRow("\"model\":\"lr\"", "\"model\":\"lr\",\"extra\":1", "unknown member \"extra\"")]
    [DataRow("\"service\":\"fraud_v1\",", "", "a member is missing")]
    [DataRow("\"CUSTOMER_ID\":0", "\"CUSTOMER_ID\":1", "wrong entity or key: 1; 4")]
    [DataRow(":00:04.000Z", ":00:04.001Z", "wrong event_time: 1; 4")]
    [DataRow("}}", "}", "not a prediction: 1;")]
    [DataRow("}}", "}}{}", "not a prediction: 1;")]
    public void AWrongMemberIsFound(string right, string wrong, string expected) =>
        StringAssert.Contains(Judge(Change(4, right, wrong)).Verdict, expected);

    /// <summary>The reference that judges the server is itself held against the features that the data's authors published.</summary>
    [TestMethod]
    public void TheReferenceEngineEqualsThePublishedFeatures()
    {
        FeatureTable published;
        Transaction[] transactions;
        try
        {
            published = FraudData.ReadPublishedFeatures();
            transactions = FraudData.ReadTransactions();
        }
        catch (FixtureMissingException missing)
        {
            Assert.Inconclusive(missing.Message);
            return;
        }

        var reference = ReferenceEngine.Compute(transactions);
        var unlike = new SortedSet<int>();
        foreach (var transaction in transactions)
        {
            var right = published.Get(transaction.Id);
            for (var i = 1; i < right.Length; i++)
            {
                if (!(Math.Abs(reference.Get(transaction.Id)[i] - right[i]) <= PredictionOracle.PublishedTolerance * Math.Abs(right[i])))
                    unlike.Add(transaction.Id);
            }
        }

        Assert.AreEqual(FraudData.PublishedCount, published.Count);
        CollectionAssert.AreEqual(FraudData.AuthorsTie.Order().ToList(), unlike.ToList());
    }

    /// <summary>40 payments, one a second, of 4 customers at 3 terminals: ids and seconds 0 to 39, amounts from 10.</summary>
    private static Transaction[] Sample() =>
        [.. Enumerable.Range(0, 40).Select(i => new Transaction(i, DateTimeOffset.Parse("2018-06-02T00:00:00Z", CultureInfo.InvariantCulture).ToUnixTimeMilliseconds() + i * 1000L, i % 4 == 1 ? 0 : i % 4, i % 3, 10 + i, i % 5 == 0))];

    private static Func<List<string>, IEnumerable<string>> Change(int row, string right, string wrong) => predictions =>
    {
        var changed = predictions[row].Replace(right, wrong, StringComparison.Ordinal);
        // A change that changes nothing would prove nothing. The offset is that of the row in its partition, which the caller need not know.
        if (changed == predictions[row])
            changed = Regex.Replace(predictions[row], "\"position\":\"[^\"]+\"", wrong);
        Assert.AreNotEqual(predictions[row], changed);
        return [.. predictions[..row], changed, .. predictions[(row + 1)..]];
    };

    private static (string Verdict, PredictionOracle Oracle) Judge(Func<List<string>, IEnumerable<string>> change)
    {
        var oracle = new PredictionOracle(new PredictionExpectation
        {
            Transactions = _transactions,
            Topic = Topic,
            Model = "lr",
            Service = "fraud_v1",
            Features = _features,
            Scores = new Dictionary<int, double> { [4] = 0.25, [9] = 0.25 },
        });
        var offsets = new long[2];
        var predictions = _transactions.Select(transaction => Prediction(transaction, offsets[transaction.Customer % 2]++)).ToList();
        foreach (var (prediction, row) in change(predictions).Select((prediction, row) => (prediction, row)))
        {
            // A prediction keeps the key of the transaction that it was made of, wherever it comes; a changed one is no longer in the list.
            var original = predictions.IndexOf(prediction);
            oracle.Accept(_transactions[original < 0 ? row : original].Key, Encoding.UTF8.GetBytes(prediction));
        }

        return (oracle.Verdict(), oracle);
    }

    private static string Prediction(Transaction transaction, long offset)
    {
        var values = _features.Get(transaction.Id).ToArray();
        var features = string.Join(',', FraudData.FeatureNames.Select((name, i) => string.Create(CultureInfo.InvariantCulture, $"\"{name}\":{values[i]:R}")));
        return string.Create(CultureInfo.InvariantCulture,
            $"{{\"id\":\"{transaction.Id}\",\"position\":\"{Topic}/{transaction.Customer % 2}/{offset}\",\"model\":\"lr\",\"version\":\"1\",\"service\":\"fraud_v1\",\"entity\":{{\"CUSTOMER_ID\":{transaction.Customer}}},\"event_time\":\"{transaction.Time:yyyy-MM-ddTHH:mm:ss.fffZ}\",\"outputs\":{{\"score\":0.25}},\"features\":{{{features}}}}}");
    }
}
