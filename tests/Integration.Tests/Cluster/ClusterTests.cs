using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>
/// Silos as processes, over a real broker and a real database, while one after the other is killed, stopped and added: every transaction has exactly one
/// prediction, and a right one; afterwards the features are those of one process that nothing happened to; and meanwhile the silos that are up answer.
/// </summary>
[TestClass]
public sealed class ClusterTests : SystemTest
{
    private const int EventsPerSecond = 1500;

    /// <summary>Longest time in which a silo that is up may not answer, on a machine that others use too.</summary>
    private const double GapMaxSeconds = 20;

    private static readonly TimeSpan _deadline = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan _settleDeadline = TimeSpan.FromSeconds(180);

    private readonly List<IDisposable> _servers = [];

    [TestCleanup]
    public void StopServers() => _servers.ForEach(server => server.Dispose());

    /// <summary>As in one process: all transactions at full speed, each feature and score against independent figures.</summary>
    [TestMethod]
    [TestCategory("Soak")]
    public void EveryTransactionGetsTheRightFeaturesAndScores()
    {
        var job = NewJob(TransactionsTopic());
        job.UseReferenceModels("lr");
        var oracle = FraudExpectations.Oracle(job, "lr");
        var cluster = NewCluster(job, PostgreSql());
        cluster.Add("serve").Process.WaitReady(ReadyDeadline);
        var started = Stopwatch.StartNew();
        cluster.Add("all").Process.WaitReady(ReadyDeadline);
        using var reader = new CommittedReader(Kafka.Bootstrap, job.Sink("lr"), (key, value) => oracle.Accept(key, value));
        reader.ReadUntil(() => oracle.Distinct == FraudData.TransactionCount, TimeSpan.FromMinutes(15), () => $"{oracle.Distinct} distinct. {oracle.Verdict()}", () => ThrowIfAnyExited(cluster));
        TestContext.WriteLine($"all predictions were read {started.Elapsed.TotalSeconds:F1} s after the owner's start");
        foreach (var silo in cluster.Members)
            Stop(silo);
        reader.ReadToEnd();
        Assert.AreEqual("", oracle.Verdict());
        Assert.AreEqual(FraudData.TransactionCount, oracle.ReferenceCompared);
        Assert.AreEqual(FraudData.PublishedCount - FraudData.AuthorsTie.Count, oracle.PublishedCompared);
        TestContext.WriteLine($"largest difference of a feature {oracle.ReferenceDifferenceMax:E1}, of a score {oracle.ScoreDifferenceMax:E1}; {oracle.ScoresCompared} scores compared");
    }

    [TestMethod]
    [TestCategory("Soak")]
    public void SilosDieAndJoin() => Disturb(PostgreSql(), ["kill serve", "kill owner", "add"], 7_000);

    /// <summary>One of the silos that share the slices of the stream dies.</summary>
    [TestMethod]
    public void AnOwnerOfSlicesDies() => Disturb([.. PostgreSql(), "--slices", "4"], ["kill owner"], 3_000, owners: 2, serving: 1);

    /// <summary>They die, join, hand their slices over and leave.</summary>
    [TestMethod]
    [TestCategory("Soak")]
    public void OwnersOfSlicesComeAndGo() => Disturb(
        [.. PostgreSql(), "--slices", "4"], ["kill owner", "kill serve", "add owner", "stop owner", "kill owner", "stop owner", "kill serve, start at once", "restart all"], 6_000, owners: 2);

    [TestMethod]
    [TestCategory("Soak")]
    public void SilosDieAndJoinOverRedis() => Disturb(Redis(), ["kill owner", "kill serve", "add"], 5_000);

    [TestMethod]
    [TestCategory("Soak")]
    public void SilosThatStandStillEndThemselves() => Disturb(PostgreSql(), ["blink serve", "blink owner", "pause serve", "pause owner"], 10_000);

    [TestMethod]
    [TestCategory("Soak")]
    public void TwentySilosDie()
    {
        string[] kills = ["kill owner", "kill serve", "kill owner", "kill serve, start at once"];
        Disturb(PostgreSql(), [.. Enumerable.Range(0, 10).Select(i => kills[i % 4]), "add", .. Enumerable.Range(0, 10).Select(i => kills[(i + 2) % 4]), "restart all"], 8_000);
    }

    [TestMethod]
    [TestCategory("Soak")]
    public void SilosDieAndJoinOverAzure() => Disturb(Azure(), ["kill owner", "kill serve", "add"], 5_000);

