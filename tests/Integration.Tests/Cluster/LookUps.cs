using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace FeatureStore.Integration;

/// <summary>Readers, one a silo, that look features up all the time, and how long each went without an answer.</summary>
internal sealed class LookUps(IReadOnlyList<int> customers, IReadOnlyList<int> terminals) : IDisposable
{
    private const int KeysPerRead = 10;
    private static readonly string[] _features = ["customer_spending:CUSTOMER_ID_NB_TX_30DAY_WINDOW", "terminal_risk:TERMINAL_ID_NB_TX_30DAY_WINDOW"];

    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, Reader> _readers = [];

    public long Answered => _readers.Values.Sum(reader => reader.Answered);

    /// <summary>Reads that were told to try again later.</summary>
    public long PutOff => _readers.Values.Sum(reader => Interlocked.Read(ref reader.PutOff));

    /// <summary>What a silo answered that was wrong: anything but a refused connection, and that it cannot reach an entity for the moment.</summary>
    public IEnumerable<string> Problems => _readers.Values.SelectMany(reader => reader.Problems);

    public void Start(SiloCluster.Member silo) => _readers[silo.Name] = new Reader(silo.Name, silo.Address, customers, terminals, _stop.Token);

    /// <summary>Whether a silo answered a read that began after a moment.</summary>
    public bool HasAnsweredSince(string silo, long moment) => Interlocked.Read(ref _readers[silo].NewestBegin) > moment;

    /// <summary>The longest time that a reader of a silo was without an answer, of those that ended after a moment.</summary>
    public TimeSpan GapSince(string silo, long moment)
    {
        var answers = _readers[silo].Answers;
        var (gap, last) = (TimeSpan.Zero, moment);
        foreach (var answer in answers.Append(Stopwatch.GetTimestamp()))
        {
            if (answer < moment)
                continue;
            gap = TimeSpan.FromTicks(Math.Max(gap.Ticks, Stopwatch.GetElapsedTime(last, answer).Ticks));
            last = answer;
        }

        return gap;
    }

    public void Dispose()
    {
        _stop.Cancel();
        foreach (var reader in _readers.Values)
            reader.End();
        _stop.Dispose();
    }

    private sealed class Reader
    {
        private readonly Random _random = new(1);
        private readonly IReadOnlyList<int> _customers;
        private readonly IReadOnlyList<int> _terminals;
        private readonly string _name;
        private readonly Task _reading;

        public Reader(string name, Uri address, IReadOnlyList<int> customers, IReadOnlyList<int> terminals, CancellationToken stop)
        {
            (_name, _customers, _terminals) = (name, customers, terminals);
            _reading = Task.Run(() => ReadAsync(address, stop), CancellationToken.None);
        }

        public long NewestBegin;
        public long PutOff;

        public ConcurrentQueue<long> Answers { get; } = [];

        public long Answered => Answers.Count;

        public ConcurrentQueue<string> Problems { get; } = [];

        public void End() => _reading.GetAwaiter().GetResult();

        private async Task ReadAsync(Uri address, CancellationToken stop)
        {
            using var http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(90) };
            while (!stop.IsCancellationRequested)
            {
                var begin = Stopwatch.GetTimestamp();
                try
                {
                    using var response = await http.PostAsJsonAsync("get-online-features", new
                    {
                        features = _features,
                        entities = new { CUSTOMER_ID = Some(_customers), TERMINAL_ID = Some(_terminals) },
                    }, JsonSerializerOptions.Default, stop);
                    var text = await response.Content.ReadAsStringAsync(stop);
                    if (response is { StatusCode: HttpStatusCode.ServiceUnavailable, Headers.RetryAfter: not null } && text.Contains("out-of-reach", StringComparison.Ordinal))
                        Interlocked.Increment(ref PutOff);
                    else if (!response.IsSuccessStatusCode || text.Contains("NOT_FOUND", StringComparison.Ordinal))
                        Problems.Enqueue($"{_name}, {DateTime.UtcNow:HH:mm:ss.fff}: {(int)response.StatusCode} {text}");
                    else
                    {
                        Answers.Enqueue(Stopwatch.GetTimestamp());
                        Interlocked.Exchange(ref NewestBegin, begin);
                    }

                    await Task.Delay(20, stop);
                }
                catch (HttpRequestException)
                {
                    // The silo is down.
                    await Task.Delay(20, CancellationToken.None);
                }
                catch (OperationCanceledException) when (stop.IsCancellationRequested)
                {
                    return;
                }
            }
        }

        private int[] Some(IReadOnlyList<int> keys) => [.. Enumerable.Range(0, KeysPerRead).Select(_ => keys[_random.Next(keys.Count)])];
    }
}
