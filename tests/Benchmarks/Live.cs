using FeatureStore.Harness;

namespace FeatureStore.Benchmarks;

/// <summary>Latency from append to visible at a fixed rate.</summary>
internal static class Live
{
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(60);

    public static int Run(int seconds, int rate)
    {
        var transactions = FraudData.ReadTransactions()[..Math.Min(seconds * rate, FraudData.TransactionCount)];
        var folder = Workspace.NewFolder("live");
        using var kafka = KafkaServer.Start();
        try
        {
            var job = new FraudJob(folder, "live");
            kafka.CreateTopic(job.Topic, 4);
            kafka.CreateTopic(job.Sink(), 4);
            var oracle = new PredictionOracle(new PredictionExpectation
            {
                Transactions = transactions,
                Topic = job.Topic,
                Model = "fraud",
                Service = "fraud_v1",
                Features = ReferenceEngine.Compute(transactions),
            });
            using var silo = SiloProcess.Start(job.Arguments(kafka.Bootstrap)).WaitReady(_deadline);
            var latencies = LiveStream.Run(kafka.Bootstrap, job, transactions, rate, oracle);
            var use = ProcessUse.Of(silo.Id);
            silo.Terminate(_deadline);
            Console.WriteLine($"{transactions.Length:N0} records at {rate:N0}/s: {latencies}");
            Console.WriteLine($"without the first five seconds, while the server compiles: {latencies.From(Math.Min(transactions.Length / 2, 5 * rate))}");
            Console.WriteLine($"server: {use.CpuSeconds:F1} CPU s from its start on, {use.MemoryMaxMiB:F0} MiB resident at most");
            Console.WriteLine(oracle.Verdict() is { Length: > 0 } verdict ? $"WRONG ANSWERS\n{verdict}" : "every prediction there once, every feature right");
            return oracle.Verdict().Length == 0 ? 0 : 1;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