    /// <summary>The owner is the silo that the others find each other through: it stays.</summary>
    [TestMethod]
    [TestCategory("Soak")]
    public void SilosOfOneMachineDieAndJoin() => Disturb(["--clustering", "localhost"], ["kill serve", "kill serve, start at once", "add"], 10_000);

    /// <summary>Everything dies at once, and comes back under other addresses, as after a power cut with an orchestrator that gives them.</summary>
    [TestMethod]
    [TestCategory("Soak")]
    public void AllDieAtOnce() => AllDie(PostgreSql(), 6_000);

    /// <summary>Likewise, with a file as their storage, and no database at all.</summary>
    [TestMethod]
    public void AllOfOneMachineDieAtOnce() => AllDie(["--clustering", "localhost"], 3_000);

    /// <summary>A silo with a file of its own would hide what it writes from the others.</summary>
    [TestMethod]
    public void ASiloWithAnotherFileDoesNotJoin()
    {
        var job = NewJob();
        Kafka.CreateTopic(job.Topic, 1);
        var cluster = NewCluster(job, ["--clustering", "localhost"]);
        var owner = cluster.Add("all");
        owner.Process.WaitReady(ReadyDeadline);
        var other = Start([.. job.Arguments(Kafka.Bootstrap), "--runtime", "orleans", "--roles", "serve", "--data", Path.Combine(Folder, "other"),
            "--silo-port", $"{SiloProcess.FreePort()}", "--primary-port", $"{owner.SiloPort}"]);
        Assert.AreEqual(2, other.WaitForExit(ReadyDeadline), other.Output);
        StringAssert.StartsWith(other.Error, $"Grain storage \"{Path.Combine(Folder, "other", "cluster.db")}\" is not that of the silo at --primary-port {owner.SiloPort}");
        owner.Process.WaitReady(ReadyDeadline);
    }

    private void AllDie(string[] storage, int count)
    {
        var job = NewJob();
        Kafka.CreateTopic(job.Topic, 4);
        Kafka.CreateTopic(job.Sink(), 4);
        var transactions = FraudExpectations.Transactions[..count];
        using var feed = new PacedFeed(Kafka.Bootstrap, job.Topic, transactions, 100_000);
        using var predictions = new Predictions(job, transactions.Length);
        var first = NewCluster(job, storage);
        first.Add("all").Process.WaitReady(ReadyDeadline);
        first.Add("serve").Process.WaitReady(ReadyDeadline);
        feed.AllowTo(count * 2 / 3);
        predictions.Await(count * 2 / 3, _deadline, () => ThrowIfAnyExited(first));
        var checkpoint = 0L;
        Wait.Until(() => (checkpoint = CheckpointOf(first.Owners[0])) > 0, _deadline, () => "No checkpoint.");
        foreach (var silo in first.Members)
            silo.Process.Kill();
        var second = NewCluster(job, storage);
        feed.AllowTo(transactions.Length);
        var started = Stopwatch.StartNew();
        second.Add("all").Process.WaitReady(_settleDeadline);
        second.Add("serve").Process.WaitReady(_settleDeadline);
        TestContext.WriteLine($"ready again {started.Elapsed.TotalSeconds:F1} s after the start of the new silos");
        var next = 0L;
        Wait.Until(() => (next = CheckpointOf(second.Owners[0])) > 0, _deadline, () => "No checkpoint.");
        Assert.IsGreaterThan(checkpoint, next, "the state did not outlive the silos");
        predictions.Await(transactions.Length, _deadline, () => ThrowIfAnyExited(second));
        foreach (var silo in second.Serving.Concat(second.Owners))
            Stop(silo);
        Assert.AreEqual("", predictions.Verdict());
    }

