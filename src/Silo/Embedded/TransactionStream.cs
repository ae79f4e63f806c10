using System.Globalization;
using System.Text;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;

namespace FeatureStore.Silo.Embedded;

/// <summary>
/// The built-in stream: made-up card transactions, the same for the same seed, for a server that is only tried out. It begins with two weeks of
/// history at once, so that windows of days have something in them, and goes on with a minute a second. Some payments are large, some terminals and cards are in wrong hands for a while: those are the frauds.
/// </summary>
internal sealed class TransactionStream
{
    public const int EventsPerSecond = 100;

    private const int Customers = 500;
    private const int Terminals = 200;
    private const int HistoryEvents = 20_000;
    private const int HistorySpacingMs = 60_000;
    private const int EventTimeFactor = 60;
    private const int EventsPerTaking = 4000;
    private const double LargeAmount = 220;

    private readonly Random _random;
    private readonly double[] _meanAmounts;
    private readonly DateTimeOffset[] _terminalTakenUntil = new DateTimeOffset[Terminals];
    private readonly DateTimeOffset[] _cardTakenUntil = new DateTimeOffset[Customers];
    private readonly StringBuilder _text = new();
    private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private long _id;

    public TransactionStream(int seed)
    {
        _random = new Random(seed);
        _meanAmounts = [.. Enumerable.Range(0, Customers).Select(_ => 5 + 95 * _random.NextDouble())];
    }

    /// <summary>Whether a source is the one of the card-fraud example, which the stream can feed.</summary>
    public static bool Fits(SourcePlan source)
    {
        string[] fields = ["TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD"];
        return fields.All(field => source.Schema.IndexOf(field) >= 0);
    }

    /// <summary>Produces events until it is stopped.</summary>
    public async Task RunAsync(IEventPublisher publisher, int source, TimeProvider time, CancellationToken cancellationToken)
    {
        const int ticksPerSecond = 20;
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / ticksPerSecond), time);
        try
        {
            for (var sent = 0; sent < HistoryEvents; sent += HistoryEvents / 40)
                await SendAsync(publisher, source, HistoryEvents / 40, cancellationToken).ConfigureAwait(false);
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
                await SendAsync(publisher, source, EventsPerSecond / ticksPerSecond, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private async Task SendAsync(IEventPublisher publisher, int source, int count, CancellationToken cancellationToken)
    {
        var sent = Enumerable.Range(0, count).Select(_ =>
        {
            var (key, value) = Next();
            return publisher.PublishAsync(source, Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(value), cancellationToken).AsTask();
        }).ToList();
        try
        {
            await Task.WhenAll(sent).ConfigureAwait(false);
        }
        catch (EventPublishException)
        {
            // A payment of a made-up stream may be lost; the stream goes on.
        }
    }

    /// <summary>The next event: its key and its JSON.</summary>
    public (string Key, string Value) Next()
    {
        _now += TimeSpan.FromMilliseconds(_id < HistoryEvents ? HistorySpacingMs : EventTimeFactor * 1000.0 / EventsPerSecond);
        if (_random.Next(EventsPerTaking) == 0)
            _terminalTakenUntil[_random.Next(Terminals)] = _now.AddDays(28);
        if (_random.Next(EventsPerTaking) == 0)
            _cardTakenUntil[_random.Next(Customers)] = _now.AddDays(14);
        var (customer, terminal) = (_random.Next(Customers), _random.Next(Terminals));
        var mean = _meanAmounts[customer];
        // The sum of twelve uniform numbers less six is nearly normal.
        var normal = Enumerable.Range(0, 12).Sum(_ => _random.NextDouble()) - 6;
        var amount = Math.Max(0.5, mean + mean / 2 * normal);
        var cardTaken = _cardTakenUntil[customer] > _now && _random.Next(3) == 0;
        if (cardTaken)
            amount *= 5;
        var fraud = cardTaken || amount > LargeAmount || _terminalTakenUntil[terminal] > _now;
        _text.Clear();
        _text.Append(
            CultureInfo.InvariantCulture,
            $"{{\"TRANSACTION_ID\":{_id++},\"TX_DATETIME\":\"{_now:yyyy-MM-ddTHH:mm:ss.fffZ}\",\"CUSTOMER_ID\":{customer},\"TERMINAL_ID\":{terminal},\"TX_AMOUNT\":{amount:0.00},\"TX_FRAUD\":{(fraud ? 1 : 0)}}}");
        return (customer.ToString(CultureInfo.InvariantCulture), _text.ToString());
    }
}
