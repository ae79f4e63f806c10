using System.Diagnostics;
using System.Runtime.InteropServices;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Registry;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Benchmarks;

/// <summary>The feature engine alone, on one core: time and memory of applying an event and of reading features, and bytes of state.</summary>
internal static class Engine
{
    private const long StartMs = 1_700_000_000_000;
    private const int Rounds = 15;
    private const int EventsPerRound = 20_000;

    private static readonly string[] _tiledWindows = ["sliding: 1h, tile: 5m", "sliding: 1d, tile: 2h", "sliding: 7d, tile: 12h", "sliding: 30d, tile: 2d"];
    private static readonly string[] _exactWindows = ["sliding: 1h", "sliding: 1d", "sliding: 7d", "sliding: 30d"];
    private static readonly string[] _small = ["count", "sum, of: A", "max, of: A"];
    private static readonly string[] _many =
        ["count", "sum, of: A", "mean, of: A", "min, of: A", "max, of: A", "variance, of: A", "stddev, of: A", "first, of: A", "last, of: A", "rate", "time_since_last", "time_between", "skew, of: A"];

    /// <summary>Views to measure: what they are called, their features, and the time between an entity's events.</summary>
    private static readonly (string Name, string[] Features, int GapSeconds)[] _views =
    [
        ("1 feature: count, lifetime", ["aggregate: count"], 3600),
        ("1 feature: sum, sliding 7 d, exact, 168 events", ["aggregate: sum, of: A, window: { sliding: 7d }"], 3600),
        ("12 features: count, sum, max × 1 h, 1 d, 7 d, 30 d, tiled", Cross(_tiledWindows, _small), 240),
        ("12 features: the same, exact, 720 events", Cross(_exactWindows, _small), 3600),
        ("12 features: count, sum, max × tumbling 1 h, 1 d, open and closed", Cross(["tumbling: 1h", "tumbling: 1h, closed: true", "tumbling: 1d", "tumbling: 1d, closed: true"], _small), 240),
        ("12 features: count, sum, max × session 30 m, open and the last 1, 3, 10", Cross(["session: 30m", "session: 30m, closed: 1", "session: 30m, closed: 3", "session: 30m, closed: 10"], _small), 240),
        ("12 features: count, sum, max × last 1, 10, 50, 100", Cross(["last: 1", "last: 10", "last: 50", "last: 100"], _small), 240),
        ("50 features: 13 aggregates × 1 h, 1 d, 7 d, 30 d, tiled, but two", [.. Cross(_tiledWindows, _many).Take(50)], 240),
        ("4 features: approx_count_distinct × 1 h, 1 d, 7 d, 30 d, tiled", Cross(_tiledWindows, ["approx_count_distinct, of: K2"]), 240),
        ("4 features: quantile 0.95 × 1 h, 1 d, 7 d, 30 d, tiled", Cross(_tiledWindows, ["quantile, of: A, q: 0.95"]), 240),
        ("4 features: top_k 5 × 1 h, 1 d, 7 d, 30 d, tiled", Cross(_tiledWindows, ["top_k, of: K2, k: 5"]), 240),
    ];

    public static int Run(int millions)
    {
        Console.WriteLine($"One core, {EventsPerRound:N0} events a round by turns to 64 entities in steady state, medians of {Rounds} rounds.");
        Console.WriteLine("| view | apply ns | read all ns | bytes allocated | bytes of state |\n|---|---|---|---|---|");
        foreach (var (name, features, gapSeconds) in _views)
        {
            var (applyNs, readNs, allocated, bytes) = Measure(Plan(features), gapSeconds);
            Console.WriteLine($"| {name} | {applyNs:N0} | {readNs:N0} | {allocated} | {bytes:N0} |");
        }

        if (millions > 0)
            Population(millions);
        return 0;
    }

    private static (double ApplyNs, double ReadNs, long Allocated, int Bytes) Measure(ProjectPlan project, int gapSeconds)
    {
        var plan = project.Entities[0];
        var blocks = Enumerable.Range(0, 64).Select(key => new Block(plan, key)).ToArray();
        int[] features = [.. Enumerable.Range(0, plan.Features.Count)];
        var values = new double[features.Length];
        var batch = Events(project, gapSeconds, 997, 0);
        // Enough for every window to be full.
        var first = 31 * 86_400 / gapSeconds * blocks.Length;
        var at = 0;
        void ApplyAll(int count)
        {
            for (var index = 0; index < count; index++, at++)
                blocks[at % blocks.Length].Apply(batch.Row(at % batch.Count), TimeMs(at / blocks.Length, gapSeconds));
        }

        void ReadAll(int count)
        {
            for (var index = 0; index < count; index++)
                plan.Read(blocks[index % blocks.Length].Bytes, TimeMs((at - 1) / blocks.Length, gapSeconds) + index % 1000, features, values);
        }

        ApplyAll(Math.Max(first, 100_000));
        ReadAll(20_000);
        var (applyNs, readNs, allocated) = (new double[Rounds], new double[Rounds], 0L);
        for (var round = 0; round < Rounds; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var start = Stopwatch.GetTimestamp();
            ApplyAll(EventsPerRound);
            applyNs[round] = Stopwatch.GetElapsedTime(start).TotalNanoseconds / EventsPerRound;
            start = Stopwatch.GetTimestamp();
            ReadAll(EventsPerRound / 4);
            readNs[round] = Stopwatch.GetElapsedTime(start).TotalNanoseconds / (EventsPerRound / 4);
            allocated += GC.GetAllocatedBytesForCurrentThread() - before;
        }

        return (Median(applyNs), Median(readNs), allocated, (int)blocks.Average(block => block.Bytes.Length));
    }