    /// <param name="storage">Options of clustering and storage.</param>
    /// <param name="disturbances">What to do, one after the other.</param>
    /// <param name="portion">Transactions for each.</param>
    /// <param name="owners">Silos that ingest.</param>
    /// <param name="serving">Silos that do not.</param>
    private void Disturb(string[] storage, string[] disturbances, int portion, int owners = 1, int serving = 2)
    {
        var random = Seeded();
        var count = portion * (disturbances.Length + 1);
        var job = NewJob();
        Kafka.CreateTopic(job.Topic, 4);
        Kafka.CreateTopic(job.Sink(), 4);
        var transactions = FraudExpectations.Transactions[..count];
        using var feed = new PacedFeed(Kafka.Bootstrap, job.Topic, transactions, EventsPerSecond);
        using var predictions = new Predictions(job, count);
        var cluster = NewCluster(job, storage);
        // Silos of one machine find each other through the first, which is not killed.
        cluster.Add("all").Process.WaitReady(ReadyDeadline);
        for (var owner = 1; owner < owners; owner++)
            cluster.Add("all");
        var first = cluster.Add("serve");
        for (var other = 1; other < serving; other++)
            cluster.Add("serve");
        foreach (var silo in cluster.Members)
            silo.Process.WaitReady(ReadyDeadline);
        TestContext.WriteLine($"{first.Name} idle: {ProcessUse.Of(first.Process.Id).MemoryMaxMiB:F0} MiB");
        feed.AllowTo(portion / 2);
        predictions.Await(portion / 2, _deadline, () => ThrowIfAnyExited(cluster));

        // Until an entity's events are durable, a silo's death takes it back to before them for a moment. The second checkpoint from now has begun after now.
        var seen = transactions[..(portion / 2)];
        var sequence = CheckpointOf(cluster.Owners[0]) + 2;
        Wait.Until(
            () =>
            {
                // Slices of a stream without events make none: there are enough for a minute.
                feed.AllowTo(Math.Min(portion, feed.Allowed + 1));
                return CheckpointOf(cluster.Owners[0]) >= sequence;
            },
            _deadline, () => $"Checkpoint {CheckpointOf(cluster.Owners[0])}, not {sequence}.");
        feed.AllowTo(portion);
        using var reads = new LookUps([.. seen.Select(transaction => transaction.Customer).Distinct()], [.. seen.Select(transaction => transaction.Terminal).Distinct()]);
        foreach (var silo in cluster.Members)
            reads.Start(silo);
        Settle(reads, cluster.Members, 0);
        Dictionary<string, List<(double Gap, double Stream)>> gaps = [];
        for (var number = 0; number < disturbances.Length; number++)
        {
            var moment = portion * number + portion / 2 + random.Next(portion / 3);
            feed.AllowTo(portion * (number + 2));
            predictions.Await(moment, _deadline, () => ThrowIfAnyExited(cluster));
            var (gap, stream) = Disturb(disturbances[number], cluster, feed, reads, predictions, random);
            if (!gaps.TryGetValue(disturbances[number], out var of))
                gaps.Add(disturbances[number], of = []);
            of.Add((gap, stream));
        }

        predictions.Await(count, _deadline, () => ThrowIfAnyExited(cluster));
        feed.ThrowIfFailed();
        foreach (var (what, of) in gaps)
        {
            TestContext.WriteLine($"{what}, {of.Count} times: reads p50 {Median(of.Select(gap => gap.Gap)):F1} s, max {of.Max(gap => gap.Gap):F1} s; "
                + $"predictions p50 {Median(of.Select(gap => gap.Stream)):F1} s, max {of.Max(gap => gap.Stream):F1} s");
        }

        TestContext.WriteLine($"{reads.Answered} reads answered, {reads.PutOff} put off");
        Assert.AreEqual("", string.Join('\n', reads.Problems.Take(5)));
        var undisturbed = Undisturbed(job);
        foreach (var silo in cluster.Members)
        {
            var (final, right) = ("", "");
            Wait.Until(
                () =>
                {
                    // It reads the topic from its beginning, and may not have come to the end.
                    right = FinalFeatures(undisturbed, transactions);
                    return (final = FinalFeatures(silo.Process.Http, transactions)) == right;
                },
                _settleDeadline, () => $"{silo.Name} answers {Difference(final, right)}. {string.Join(". ", cluster.Members.Where(other => other != silo).Select(other => $"{other.Name}: {Difference(FinalFeatures(other.Process.Http, transactions), right)}"))}");
        }

        foreach (var silo in cluster.Serving.Concat(cluster.Owners))
            Stop(silo);
        Assert.AreEqual("", predictions.Verdict());
        Assert.IsLessThan(GapMaxSeconds, gaps.Values.Max(of => of.Max(gap => gap.Gap)));
    }

