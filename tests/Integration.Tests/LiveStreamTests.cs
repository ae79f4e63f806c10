using FeatureStore.Harness;

namespace FeatureStore.Integration;

[TestClass]
public sealed class LiveStreamTests : SystemTest
{
    [TestMethod]
    public void PredictionsAreVisibleWithinASecond()
    {
        const int count = 60_000;
        const int recordsPerSecond = 2000;
        var job = NewJob();
        Kafka.CreateTopic(job.Topic, 4);
        Kafka.CreateTopic(job.Sink(), 4);
        var oracle = FraudExpectations.Oracle(job, count: count);
        var silo = Start(job).WaitReady(ReadyDeadline);

        var latencies = LiveStream.Run(Kafka.Bootstrap, job, FraudExpectations.Transactions.AsSpan(0, count), recordsPerSecond, oracle);
        var warm = latencies.From(5 * recordsPerSecond); // while the server's code is being compiled, the load of the machine decides
        TestContext.WriteLine($"append to visible: {latencies}; without the first five seconds: {warm}");
        Assert.AreEqual(0, silo.Terminate(StopDeadline), silo.Error);
        Assert.AreEqual("", oracle.Verdict());
        Assert.IsTrue(warm.P99 < TimeSpan.FromSeconds(1), warm.ToString());
    }
}
