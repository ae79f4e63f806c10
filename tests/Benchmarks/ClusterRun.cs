#if ORLEANS
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using FeatureStore.Grains;
using FeatureStore.Grains.Placement;
using FeatureStore.Harness;
using FeatureStore.Registry;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Storage;
using Orleans.TestingHost;

namespace FeatureStore.Benchmarks;

/// <summary>The cluster's runtime beside the local one, on the fraud data, without Kafka: silos in this process, storage in memory.</summary>
internal static class ClusterRun
{
    private const int BatchEvents = 1000;
    private const int Events = 200_000;
    private const int WarmUpEvents = 60_000;

    public static int Run(IReadOnlyCollection<string> parts)
    {
        var plan = Load();
        var transactions = FraudData.ReadTransactions()[..(Events + WarmUpEvents)];
        Console.WriteLine($"{Environment.ProcessorCount} processors; batches of {BatchEvents:N0}; {Events:N0} events after {WarmUpEvents:N0} to warm up; two entities an event");
        if (parts.Contains("events"))
        {
            var local = Local(plan, transactions);
            Cluster(plan, transactions, 1, EntityPlacementPreference.Owner, local, inPlace: false);
            Cluster(plan, transactions, 1, EntityPlacementPreference.Owner, local);
            Cluster(plan, transactions, 3, EntityPlacementPreference.Owner, local);
            Cluster(plan, transactions, 3, EntityPlacementPreference.Caller, local);
            Cluster(plan, transactions, 3, EntityPlacementPreference.Even, local);
        }

        if (parts.Contains("hot"))
            Hot(plan, transactions);
        if (parts.Contains("reads"))
            Reads(plan, transactions);
        if (parts.Contains("grains"))
            Grains(plan);
        return 0;
    }

    private static double Local(ProjectPlan plan, Transaction[] transactions)
    {
        using var runtime = new LocalRuntime(plan, new LocalRuntimeOptions { Shards = 1 });
        var (rate, batches) = Apply(plan, runtime, null, transactions);
        Console.WriteLine($"local, 1 shard:                  {rate,9:N0} events/s; a batch {batches}");
        return rate;
    }

    private static void Cluster(ProjectPlan plan, Transaction[] transactions, int silos, EntityPlacementPreference placement, double local, bool inPlace = true)
    {
        using var cluster = Start(plan, silos, placement, new OrleansRuntimeOptions { AppliesInPlace = inPlace });
        var (runtime, checkpoints) = Own(cluster);
        using var calls = new CallCount();
        var (rate, batches) = Apply(plan, runtime, checkpoints, transactions);
        Console.WriteLine($"{silos} silo{(silos > 1 ? "s," : ", ")} placed by {placement,-6}{(inPlace ? "" : ", messages")}:       {rate,9:N0} events/s, {rate / local,6:P0} of local; {calls.Count / (double)transactions.Length:F2} calls an event; a batch {batches}; {checkpoints.Last?.Sequence ?? 0} checkpoints");
    }

    /// <summary>The same events, of which three in ten are moved to one customer.</summary>
    private static void Hot(ProjectPlan plan, Transaction[] transactions)
    {
        var random = new Random(1);
        var hot = transactions.Select(transaction => random.Next(10) < 3 ? transaction with { Customer = 1 } : transaction).ToArray();
        foreach (var (name, events) in new[] { ("as they are", transactions), ("30 % to one customer", hot) })
        {
            using var cluster = Start(plan, 1, EntityPlacementPreference.Owner);
            var (runtime, checkpoints) = Own(cluster);
            var (rate, batches) = Apply(plan, runtime, checkpoints, events);
            Console.WriteLine($"1 silo, {name,-21}:   {rate,9:N0} events/s; a batch {batches}");
        }
    }

    private static void Reads(ProjectPlan plan, Transaction[] transactions)
    {
        using var local = new LocalRuntime(plan, new LocalRuntimeOptions { Shards = 1 });
        Apply(plan, local, null, transactions);
        Console.WriteLine($"look-ups, local:                 {LookUps(local, transactions)}");
        using var cluster = Start(plan, 3, EntityPlacementPreference.Owner);
        var (runtime, checkpoints) = Own(cluster);
        Apply(plan, runtime, checkpoints, transactions);
        Console.WriteLine($"look-ups, from the owner's silo: {LookUps(runtime, transactions)}");
        Console.WriteLine($"look-ups, from another silo:     {LookUps(Services(cluster, 1).GetRequiredService<OrleansRuntime>(), transactions)}");
    }