    /// <summary>Does something to the cluster, and waits until it is whole again.</summary>
    /// <returns>The longest time in seconds without an answer to a reader of a silo that was up, and without a prediction.</returns>
    private (double Gap, double Stream) Disturb(string what, SiloCluster cluster, PacedFeed feed, LookUps reads, Predictions predictions, Random random)
    {
        var serving = cluster.Serving[random.Next(cluster.Serving.Count)];
        var owner = cluster.Owners[random.Next(cluster.Owners.Count)];
        var begin = Stopwatch.GetTimestamp();
        var up = cluster.Members.ToList();
        double gap;
        switch (what)
        {
            case "kill owner":
                up.Remove(owner);
                Kill(owner);
                foreach (var other in up)
                    Assert.AreEqual(HttpStatusCode.OK, Ask(other, "health/ready"), "readiness is local: a silo stays ready without an owner, or another one");
                cluster.Start(owner);
                break;
            case "stop owner":
                // The others take its slices over, and go on without it.
                up.Remove(owner);
                Stop(owner);
                predictions.Await(Math.Min(feed.Allowed, predictions.Distinct + 200), _deadline, () => { });
                cluster.Start(owner);
                break;
            case "blink owner":
                Blink(owner);
                break;
            case "blink serve":
                Blink(serving);
                break;
            case "pause owner":
                up.Remove(owner);
                Pause(cluster, owner, up, reads);
                break;
            case "pause serve":
                up.Remove(serving);
                Pause(cluster, serving, up, reads);
                break;
            case "kill serve":
                // It stays away until the others have got over it.
                up.Remove(serving);
                Kill(serving);
                Settle(reads, up, begin);
                predictions.Await(Math.Min(feed.Allowed, predictions.Distinct + 200), _deadline, () => { });
                cluster.Start(serving);
                break;
            case "kill serve, start at once":
                up.Remove(serving);
                Kill(serving);
                cluster.Start(serving);
                break;
            case "add":
                reads.Start(cluster.Add("serve"));
                break;
            case "add owner":
                reads.Start(cluster.Add("all"));
                break;
            case "restart all":
                gap = 0;
                foreach (var silo in cluster.Members)
                {
                    var stopped = Stopwatch.GetTimestamp();
                    Stop(silo);
                    cluster.Start(silo);
                    silo.Process.WaitReady(ReadyDeadline);
                    Settle(reads, cluster.Members, Stopwatch.GetTimestamp());
                    gap = Math.Max(gap, cluster.Members.Where(other => other != silo).Max(other => reads.GapSince(other.Name, stopped).TotalSeconds));
                }

                return (gap, predictions.GapSince(begin).TotalSeconds);
            default:
                throw new ArgumentException(what);
        }

        foreach (var silo in cluster.Members)
            silo.Process.WaitReady(ReadyDeadline);
        var ready = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        Settle(reads, cluster.Members, Stopwatch.GetTimestamp());
        predictions.Await(Math.Min(feed.Allowed, predictions.Distinct + 200), _deadline, () => ThrowIfAnyExited(cluster));
        gap = up.Max(silo => reads.GapSince(silo.Name, begin).TotalSeconds);
        var stream = predictions.GapSince(begin).TotalSeconds;
        TestContext.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{what}: all ready after {ready:F1} s, reads of {string.Join(", ", up.Select(silo => $"{silo.Name} {reads.GapSince(silo.Name, begin).TotalSeconds:F1}"))} s, predictions {stream:F1} s; {predictions.Distinct} predictions"));
        return (gap, stream);
    }

    private static long CheckpointOf(SiloCluster.Member silo)
    {
        var status = silo.Process.Http.GetStringAsync(new Uri("v1/status", UriKind.Relative)).GetAwaiter().GetResult();
        var checkpoint = JsonDocument.Parse(status).RootElement.GetProperty("checkpoint");
        return checkpoint.ValueKind == JsonValueKind.Null ? 0 : checkpoint.GetProperty("sequence").GetInt64();
    }

    private void Kill(SiloCluster.Member silo)
    {
        silo.Process.Kill();
        TestContext.WriteLine($"{DateTime.UtcNow:HH:mm:ss.fff} killed {silo.Name}, port {silo.SiloPort}");
    }

