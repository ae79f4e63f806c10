using System.Diagnostics;
using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>All 719,307 transactions through four partitions at full speed, five models: each feature and score against independent figures.</summary>
[TestClass]
public sealed class RightAnswersTests : SystemTest
{
    private const int TestWeekCount = 66_971;

    [TestMethod]
    public void EveryTransactionGetsTheRightFeaturesAndScores()
    {
        string[] models = ["lr", "lr_raw", "rf", "xgb", "mlp"];
        var job = NewJob(TransactionsTopic());
        job.UseReferenceModels(models);
        var oracles = models.ToDictionary(model => model, model => FraudExpectations.Oracle(job, model));
        var silo = Start(job);
        var started = Stopwatch.StartNew();
        silo.WaitReady(ReadyDeadline);
        foreach (var (model, oracle) in oracles)
        {
            using var reader = new CommittedReader(Kafka.Bootstrap, job.Sink(model), (key, value) => oracle.Accept(key, value));
            reader.ReadUntil(() => oracle.Distinct == FraudData.TransactionCount, TimeSpan.FromMinutes(4), () => $"{oracle.Distinct} distinct. {oracle.Verdict()}", silo.ThrowIfExited);
            if (model == models[0])
                TestContext.WriteLine($"all predictions of {model} were read {started.Elapsed.TotalSeconds:F1} s after the start");
            else if (model == models[^1])
                Assert.AreEqual(0, silo.Terminate(StopDeadline), silo.Error);
            reader.ReadToEnd();
        }

        foreach (var (model, oracle) in oracles)
        {
            TestContext.WriteLine($"{model}: largest difference of a feature {oracle.ReferenceDifferenceMax:E1}, of a score {oracle.ScoreDifferenceMax:E1}");
            Assert.AreEqual("", oracle.Verdict(), model);
            Assert.AreEqual(TestWeekCount, oracle.ScoresCompared, model);
            if (!FraudJob.HasVector(model))
                continue;
            Assert.AreEqual(FraudData.TransactionCount, oracle.ReferenceCompared, model);
            Assert.AreEqual(FraudData.PublishedCount - FraudData.AuthorsTie.Count, oracle.PublishedCompared, model);
        }
    }
}
