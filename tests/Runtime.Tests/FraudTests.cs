using FeatureStore.Harness;

namespace FeatureStore.Runtime.Tests;

/// <summary>The card-fraud example on its real data, without Kafka.</summary>
[TestClass]
public sealed class FraudTests
{
    private const int BatchEvents = 1000;

    /// <summary>Every published value of every transaction, and the one pair that the authors counted in the other order.</summary>
    [TestMethod]
    public void FeaturesAreThoseThatTheAuthorsPublished()
    {
        var (transactions, published) = Read();
        using var runtime = FraudProject.NewRuntime();
        var batch = new FraudBatch();
        CollectionAssert.AreEqual(FraudData.FeatureNames.ToArray(), batch.Vectors.Service.Features.Select(feature => feature.Name).ToArray());
        var (compared, tie) = (0, new List<(int Id, double[] Values)>());
        foreach (var chunk in transactions.Chunk(BatchEvents))
        {
            batch.Fill(chunk);
            batch.Run(runtime);
            for (var row = 0; row < chunk.Length; row++)
            {
                var expected = published.Get(chunk[row].Id);
                if (expected.IsEmpty)
                    continue;
                Assert.AreEqual(chunk[row].Amount, batch.Vectors[row, 0]);
                if (FraudData.AuthorsTie.Contains(chunk[row].Id))
                    tie.Add((chunk[row].Id, batch.Vectors.Row(row).ToArray()));
                else
                    Compare(expected, batch.Vectors.Row(row), $"transaction {chunk[row].Id}");
                compared++;
            }
        }

        Assert.AreEqual(FraudData.PublishedCount, compared);
        Assert.AreEqual(transactions.DistinctBy(transaction => transaction.Customer).Count() + transactions.DistinctBy(transaction => transaction.Terminal).Count(), runtime.Entities);
        CompareTie(tie, published);
    }

    /// <summary>The authors' first is the file's second: what one of the two has of its customer, the authors gave to the other.</summary>
    private static void CompareTie(List<(int Id, double[] Values)> tie, FeatureTable published)
    {
        CollectionAssert.AreEquivalent(FraudData.AuthorsTie.ToArray(), tie.Select(transaction => transaction.Id).ToArray());
        for (var i = 0; i < 2; i++)
        {
            var (id, own) = tie[i];
            var (theirs, swapped) = (published.Get(id).ToArray(), published.Get(tie[1 - i].Id).ToArray());
            for (var position = 1; position < own.Length; position++)
            {
                var name = FraudData.FeatureNames[position];
                var expected = name.StartsWith("CUSTOMER", StringComparison.Ordinal) ? swapped : theirs;
                // Of the two means, only that over both payments is the same in either order.
                if (i == 1 || !name.StartsWith("CUSTOMER_ID_AVG", StringComparison.Ordinal))
                    Assert.AreEqual(expected[position], own[position], 1e-8 * Math.Abs(expected[position]), $"transaction {id}: {name}");
            }
        }
    }

    private static void Compare(ReadOnlySpan<double> expected, ReadOnlySpan<double> actual, string name)
    {
        for (var position = 1; position < expected.Length; position++)
        {
            if (!(Math.Abs(expected[position] - actual[position]) <= 1e-8 * Math.Abs(expected[position])))
                Assert.Fail($"{name}: {FraudData.FeatureNames[position]} is {actual[position]:R}, the authors say {expected[position]:R}");
        }
    }

    private static (Transaction[] Transactions, FeatureTable Published) Read()
    {
        try
        {
            return (FraudData.ReadTransactions(), FraudData.ReadPublishedFeatures());
        }
        catch (FixtureMissingException exception)
        {
            Assert.Inconclusive(exception.Message);
            throw;
        }
    }
}
