using System.Diagnostics;

namespace FeatureStore.Harness;

/// <summary>How long records took, from when each was due to be sent until a read_committed reader had its prediction.</summary>
public sealed class Latencies(long[] ticks)
{
    private readonly long[] _sorted = [.. ticks.Order()];

    public int Count => _sorted.Length;

    public TimeSpan P99 => At(0.99);

    /// <summary>Only those of the records from one on, in the order in which they were sent.</summary>
    public Latencies From(int record) => new(ticks[record..]);

    /// <summary>Only those of some records from one on.</summary>
    public Latencies From(int record, int count) => new(ticks[record..(record + count)]);

    public override string ToString() =>
        $"p50 {At(0.5).TotalMilliseconds:F1} ms, p99 {P99.TotalMilliseconds:F1} ms, p99.9 {At(0.999).TotalMilliseconds:F1} ms, largest {At(1).TotalMilliseconds:F1} ms";

    private TimeSpan At(double share) => Stopwatch.GetElapsedTime(0, _sorted[Math.Min(Count - 1, (int)(Count * share))]);
}

/// <summary>A paced stream of transactions, and how long each prediction takes.</summary>
public static class LiveStream
{
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(180);

    /// <summary>
    /// Sends transactions at a fixed rate, whatever becomes of them (open loop), while another thread reads the predictions. A record's time runs
    /// from when it was due, so a sender that falls behind makes the latency longer, not shorter.
    /// </summary>
    /// <exception cref="TimeoutException">Some prediction did not come within three minutes of the last record.</exception>
    public static Latencies Run(string bootstrap, FraudJob job, ReadOnlySpan<Transaction> transactions, int recordsPerSecond, PredictionOracle oracle)
    {
        var due = new long[FraudData.TransactionCount];
        var seen = new long[FraudData.TransactionCount];
        var count = transactions.Length;
        using var reader = new CommittedReader(bootstrap, job.Sink(), (key, value) =>
        {
            var now = Stopwatch.GetTimestamp();
            var id = oracle.Accept(key, value);
            if (id >= 0)
                seen[id] = now;
        });
        var sent = new TaskCompletionSource();
        var reading = Task.Factory.StartNew(
            () =>
            {
                reader.ReadUntil(() => sent.Task.IsCompleted, TimeSpan.FromHours(1), () => "The sender did not end.");
                reader.ReadUntil(() => oracle.Distinct >= count, _deadline, () => $"{oracle.Distinct} of {count} predictions. {oracle.Verdict()}");
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

        try
        {
            using var producer = new TransactionProducer(bootstrap, job.Topic);
            producer.Connect();
            var started = Stopwatch.GetTimestamp();
            for (var i = 0; i < count; i++)
            {
                var dueAt = started + i * Stopwatch.Frequency / recordsPerSecond;
                while (Stopwatch.GetTimestamp() < dueAt)
                    Thread.Sleep(1);
                due[transactions[i].Id] = dueAt;
                producer.Send(transactions[i]);
            }

            producer.Flush();
        }
        finally
        {
            sent.SetResult();
        }

        reading.GetAwaiter().GetResult();
        var ticks = new long[count];
        for (var i = 0; i < count; i++)
            ticks[i] = seen[transactions[i].Id] - due[transactions[i].Id];
        return new Latencies(ticks);
    }
}
