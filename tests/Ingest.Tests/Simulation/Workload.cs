using System.Globalization;
using System.Text;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>What becomes of a record, by the plain rules.</summary>
internal enum Fate
{
    /// <summary>It takes effect and is scored.</summary>
    Applied,

    /// <summary>It is left out without a trace: a duplicate, or by a cleaning rule.</summary>
    Dropped,

    /// <summary>It is a dead letter and takes no effect.</summary>
    Refused,

    /// <summary>It takes effect, and is a dead letter because the model fails on it.</summary>
    Unscored,
}

/// <summary>A record with its truth.</summary>
/// <param name="Record">As it stands in the log.</param>
/// <param name="Payment">What it says; null where it says nothing.</param>
/// <param name="Fate">What becomes of it.</param>
/// <param name="Rule">Of a dead letter.</param>
/// <param name="Passes">Whether it decodes to an event, whatever comes of that: such a one has a time to be merged by.</param>
/// <param name="NewestMs">Greatest event time of the partition after it.</param>
internal sealed record Entry(SimulatedRecord Record, Payment? Payment, Fate Fate, string? Rule, bool Passes, long NewestMs)
{
    public bool TakesEffect => Fate is Fate.Applied or Fate.Unscored;
}

/// <summary>Writes a seeded log with disorder, duplicates, late and malformed records and gaps, and knows what must become of each.</summary>
internal sealed class Workload
{
    private const int Customers = 12;
    private const int Terminals = 5;
    private const long StartMs = 1_700_000_000_000;

    private readonly Random _random;
    private readonly SimulatedBroker _broker;
    private readonly Dictionary<long, long>[] _seen;
    private readonly double[] _speeds;
    private readonly bool _isLive;
    private readonly int _paceMs;

    /// <summary>Times are multiples of it: of a minute, so that times are often equal, and often exactly the alignment or the lateness apart.</summary>
    private readonly long _quantumMs;
    private int _left;
    private long _nowMs = StartMs;
    private long _id;

    /// <param name="random">Draws.</param>
    /// <param name="broker">Gets the records.</param>
    /// <param name="records">How many.</param>
    /// <param name="isLive">Whether all partitions are written at one pace while they are read; else each has its own, and all is there before the first is read.</param>
    /// <param name="paceMs">What passes between two records, ms.</param>
    public Workload(Random random, SimulatedBroker broker, int records, bool isLive, int paceMs = 60)
    {
        _random = random;
        _broker = broker;
        _left = records;
        _isLive = isLive;
        _paceMs = paceMs;
        _quantumMs = random.Next(2) == 0 ? 1 : 60_000;
        _seen = [.. broker.Partitions.Select(_ => new Dictionary<long, long>())];
        _speeds = [.. broker.Partitions.Select(_ => isLive ? 1 : Math.Pow(10, 2 * random.NextDouble() - 1))];
        Entries = [.. broker.Partitions.Select(_ => new List<Entry>())];
    }

    public List<Entry>[] Entries { get; }

    public bool IsWritten => _left == 0;

    public void Append(int countMax, ManualTime time)
    {
        for (; countMax > 0 && _left > 0; countMax--, _left--)
        {
            // Minutes of event time pass between two: that a partition was at its end before the one says nothing any more at the other.
            time.Advance(TimeSpan.FromMilliseconds(_paceMs));
            AppendOne();
        }
    }

