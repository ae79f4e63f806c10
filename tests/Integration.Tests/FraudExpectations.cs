using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>The fraud data and what is right about it, read once.</summary>
internal static class FraudExpectations
{
    private static readonly Lazy<Transaction[]> s_transactions = new(FraudData.ReadTransactions);
    private static readonly Lazy<FeatureTable> s_reference = new(() => ReferenceEngine.Compute(s_transactions.Value));
    private static readonly Lazy<FeatureTable> s_published = new(FraudData.ReadPublishedFeatures);

    public static Transaction[] Transactions => s_transactions.Value;

    public static PredictionOracle Oracle(FraudJob job, string model = "fraud", int count = FraudData.TransactionCount) => new(new PredictionExpectation
    {
        Transactions = Transactions[..count],
        Topic = job.Topic,
        Model = model,
        Service = FraudJob.ServiceOf(model),
        Features = FraudJob.HasVector(model) ? s_reference.Value : null,
        Published = FraudJob.HasVector(model) ? s_published.Value : null,
        Scores = model == "fraud" ? null : FraudData.ReadScores(model),
    });
}