    private static string LookUps(IEntityRuntime runtime, Transaction[] transactions)
    {
        const int Readers = 4;
        var seconds = TimeSpan.FromSeconds(3);
        for (var round = 0; round < 2; round++)
        {
            var stop = Stopwatch.GetTimestamp() + (long)((round == 0 ? 1 : seconds.TotalSeconds) * Stopwatch.Frequency);
            var readers = Task.WhenAll(Enumerable.Range(1, Readers).Select(reader => Task.Run(() => ReadUntilAsync(runtime, transactions, stop, reader)))).GetAwaiter().GetResult();
            if (round == 1)
                return $"{readers.Sum(latencies => latencies.Count) / seconds.TotalSeconds,9:N0} keys/s by {Readers} readers, each a key a call; {Percentiles([.. readers.SelectMany(latencies => latencies)])}";
        }

        return "";
    }

    private static async Task<List<double>> ReadUntilAsync(IEntityRuntime runtime, Transaction[] transactions, long stop, int seed)
    {
        var random = new Random(seed);
        var (keys, blocks) = (new BlockSet(), new BlockSet());
        List<double> latencies = [];
        while (Stopwatch.GetTimestamp() < stop)
        {
            keys.Clear();
            blocks.Clear();
            BinaryPrimitives.WriteInt64BigEndian(keys.Add(8), transactions[random.Next(transactions.Length)].Customer);
            var start = Stopwatch.GetTimestamp();
            await runtime.ReadAsync(0, keys, blocks, CancellationToken.None).ConfigureAwait(false);
            latencies.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            if (blocks.TotalLength == 0)
                throw new InvalidOperationException("A customer of the stream has no block.");
        }

        return latencies;
    }

    /// <summary>One event each of many customers who were never seen: what it costs to make a grain, and to have it.</summary>
    private static void Grains(ProjectPlan plan)
    {
        const int Entities = 100_000;
        using var cluster = Start(plan, 1, EntityPlacementPreference.Owner, new OrleansRuntimeOptions { WriteBehind = TimeSpan.FromHours(1), WriteBehindEvents = int.MaxValue });
        var (runtime, checkpoints) = Own(cluster);
        var batch = new Batch(plan);
        Apply(0, 20_000);
        var before = Memory();
        var start = Stopwatch.GetTimestamp();
        Apply(20_000, 20_000 + Entities);
        var took = Stopwatch.GetElapsedTime(start);
        checkpoints.Begin("", [], Task.CompletedTask);
        checkpoints.CompleteAsync().GetAwaiter().GetResult();
        var after = Memory();
        var stored = checkpoints.Status!.DurationMs;
        Console.WriteLine($"{Entities:N0} new grains: {took.TotalMicroseconds / Entities:F1} µs each, {(after.Managed - before.Managed) / (double)Entities:N0} managed bytes and {(after.Resident - before.Resident) / (double)Entities:N0} resident bytes each with their records in memory; {Entities + 20_001:N0} written in {stored:N0} ms");

        void Apply(int from, int to)
        {
            for (var customer = from; customer < to; customer += BatchEvents)
            {
                batch.Fill([.. Enumerable.Range(customer, BatchEvents).Select(id => new Transaction(id, 1_527_811_200_000 + id, id, 1, 10, false))], customer);
                runtime.ApplyAsync(batch.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            }
        }
    }

    private static (double EventsPerSecond, string Batches) Apply(ProjectPlan plan, IEntityRuntime runtime, GrainCheckpoints? checkpoints, Transaction[] transactions)
    {
        var batch = new Batch(plan);
        List<double> latencies = [];
        var total = TimeSpan.Zero;
        for (var first = 0; first < transactions.Length; first += BatchEvents)
        {
            batch.Fill(transactions.AsSpan(first, BatchEvents), first);
            var start = Stopwatch.GetTimestamp();
            runtime.ApplyAsync(batch.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            if (checkpoints?.IsDue == true)
                checkpoints.Begin("", [], Task.CompletedTask);
            if (first < WarmUpEvents)
                continue;
            var took = Stopwatch.GetElapsedTime(start);
            total += took;
            latencies.Add(took.TotalMilliseconds);
        }

        checkpoints?.CompleteAsync().GetAwaiter().GetResult();
        return (latencies.Count * BatchEvents / total.TotalSeconds, Percentiles(latencies));
    }

    private static string Percentiles(List<double> milliseconds)
    {
        milliseconds.Sort();
        return $"{milliseconds[milliseconds.Count / 2]:F3} ms median, {milliseconds[milliseconds.Count * 99 / 100]:F3} ms at 99 %, {milliseconds[^1]:F1} ms at most";
    }

    private static (long Managed, long Resident) Memory()
    {
        var managed = GC.GetTotalMemory(forceFullCollection: true);
        using var process = Process.GetCurrentProcess();
        return (managed, process.WorkingSet64);
    }

    private static ProjectPlan Load()
    {
        var result = DefinitionLoader.Load(Path.Combine(Workspace.FraudExample, "definitions"));
        return ProjectPlan.Compile(result.Project ?? throw new InvalidOperationException(result.ToString()));
    }

    private static InProcessTestCluster Start(ProjectPlan plan, int silos, EntityPlacementPreference placement, OrleansRuntimeOptions? options = null)
    {
        var records = new Records();
        var builder = new InProcessTestClusterBuilder((short)silos);
        builder.Options.InitializeClientOnDeploy = false;
        builder.Options.ConfigureFileLogging = false;
        builder.ConfigureSilo((_, silo) =>
        {
            silo.Services.AddKeyedSingleton<IGrainStorage>(ClusterNames.Storage, records);
            silo.AddFeatureStore(new ClusterPlan(plan), (options ?? new OrleansRuntimeOptions()) with { Placement = placement });
            silo.Services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.None));
        });
        var cluster = builder.Build();
        cluster.DeployAsync().GetAwaiter().GetResult();
        return cluster;
    }

