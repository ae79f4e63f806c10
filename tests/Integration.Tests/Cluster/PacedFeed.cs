using System.Diagnostics;
using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>Sends transactions at a steady rate, up to a bound that the test moves: so that there is a stream under way whenever something is done to the cluster.</summary>
internal sealed class PacedFeed : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _sending;
    private int _allowed;
    private int _sent;

    public PacedFeed(string bootstrap, string topic, IReadOnlyList<Transaction> transactions, int perSecond) =>
        _sending = Task.Run(() => SendAsync(bootstrap, topic, transactions, perSecond));

    public int Sent => Volatile.Read(ref _sent);

    /// <summary>Lets the feed go on to so many transactions in all.</summary>
    public void AllowTo(int count) => Volatile.Write(ref _allowed, count);

    /// <summary>Throws what ended the feed.</summary>
    public void ThrowIfFailed()
    {
        if (_sending.IsFaulted)
            _sending.GetAwaiter().GetResult();
    }

    public void Dispose()
    {
        _stop.Cancel();
        _sending.ContinueWith(_ => { }, TaskScheduler.Default).GetAwaiter().GetResult();
        _stop.Dispose();
    }

    private async Task SendAsync(string bootstrap, string topic, IReadOnlyList<Transaction> transactions, int perSecond)
    {
        using var producer = new TransactionProducer(bootstrap, topic);
        producer.Connect();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        var last = Stopwatch.GetTimestamp();
        while (_sent < transactions.Count && await timer.WaitForNextTickAsync(_stop.Token))
        {
            var now = Stopwatch.GetTimestamp();
            var count = Math.Min((int)(Stopwatch.GetElapsedTime(last, now).TotalSeconds * perSecond), Math.Min(transactions.Count, Volatile.Read(ref _allowed)) - _sent);
            last = now;
            for (var index = 0; index < count; index++)
                producer.Send(transactions[_sent + index]);
            Interlocked.Add(ref _sent, Math.Max(0, count));
        }

        producer.Flush();
    }
}
