using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>The fraud data and what is right about it, read once.</summary>
internal static class FraudExpectations
{
    private static readonly Lazy<Transaction[]> _transactions = new(FraudData.ReadTransactions);
    private static readonly Lazy<FeatureTable> _reference = new(() => ReferenceEngine.Compute(_transactions.Value));
    private static readonly Lazy<FeatureTable> _published = new(FraudData.ReadPublishedFeatures);

    public static Transaction[] Transactions => _transactions.Value;

    public static PredictionOracle Oracle(FraudJob job, string model = "fraud", int count = FraudData.TransactionCount) => new(new PredictionExpectation
    {
        Transactions = Transactions[..count],
        Topic = job.Topic,
        Model = model,
        Service = FraudJob.ServiceOf(model),
        Features = FraudJob.HasVector(model) ? _reference.Value : null,
        Published = FraudJob.HasVector(model) ? _published.Value : null,
        Scores = model == "fraud" ? null : FraudData.ReadScores(model),
    });
}
