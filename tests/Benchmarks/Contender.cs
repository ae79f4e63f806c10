using System.Globalization;
using FeatureStore.Harness;

namespace FeatureStore.Benchmarks;

/// <summary>A program that turns the topic of transactions into a topic of predictions.</summary>
internal abstract class Contender
{
    /// <summary>What --only calls it.</summary>
    public abstract string Key { get; }

    public abstract string Name { get; }

    /// <summary>Starts on the transactions, with a new topic of predictions and nothing kept from before.</summary>
    public abstract IContenderRun Start(KafkaServer kafka, string topic, int events, string folder, int run);
}

/// <summary>One start of a contender.</summary>
internal interface IContenderRun : IDisposable
{
    /// <summary>What it consists of.</summary>
    IEnumerable<int> ProcessIds { get; }

    bool HasExited { get; }

    /// <summary>Topic of the predictions.</summary>
    string Output { get; }

    /// <summary>Half of the predictions are visible.</summary>
    void HalfWay()
    {
    }

    /// <summary>What the program says of its second half; empty: nothing. Before <see cref="Finish"/>.</summary>
    string SecondHalf() => "";

    /// <summary>Ends the program if it does not end by itself, and judges what it wrote.</summary>
    /// <returns>What can be said of the answers.</returns>
    string Finish();
}

/// <summary>Kafka Streams with RocksDB and exactly_once_v2, as a careful team runs it.</summary>
internal sealed class KafkaStreams : Contender
{
    public override string Key => "streams";

    public override string Name => "Kafka Streams, RocksDB, exactly_once_v2";

    public override IContenderRun Start(KafkaServer kafka, string topic, int events, string folder, int run)
    {
        var output = $"streams-{run}";
        kafka.CreateTopic(output, 4);
        var process = new ChildProcess(Workspace.SharedPath("peers", "kafka-streams", "run"),
            ["--bootstrap", kafka.Bootstrap, "--input", topic, "--output", output, "--expect", $"{events}", "--store", "rocksdb", "--guarantee", "exactly_once_v2"], folder);
        return new Peer(process, output, () => ChildProcess.Run(Workspace.SharedPath("peers", "kafka-streams", "verify"),
            ["--bootstrap", kafka.Bootstrap, "--predictions", output, "--expected", Workspace.SharedPath("data", "fraud", "expected_features.csv.gz"), "--expect", $"{events}"], TimeSpan.FromMinutes(5)));
    }
}

/// <summary>librdkafka in C: reads each event and writes a record of a prediction's size, no more. The floor.</summary>
internal sealed class BareClient : Contender
{
    private string? _program;

    public override string Key => "echo";

    public override string Name => "bare C client, read and write, no guarantee";

    public override IContenderRun Start(KafkaServer kafka, string topic, int events, string folder, int run)
    {
        var output = $"echo-{run}";
        kafka.CreateTopic(output, 4);
        return new Peer(new ChildProcess(_program ??= Compile(folder), [kafka.Bootstrap, topic, $"{events}", "echo", output], folder), output, () => "");
    }

    private static string Compile(string folder)
    {
        var program = Path.Combine(folder, "bare");
        try
        {
            ChildProcess.Run("gcc", ["-O2", "-o", program, Workspace.SharedPath("peers", "bare-consumer", "bare.c"), "-lrdkafka"], TimeSpan.FromMinutes(1));
            return program;
        }
        catch (Exception error) when (error is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            throw new FixtureMissingException($"The bare client does not compile: apt-get install gcc librdkafka-dev. {error.Message}");
        }
    }
}

/// <summary>A peer ends by itself and is judged by a program of its own.</summary>
internal sealed class Peer(ChildProcess process, string output, Func<string> verify) : IContenderRun
{
    private static readonly TimeSpan _deadline = TimeSpan.FromMinutes(1);

    public IEnumerable<int> ProcessIds { get; } = [process.Id];

    public bool HasExited => process.HasExited;

    public string Output => output;

    public string Finish()
    {
        var status = process.WaitForExit(_deadline);
        if (status != 0)
            throw new InvalidOperationException($"The peer ended with {status}: {process.Output}{process.Error}");
        Console.Error.WriteLine($"  says of itself: {process.Output.Trim()}");
        var verdict = verify().Trim();
        Console.Error.WriteLine($"  verify: {verdict}");
        return verdict.Length > 0 ? "right" : "not judged";
    }

    public void Dispose() => process.Dispose();
}

/// <summary>This server, as users start it: one process, or silos over Redis, of which one ingests, or all.</summary>
/// <param name="silos">0: no cluster.</param>
/// <param name="partitions">Of the transactions; as many slices of the stream there are where all silos ingest.</param>
/// <param name="align">How far ahead of the slowest partition one may run, as in the definitions.</param>
/// <param name="isDivided">Whether they all do.</param>
internal sealed class Ours(int silos, int partitions, string align, bool isDivided = false) : Contender, IDisposable
{
    private static readonly TimeSpan _startDeadline = TimeSpan.FromMinutes(1);

    private readonly Lazy<RedisServer> _redis = new(RedisServer.Start);

    private readonly Lazy<(Transaction[] Transactions, FeatureTable Features, FeatureTable Published)> _right = new(() =>
    {
        var transactions = FraudData.ReadTransactions();
        return (transactions, ReferenceEngine.Compute(transactions), FraudData.ReadPublishedFeatures());
    });

    public override string Key => silos switch { 0 => "ours", 1 => "silo", _ => isDivided ? "slices" : "silos" };

    public override string Name => "Orleans.FeatureStore, exactly once"
        + silos switch { 0 => "", 1 => ", one silo", _ when isDivided => $", {silos} silos that share {partitions} slices", _ => $", {silos} silos of which one ingests" };