    private void AppendOne()
    {
        var partition = _random.Next(_broker.Partitions.Length);
        var log = _broker.Partitions[partition];
        if (_random.Next(20) == 0)
            log.AppendControl();
        var newestMs = Entries[partition].Count == 0 ? long.MinValue : Entries[partition][^1].NewestMs;
        _nowMs += _random.Next(_isLive ? 300_000 : 60_000);
        var nowMs = _isLive ? _nowMs : StartMs + (long)(Entries[partition].Count * 120_000 * _speeds[partition]);
        var timeMs = nowMs - (_random.Next(3) == 0 ? _random.Next((int)Payments.LatenessMs + 1) : 0);
        // Up, so that in a live stream no event is later than the lateness.
        var payment = new Payment(
            _id++, (timeMs + _quantumMs - 1) / _quantumMs * _quantumMs,
            partition + _broker.Partitions.Length * _random.Next(Customers / _broker.Partitions.Length), _random.Next(Terminals), Math.Round(100 * _random.NextDouble(), 2));
        var kind = _random.Next(100);
        switch (kind)
        {
            case < 5 when Earlier(partition) is { } earlier:
                payment = earlier;
                break;
            case < 10 when newestMs > long.MinValue:
                payment = payment with { TimeMs = newestMs - Payments.LatenessMs - 1 - _random.Next(3_600_000) };
                break;
            case < 12 when newestMs > long.MinValue && !_isLive:
                payment = payment with { TimeMs = newestMs - Payments.LatenessMs };
                break;
            case < 14:
                payment = payment with { Amount = -payment.Amount - 1 };
                break;
            case < 16:
                payment = payment with { Amount = null };
                break;
            case < 18:
                payment = payment with { Customer = null };
                break;
            case < 21:
                payment = payment with { Amount = Payments.BadAmount };
                break;
            case < 24:
                Refuse(partition, log, newestMs);
                return;
        }

        var key = _random.Next(10) == 0 ? null : Encoding.UTF8.GetBytes(payment.Customer?.ToString(CultureInfo.InvariantCulture) ?? "");
        var record = log.Append(key, Payments.Json(payment), _nowMs, Headers());
        Entries[partition].Add(Judge(partition, record, payment, newestMs));
    }

    private void Refuse(int partition, SimulatedPartition log, long newestMs)
    {
        var value = _random.Next(4) switch { 0 => null, 1 => ""u8.ToArray(), 2 => "{\"ID\":"u8.ToArray(), _ => "[1]"u8.ToArray() };
        var record = log.Append(_random.Next(2) == 0 ? null : [], value, _nowMs, Headers());
        Entries[partition].Add(new Entry(record, null, Fate.Refused, "malformed-json", false, newestMs));
    }

    private KeyValuePair<string, byte[]?>[] Headers() =>
        _random.Next(4) == 0 ? [new("trace", [1, 0, (byte)_random.Next(256)]), new("empty", []), new("null", null)] : [];

    private Payment? Earlier(int partition)
    {
        var entries = Entries[partition];
        return entries.Count == 0 ? null : entries[Math.Max(0, entries.Count - 1 - _random.Next(20))].Payment;
    }

    /// <summary>The rules in their order: cleaning, keys, lateness, duplicates, the model.</summary>
    private Entry Judge(int partition, SimulatedRecord record, Payment payment, long newestMs)
    {
        if (payment.Amount is null)
            return new Entry(record, payment, Fate.Dropped, null, false, newestMs);
        if (payment.Amount < 0)
            return new Entry(record, payment, Fate.Refused, "clean[0] AMOUNT", false, newestMs);
        if (payment.Customer is null)
            return new Entry(record, payment, Fate.Refused, "key-missing", false, newestMs);
        if (newestMs > long.MinValue && payment.TimeMs < newestMs - Payments.LatenessMs)
            return new Entry(record, payment, Fate.Refused, "too-late", true, newestMs);
        newestMs = Math.Max(newestMs, payment.TimeMs);
        var seen = _seen[partition];
        if (seen.TryGetValue(payment.Id, out var seenMs) && seenMs >= newestMs - Payments.LatenessMs)
            return new Entry(record, payment, Fate.Dropped, null, true, newestMs);
        seen[payment.Id] = payment.TimeMs;
        return payment.Amount == Payments.BadAmount
            ? new Entry(record, payment, Fate.Unscored, "model-failure", true, newestMs)
            : new Entry(record, payment, Fate.Applied, null, true, newestMs);
    }
}
