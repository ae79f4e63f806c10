using System.Diagnostics;
using FeatureStore.Harness;

namespace FeatureStore.Benchmarks;

/// <summary>Sends transactions at a steady rate until it is ended. They are as old as they are: a live stream, in which no partition is ahead of another.</summary>
internal sealed class SliceFeed : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task<int> _sending;

    public SliceFeed(string bootstrap, string topic, int perSecond) =>
        _sending = Task.Factory.StartNew(() => Send(bootstrap, topic, perSecond), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Lets it go on for a while.</summary>
    public void Wait(TimeSpan time)
    {
        if (_sending.Wait(time))
            throw new InvalidOperationException("The feed has ended.");
    }

    /// <returns>How many it has sent: their ids are those from 0 on.</returns>
    public int End()
    {
        _stop.Cancel();
        return _sending.GetAwaiter().GetResult();
    }

    public void Dispose()
    {
        _stop.Cancel();
        _sending.ContinueWith(_ => { }, TaskScheduler.Default).GetAwaiter().GetResult();
        _stop.Dispose();
    }

    private int Send(string bootstrap, string topic, int perSecond)
    {
        var transactions = FraudData.ReadTransactions();
        using var producer = new TransactionProducer(bootstrap, topic);
        producer.Connect();
        var started = Stopwatch.GetTimestamp();
        var sent = 0;
        while (!_stop.IsCancellationRequested)
        {
            var due = (long)(Stopwatch.GetElapsedTime(started).TotalSeconds * perSecond);
            var nowMs = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
            for (; sent < due; sent++)
                producer.Send(transactions[sent % transactions.Length] with { Id = sent, TimeMs = nowMs });
            Thread.Sleep(1);
        }

        producer.Flush();
        return sent;
    }
}