    public override IContenderRun Start(KafkaServer kafka, string topic, int events, string folder, int run)
    {
        var job = new FraudJob(Path.Combine(folder, $"{Key}-{run}"), $"{Key}-{run}", topic);
        job.EditDefinitions(definitions => definitions.Replace("align: 1h", "align: " + align, StringComparison.Ordinal));
        kafka.CreateTopic(job.Sink(), partitions);
        var started = new ServerRun(job.Sink(), () => Judge(kafka, job, events));
        try
        {
            for (var silo = 1; silo < silos; silo++)
            {
                var added = started.Add(Start(isDivided ? "all" : "serve"));
                // Those that ingest begin together; of the others, the one that does comes last.
                if (!isDivided)
                    added.WaitReady(_startDeadline);
            }

            started.Add(silos == 0 ? SiloProcess.Start(job.Arguments(kafka.Bootstrap)) : Start("all"));
            return started;
        }
        catch
        {
            started.Dispose();
            throw;
        }

        SiloProcess Start(string role) => StartSilo(job, kafka, _redis.Value, role, isDivided ? partitions : 1);
    }

    /// <summary>Starts a silo of a cluster.</summary>
    public static SiloProcess StartSilo(FraudJob job, KafkaServer kafka, RedisServer redis, string role, int slices) => SiloProcess.Start([
        .. job.Arguments(kafka.Bootstrap), "--runtime", "orleans", "--clustering", "redis", "--cluster-connection", redis.Address,
        "--silo-address", "127.0.0.1", "--roles", role, "--silo-port", $"{SiloProcess.FreePort()}", "--slices", $"{slices}"]);

    public void Dispose()
    {
        if (_redis.IsValueCreated)
            _redis.Value.Dispose();
    }

    /// <summary>Each prediction once; those of the first pass over the data held against independent features.</summary>
    private string Judge(KafkaServer kafka, FraudJob job, int events)
    {
        var (transactions, features, published) = _right.Value;
        var oracle = new PredictionOracle(new PredictionExpectation
        {
            Transactions = transactions,
            Topic = job.Topic,
            Model = "fraud",
            Service = "fraud_v1",
            Features = features,
            Published = published,
        });
        var times = new byte[events];
        using var reader = new CommittedReader(kafka.Bootstrap, job.Sink(), (key, value) =>
        {
            var id = PredictionOracle.IdOf(value);
            if (id >= 0 && id < events && times[id] < byte.MaxValue)
                times[id]++;
            if (id < FraudData.TransactionCount)
                oracle.Accept(key, value);
        });
        reader.ReadToEnd();
        var verdict = oracle.Verdict();
        var (missing, doubled) = (times.Count(n => n == 0), times.Count(n => n > 1));
        if (missing > 0 || doubled > 0 || reader.Records != events)
            verdict += $"{reader.Records} records of {events}, {missing} transactions without, {doubled} with more than one";
        if (verdict.Length > 0)
            Console.Error.WriteLine($"  WRONG ANSWERS\n{verdict}");
        return verdict.Length == 0 ? "right" : "WRONG";
    }

    private sealed class ServerRun(string output, Func<string> judge) : IContenderRun
    {
        private static readonly TimeSpan _deadline = TimeSpan.FromMinutes(1);

        /// <summary>The one that ingests first.</summary>
        private readonly List<SiloProcess> _silos = [];
        private SiloCounts _counted = new();
        private double[] _cpuSeconds = [];

        public IEnumerable<int> ProcessIds => _silos.Select(silo => silo.Id);

        public bool HasExited => _silos.Exists(silo => silo.HasExited);

        public string Output => output;

        public SiloProcess Add(SiloProcess silo)
        {
            _silos.Insert(0, silo);
            return silo;
        }

        public void HalfWay()
        {
            _counted = SiloCounts.Of(_silos);
            _cpuSeconds = CpuSeconds();
        }

        public string SecondHalf()
        {
            var since = SiloCounts.Of(_silos).Since(_counted);
            var events = since["featurestore_events_applied_total"];
            if (events == 0 || _cpuSeconds.Length == 0)
                return "";
            var cpu = string.Join(" + ", CpuSeconds().Zip(_cpuSeconds, (now, before) => $"{(now - before) * 1e6 / events:F1}"));
            var pauses = since[SiloCounts.CutPause + "_count"] is 0 ? ""
                : $"; {since[SiloCounts.CutPause + "_count"]:F0} pauses of a slice for a cut, {PauseMs(0.5)} ms at 50 %, {PauseMs(0.9)} at 90 %, {PauseMs(1)} at 100 %";
            return string.Create(CultureInfo.InvariantCulture, $"""
                {cpu} µs of processor an event, by process; {Of("calls"):F2} calls an event, {Of("in_place"):F2} in place, {Of("saved_blocks"):F2} blocks written, {since["featurestore_grains_recoveries_total"]:F0} recoveries{pauses}
                """);

            double Of(string name) => since[$"featurestore_grains_{name}_total"] / events;

            string PauseMs(double share) => string.Create(CultureInfo.InvariantCulture, $"≤ {since.AtMost(SiloCounts.CutPause, share) * 1000:G3}");
        }

        public string Finish()
        {
            foreach (var silo in _silos)
            {
                var status = silo.Terminate(_deadline);
                if (status != 0)
                    throw new InvalidOperationException($"The server ended with {status}: {silo.Output}{silo.Error}");
            }

            return judge();
        }

        public void Dispose() => _silos.ForEach(silo => silo.Dispose());

        private double[] CpuSeconds() => [.. ProcessIds.Select(process => ProcessUse.Of(process).CpuSeconds)];
    }
}