    /// <summary>Stands still as a machine in trouble does: the others take it for dead; when it goes on it learns so, and ends itself.</summary>
    private void Pause(SiloCluster cluster, SiloCluster.Member silo, IReadOnlyList<SiloCluster.Member> others, LookUps reads)
    {
        var begin = Stopwatch.GetTimestamp();
        Signal(silo, "STOP");
        Settle(reads, others, begin + 20 * Stopwatch.Frequency);
        Signal(silo, "CONT");
        Assert.IsTrue(silo.Process.HasExitedAfter(_settleDeadline), "a silo that is dead for the others goes on");
        TestContext.WriteLine($"{silo.Name} ended with {silo.Process.WaitForExit(StopDeadline)} after its pause, and said: {silo.Process.Error.Split('\n').FirstOrDefault(line => line.Length > 0)}");
        cluster.Start(silo);
    }

    /// <summary>Stands still for a moment, as a busy machine does: nobody takes it for dead.</summary>
    private static void Blink(SiloCluster.Member silo)
    {
        Signal(silo, "STOP");
        Assert.IsFalse(silo.Process.HasExitedAfter(TimeSpan.FromSeconds(2)));
        Signal(silo, "CONT");
        Assert.IsFalse(silo.Process.HasExitedAfter(TimeSpan.FromSeconds(10)), "a silo that stood still for two seconds is dead for the others");
    }

    private static void Signal(SiloCluster.Member silo, string name) => ChildProcess.Run("kill", ["-" + name, silo.Process.Id.ToString(CultureInfo.InvariantCulture)], _deadline);

    private static HttpStatusCode Ask(SiloCluster.Member silo, string path)
    {
        using var response = silo.Process.Http.GetAsync(new Uri(path, UriKind.Relative)).GetAwaiter().GetResult();
        return response.StatusCode;
    }

    private void Stop(SiloCluster.Member silo)
    {
        var (started, memory) = (Stopwatch.StartNew(), ProcessUse.Of(silo.Process.Id).MemoryMaxMiB);
        Assert.AreEqual(0, silo.Process.Terminate(StopDeadline), silo.Process.Output + silo.Process.Error);
        TestContext.WriteLine($"{silo.Name} stopped in {started.Elapsed.TotalSeconds:F1} s; {memory:F0} MiB at most");
    }

    /// <summary>Waits until silos answer reads that began after a moment.</summary>
    private static void Settle(LookUps reads, IReadOnlyList<SiloCluster.Member> silos, long moment) => Wait.Until(
        () => silos.All(silo => reads.HasAnsweredSince(silo.Name, moment)), _settleDeadline,
        () => $"No answer of {string.Join(", ", silos.Where(silo => !reads.HasAnsweredSince(silo.Name, moment)).Select(silo => silo.Name))}. {string.Join('\n', reads.Problems.Take(3))}");

    private static void ThrowIfAnyExited(SiloCluster cluster)
    {
        foreach (var silo in cluster.Members)
            silo.Process.ThrowIfExited();
    }

    private SiloCluster NewCluster(FraudJob job, string[] storage) => new((arguments, port) => Start(arguments, port), [.. job.Arguments(Kafka.Bootstrap), .. storage]);

    private string[] PostgreSql() => ["--clustering", "adonet", "--cluster-connection", Server(PostgreSqlServer.Start).Connection];

    private string[] Azure()
    {
        if (!File.Exists(Path.Combine(Path.GetDirectoryName(SiloProcess.Program)!, "Orleans.Persistence.AzureStorage.dll")))
            Assert.Inconclusive("This machine's package sources do not have Orleans' Azure providers: they are left out of the server. eng/feed.sh says what is missing.");
        return ["--clustering", "azure", "--cluster-connection", Server(AzuriteServer.Start).Connection];
    }

    private string[] Redis() => ["--clustering", "redis", "--cluster-connection", Server(RedisServer.Start).Address];

    private T Server<T>(Func<T> start)
        where T : IDisposable
    {
        try
        {
            var server = start();
            _servers.Add(server);
            return server;
        }
        catch (FixtureMissingException missing)
        {
            Assert.Inconclusive(missing.Message);
            throw;
        }
    }

    /// <summary>The same records through one process.</summary>
    private HttpClient Undisturbed(FraudJob job)
    {
        var plain = new FraudJob(Path.Combine(Folder, "undisturbed"), job.Project + "l", job.Topic);
        return Start(plain).WaitReady(ReadyDeadline).Http;
    }