    /// <summary>Many entities in the Local runtime, as a silo keeps them: with index, marks and the allocator's own bytes.</summary>
    private static void Population(int millions)
    {
        var project = Plan(["aggregate: count, window: { sliding: 1d, tile: 2h }", "aggregate: sum, of: A, window: { sliding: 1d, tile: 2h }", "aggregate: last, of: A"]);
        var before = Resident();
        using var runtime = new LocalRuntime(project, new LocalRuntimeOptions { Shards = 1 });
        var clock = Stopwatch.StartNew();
        for (var million = 0; million < millions; million++)
        {
            for (var part = 0; part < 500; part++)
            {
                var batch = Events(project, 1, 2000, million * 1_000_000 + part * 2000);
                runtime.ApplyAsync(new ApplyBatch(0, batch, []), CancellationToken.None).AsTask().GetAwaiter().GetResult();
            }

            Console.Error.WriteLine($"{million + 1} of {millions} million entities after {clock.Elapsed.TotalSeconds:F0} s");
        }

        var bytes = Resident() - before;
        Console.WriteLine($"\n{runtime.Entities:N0} entities with three small features, one event each: {bytes / 1e9:F2} GB resident, {bytes / (double)runtime.Entities:F0} bytes each, of them {runtime.Bytes / runtime.Entities} in blocks.");
    }

    private static long TimeMs(int number, int gapSeconds) => StartMs + 1000L * gapSeconds * number + number % 7;

    private static EventBatch Events(ProjectPlan project, int gapSeconds, int count, int firstKey)
    {
        var batch = new EventBatch(project.Sources[0].Schema, count);
        for (var index = 0; index < count; index++)
        {
            var row = batch.Add(new EventHeader { TimeMs = StartMs + gapSeconds });
            batch.SetInt64(row, 0, firstKey + index);
            batch.SetInt64(row, 1, StartMs);
            batch.SetDouble(row, 2, index * 37 % 1000 / 8.0);
            batch.SetInt64(row, 3, index % 50);
        }

        return batch;
    }

    private static ProjectPlan Plan(string[] features)
    {
        var lines = features.Select((feature, index) => $"      - {{ name: f{index}, {feature} }}");
        var result = DefinitionLoader.Load([new DefinitionFile("bench.yaml", $$"""
            project: bench
            sources:
              - name: events
                kafka: { topic: events }
                timestamp: AT
                align: 0
                fields: { K: int64, AT: timestamp, A: double, K2: int64 }
            entities:
              - { name: e, keys: [K] }
            feature_views:
              - name: v
                entity: e
                source: events
                features:
            {{string.Join('\n', lines.Select(line => "  " + line))}}
            """)]);
        return ProjectPlan.Compile(result.Project ?? throw new InvalidOperationException(result.ToString()));
    }

    private static string[] Cross(string[] windows, string[] aggregates) =>
        [.. windows.SelectMany(window => aggregates.Select(aggregate => $"aggregate: {aggregate}, window: {{ {window} }}"))];

    private static double Median(double[] values)
    {
        Array.Sort(values);
        return values[values.Length / 2];
    }

    private static long Resident()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    /// <summary>An entity's block in native memory, which grows as a runtime lets it.</summary>
    private sealed unsafe class Block
    {
        private readonly EntityPlan _plan;
        private byte* _memory;
        private int _length;

        public Block(EntityPlan plan, long key)
        {
            _plan = plan;
            Span<byte> encoded = stackalloc byte[8];
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(encoded, key);
            _length = plan.EmptyLength(encoded.Length);
            _memory = (byte*)NativeMemory.AllocZeroed((nuint)_length);
            plan.Initialize(Bytes, encoded);
        }

        public Span<byte> Bytes => new(_memory, _length);

        public void Apply(in FieldRow row, long timeMs)
        {
            while (_plan.Apply(Bytes, 0, row, timeMs) is > 0 and var wanted)
            {
                var memory = (byte*)NativeMemory.AllocZeroed((nuint)wanted);
                _plan.Resize(Bytes, new Span<byte>(memory, wanted));
                NativeMemory.Free(_memory);
                _memory = memory;
                _length = wanted;
            }
        }
    }
}