    private static (OrleansRuntime Runtime, GrainCheckpoints Checkpoints) Own(InProcessTestCluster cluster)
    {
        var services = Services(cluster, 0);
        var checkpoints = services.GetRequiredService<GrainCheckpoints>();
        checkpoints.AcquireAsync(CancellationToken.None).GetAwaiter().GetResult();
        return (services.GetRequiredService<OrleansRuntime>(), checkpoints);
    }

    private static IServiceProvider Services(InProcessTestCluster cluster, int silo) => cluster.GetSiloServiceProvider(cluster.Silos[silo].SiloAddress);

    /// <summary>Transactions with the vectors of the example.</summary>
    private sealed class Batch
    {
        private readonly int[] _fields;
        private readonly EventBatch _events;
        private readonly VectorBatch[] _vectors;

        public Batch(ProjectPlan plan)
        {
            var source = plan.Sources[0];
            _events = new EventBatch(source.Schema);
            _vectors = [.. plan.ServicesOn(source).Select(service => new VectorBatch(service))];
            Apply = new ApplyBatch(0, _events, _vectors);
            _fields = [.. new[] { "TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD" }.Select(source.Schema.IndexOf)];
        }

        public ApplyBatch Apply { get; }

        public void Fill(ReadOnlySpan<Transaction> transactions, long offset)
        {
            _events.Clear();
            foreach (ref readonly var transaction in transactions)
            {
                var row = _events.Add(new EventHeader { TimeMs = transaction.TimeMs, Offset = offset++ });
                _events.SetInt64(row, _fields[0], transaction.Id);
                _events.SetInt64(row, _fields[1], transaction.TimeMs);
                _events.SetInt64(row, _fields[2], transaction.Customer);
                _events.SetInt64(row, _fields[3], transaction.Terminal);
                _events.SetDouble(row, _fields[4], transaction.Amount);
                _events.SetInt64(row, _fields[5], transaction.Fraud ? 1 : 0);
            }

            foreach (var vectors in _vectors)
                vectors.Reset(_events.Count);
        }
    }

    /// <summary>Storage that costs next to nothing: a real one has processors of its own.</summary>
    private sealed class Records : IGrainStorage
    {
        private readonly ConcurrentDictionary<(string State, GrainId Id), object> _records = new();

        public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
        {
            if (_records.TryGetValue((stateName, grainId), out var record))
                (grainState.State, grainState.ETag, grainState.RecordExists) = ((T)record, "1", true);
            return Task.CompletedTask;
        }

        public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
        {
            _records[(stateName, grainId)] = grainState.State!;
            grainState.ETag = "1";
            return Task.CompletedTask;
        }

        public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => throw new NotSupportedException();
    }

    private sealed class CallCount : IDisposable
    {
        private readonly MeterListener _listener = new();
        private long _count;

        public CallCount()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "featurestore.grains.calls")
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((_, count, _, _) => Interlocked.Add(ref _count, count));
            _listener.Start();
        }

        public long Count => Interlocked.Read(ref _count);

        public void Dispose() => _listener.Dispose();
    }
}
#else
namespace FeatureStore.Benchmarks;

internal static class ClusterRun
{
    public static int Run(IReadOnlyCollection<string> parts)
    {
        Console.Error.WriteLine($"Cannot run {string.Join(", ", parts)}: this machine's package sources do not serve Orleans whole (eng/feed.sh).");
        return 2;
    }
}
#endif