    /// <summary>All features of all customers and terminals, as they are served.</summary>
    private static string FinalFeatures(HttpClient http, IReadOnlyList<Transaction> transactions)
    {
        var text = new StringBuilder();
        Append("customer_spending:CUSTOMER_ID", "AVG_AMOUNT", transactions.Select(transaction => transaction.Customer));
        Append("terminal_risk:TERMINAL_ID", "RISK", transactions.Select(transaction => transaction.Terminal));
        return text.ToString();

        void Append(string prefix, string second, IEnumerable<int> keys)
        {
            string[] features = [.. new[] { "1DAY", "7DAY", "30DAY" }.SelectMany(window => new[] { $"{prefix}_NB_TX_{window}_WINDOW", $"{prefix}_{second}_{window}_WINDOW" })];
            foreach (var some in keys.Distinct().Order().Chunk(500))
            {
                var entities = new Dictionary<string, int[]> { [prefix[(prefix.IndexOf(':', StringComparison.Ordinal) + 1)..]] = some };
                using var response = http.PostAsJsonAsync("get-online-features", new { features, entities }, JsonSerializerOptions.Default).GetAwaiter().GetResult();
                var answer = response.Content.ReadAsStringAsync().GetAwaiter().GetResult();
                // Whoever asks tries again.
                if (response.StatusCode is HttpStatusCode.ServiceUnavailable)
                {
                    text.Append(answer);
                    return;
                }

                Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, answer);
                foreach (var column in JsonDocument.Parse(answer).RootElement.GetProperty("results").EnumerateArray())
                    text.AppendJoin(',', column.GetProperty("values").EnumerateArray().Zip(column.GetProperty("statuses").EnumerateArray(), (value, status) => $"{value} {status}")).Append('\n');
            }
        }
    }

    private static string Difference(string text, string right)
    {
        var (found, expected) = (text.Split('\n', ','), right.Split('\n', ','));
        var different = found.Zip(expected).Index().Where(pair => pair.Item.First != pair.Item.Second).ToList();
        return $"{found.Length} values, right are {expected.Length}; {different.Count} differ: {string.Join("; ", different.Take(5).Select(pair => $"at {pair.Index} {pair.Item.First}, right is {pair.Item.Second}"))}";
    }

    private static double Median(IEnumerable<double> values)
    {
        var ordered = values.Order().ToList();
        return ordered[ordered.Count / 2];
    }

    /// <summary>Judges predictions as they are committed, on a thread of its own.</summary>
    private sealed class Predictions : IDisposable
    {
        private readonly PredictionOracle _oracle;
        private readonly CommittedReader _reader;
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _reading;
        private readonly List<long> _arrivals = [];
        private int _distinct;

        public Predictions(FraudJob job, int count)
        {
            _oracle = FraudExpectations.Oracle(job, count: count);
            _reader = new CommittedReader(Kafka.Bootstrap, job.Sink(), Accept);
            _reading = Task.Run(() =>
            {
                while (!_stop.IsCancellationRequested)
                    _reader.ReadUntil(() => _stop.IsCancellationRequested, TimeSpan.FromHours(2), () => "");
            });
        }

        public int Distinct => Volatile.Read(ref _distinct);

        public void Await(int distinct, TimeSpan deadline, Action check) => Wait.Until(
            () =>
            {
                check();
                return Distinct >= distinct;
            },
            deadline, () => $"{Distinct} distinct predictions of {distinct}.");

        /// <summary>The longest time without a prediction since a moment.</summary>
        public TimeSpan GapSince(long moment)
        {
            lock (_arrivals)
            {
                var (gap, last) = (0L, moment);
                foreach (var arrival in _arrivals.Where(arrival => arrival > moment))
                {
                    gap = Math.Max(gap, arrival - last);
                    last = arrival;
                }

                return Stopwatch.GetElapsedTime(0, gap);
            }
        }

        /// <summary>Reads to the end.</summary>
        public string Verdict()
        {
            _stop.Cancel();
            _reading.GetAwaiter().GetResult();
            _reader.ReadToEnd();
            return _oracle.Verdict();
        }

        public void Dispose()
        {
            _stop.Cancel();
            _reading.ContinueWith(_ => { }, TaskScheduler.Default).GetAwaiter().GetResult();
            _reader.Dispose();
            _stop.Dispose();
        }

        private void Accept(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
        {
            _oracle.Accept(key, value);
            Volatile.Write(ref _distinct, _oracle.Distinct);
            lock (_arrivals)
            {
                var now = Stopwatch.GetTimestamp();
                if (_arrivals.Count == 0 || Stopwatch.GetElapsedTime(_arrivals[^1], now) > TimeSpan.FromMilliseconds(10))
                    _arrivals.Add(now);
            }
        }
    }
}
