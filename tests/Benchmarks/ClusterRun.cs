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
    private const int Events = 400_000;
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

        if (parts.Contains("in-place"))
        {
            var local = Local(plan, transactions);
            Cluster(plan, transactions, 1, EntityPlacementPreference.Owner, local);
        }

        if (parts.Contains("hot"))
            Hot(plan, transactions);
        if (parts.Contains("moves"))
        {
            Moves(plan, transactions, follows: false);
            Moves(plan, transactions, follows: true);
        }

        if (parts.Contains("reads"))
            LookUpRun.Run(plan, transactions);
        if (parts.Contains("http"))
            HttpLookUpRun.Run(plan, transactions);
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

    /// <summary>Half of the events are one silo's, then the stream is another's: what that one makes of the next, and of those after.</summary>
    private static void Moves(ProjectPlan plan, Transaction[] transactions, bool follows)
    {
        const int Next = 20_000;
        var half = transactions.Length / 2;
        using var cluster = Start(plan, 2, EntityPlacementPreference.Owner, new OrleansRuntimeOptions { EntitiesFollow = follows });
        var (runtime, checkpoints) = Own(cluster);
        var (before, _) = Apply(plan, runtime, checkpoints, transactions[..half]);
        (runtime, checkpoints) = Own(cluster, 1);
        Console.WriteLine($"2 silos, the stream moves to the other, and entities {(follows ? "follow" : "stay")}: {before:N0} events/s before");
        foreach (var (first, end) in new[] { (half, half + Next), (half + Next, transactions.Length) })
        {
            using var calls = new CallCount();
            var (rate, batches) = Apply(plan, runtime, checkpoints, transactions[..end], first, first);
            Console.WriteLine($"    {end - first,7:N0} after it:              {rate,9:N0} events/s, {rate / before,6:P0} of before; {calls.Count / (double)(end - first):F2} calls an event; a batch {batches}");
        }
    }

    /// <summary>What it costs to make an entity's grain, by its first event ever, and by the first read since a start; and to have one that nobody calls.</summary>
    private static void Grains(ProjectPlan plan)
    {
        const int WarmUp = 20_000;
        const int Entities = 100_000;
        var records = new Records();
        var options = new OrleansRuntimeOptions { WriteBehind = TimeSpan.FromHours(1), WriteBehindEvents = int.MaxValue };
        using (var cluster = Start(plan, 1, EntityPlacementPreference.Owner, options, records))
        {
            var (runtime, checkpoints) = Own(cluster);
            var batch = new Batch(plan);
            Apply(runtime, batch, 0, WarmUp);
            var (before, cost) = (Memory(), new Cost());
            Apply(runtime, batch, WarmUp, WarmUp + Entities);
            var made = cost.Of(Entities);
            checkpoints.Begin("", [], Task.CompletedTask);
            checkpoints.CompleteAsync().GetAwaiter().GetResult();
            Console.WriteLine($"{Entities:N0} entities get their first event: {made} each, and {Memory().Less(before, Entities)}, with link and stored record; {WarmUp + Entities:N0} written in {checkpoints.Status!.DurationMs:N0} ms");
        }

        using (var cluster = Start(plan, 1, EntityPlacementPreference.Owner, options, records))
        {
            var runtime = Services(cluster, 0).GetRequiredService<OrleansRuntime>();
            Touch(runtime, 0, WarmUp);
            var before = Memory();
            var (stored, blockBytes) = Touch(runtime, WarmUp, WarmUp + Entities);
            Console.WriteLine($"{Entities:N0} entities with a stored block of {blockBytes:N0} bytes are read first: {stored} each, and {(Memory().Managed - before.Managed) / (double)Entities:N0} managed bytes beside the block while idle");
            Console.WriteLine($"the same, read again: {Touch(runtime, WarmUp, WarmUp + Entities).Cost} each");
            Console.WriteLine($"{Entities:N0} entities that were never seen are read, and their activations end again: {Touch(runtime, 1_000_000, 1_000_000 + Entities).Cost} each");
        }

        static void Apply(OrleansRuntime runtime, Batch batch, int from, int to)
        {
            for (var customer = from; customer < to; customer += BatchEvents)
            {
                batch.Fill([.. Enumerable.Range(customer, BatchEvents).Select(id => new Transaction(id, 1_527_811_200_000 + id, id, 1, 10, false))], customer);
                runtime.ApplyAsync(batch.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            }
        }

        static (string Cost, double BlockBytes) Touch(OrleansRuntime runtime, int from, int to)
        {
            var (keys, blocks, bytes, cost) = (new BlockSet(), new BlockSet(), 0L, new Cost());
            for (var customer = from; customer < to; customer += BatchEvents)
            {
                keys.Clear();
                blocks.Clear();
                for (var key = customer; key < customer + BatchEvents; key++)
                    BinaryPrimitives.WriteInt64BigEndian(keys.Add(8), key);
                runtime.ReadAsync(0, keys, blocks, CancellationToken.None).AsTask().GetAwaiter().GetResult();
                bytes += blocks.TotalLength;
            }

            return (cost.Of(to - from), bytes / (double)(to - from));
        }
    }

    internal static (double EventsPerSecond, string Batches) Apply(ProjectPlan plan, IEntityRuntime runtime, GrainCheckpoints? checkpoints, Transaction[] transactions, int from = 0, int measuredFrom = WarmUpEvents)
    {
        var batch = new Batch(plan);
        Cost? cost = null;
        List<double> latencies = [];
        var total = TimeSpan.Zero;
        for (var first = from; first < transactions.Length; first += BatchEvents)
        {
            batch.Fill(transactions.AsSpan(first, BatchEvents), first);
            if (first >= measuredFrom)
                cost ??= new Cost();
            var start = Stopwatch.GetTimestamp();
            runtime.ApplyAsync(batch.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            if (checkpoints?.IsDue == true)
                checkpoints.Begin("", [], Task.CompletedTask);
            if (first < measuredFrom)
                continue;
            var took = Stopwatch.GetElapsedTime(start);
            total += took;
            latencies.Add(took.TotalMilliseconds);
        }

        checkpoints?.CompleteAsync().GetAwaiter().GetResult();
        return (latencies.Count * BatchEvents / total.TotalSeconds, $"{Percentiles(latencies)}; {cost!.CpuMicroseconds / (latencies.Count * BatchEvents):F2} µs of processor an event");
    }

    internal static string Percentiles(List<double> milliseconds)
    {
        milliseconds.Sort();
        return $"{milliseconds[milliseconds.Count / 2]:F3} ms median, {milliseconds[milliseconds.Count * 99 / 100]:F3} ms at 99 %, {milliseconds[^1]:F1} ms at most";
    }

    private static Footprint Memory()
    {
        var managed = GC.GetTotalMemory(forceFullCollection: true);
        using var process = Process.GetCurrentProcess();
        return new Footprint(managed, process.WorkingSet64);
    }

    private static ProjectPlan Load()
    {
        var result = DefinitionLoader.Load(Path.Combine(Workspace.FraudExample, "definitions"));
        return ProjectPlan.Compile(result.Project ?? throw new InvalidOperationException(result.ToString()));
    }

    internal static InProcessTestCluster Start(ProjectPlan plan, int silos, EntityPlacementPreference placement, OrleansRuntimeOptions? options = null, IGrainStorage? records = null)
    {
        records ??= new Records();
        var builder = new InProcessTestClusterBuilder((short)silos);
        builder.Options.InitializeClientOnDeploy = false;
        builder.Options.ConfigureFileLogging = false;
        builder.ConfigureSilo((_, silo) =>
        {
            silo.Services.AddKeyedSingleton(ClusterNames.Storage, records);
            silo.AddFeatureStore(new ClusterPlan(plan), (options ?? new OrleansRuntimeOptions()) with { Placement = placement });
            silo.Services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.None));
        });
        var cluster = builder.Build();
        cluster.DeployAsync().GetAwaiter().GetResult();
        return cluster;
    }

    internal static (OrleansRuntime Runtime, GrainCheckpoints Checkpoints) Own(InProcessTestCluster cluster, int silo = 0)
    {
        var services = Services(cluster, silo);
        var checkpoints = services.GetRequiredService<GrainCheckpoints>();
        checkpoints.AcquireAsync(CancellationToken.None).GetAwaiter().GetResult();
        return (services.GetRequiredService<OrleansRuntime>(), checkpoints);
    }

    internal static IServiceProvider Services(InProcessTestCluster cluster, int silo) => cluster.GetSiloServiceProvider(cluster.Silos[silo].SiloAddress);

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

    private readonly record struct Footprint(long Managed, long Resident)
    {
        public string Less(Footprint before, int entities) =>
            $"{(Managed - before.Managed) / (double)entities:N0} managed and {(Resident - before.Resident) / (double)entities:N0} resident bytes each";
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
