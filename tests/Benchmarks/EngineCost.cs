using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;

namespace FeatureStore.Benchmarks;

/// <summary>What one event and one reading cost the engine, without memory misses: a few entities by turns, on one thread.</summary>
internal static class EngineCost
{
    private const int Entities = 64;
    private const int EventsPerRun = 400_000;
    private const int Runs = 5;

    private static readonly FieldDefinition[] _fields = [new("ID", FieldType.Int64), new("TS", FieldType.Timestamp), new("AMOUNT", FieldType.Double), new("MERCHANT", FieldType.String)];

    private static bool _isWarm;
    private static string _only = "";

    /// <param name="only">What the names of the sets that are measured begin with.</param>
    public static int Run(string only)
    {
        _only = only;
        // Once for the compiler.
        MeasureAll();
        _isWarm = true;
        Console.WriteLine($"{"features",-46} {"apply ns",9} {"read ns",9} {"allocated",10} {"bytes/entity",13}");
        MeasureAll();
        return 0;
    }

    private static void MeasureAll()
    {
        Measure("1 count, lifetime", [Feature("f", Aggregate.Count, null, null)]);
        Measure("fraud customer: 6 exact sliding", [.. Sliding([1, 7, 30], 0, Aggregate.Count, Aggregate.Mean)]);
        Measure("fraud terminal: 6 exact sliding, delayed", [.. Sliding([1, 7, 30], 7, Aggregate.Count, Aggregate.Mean)]);
        Measure("12 tiled: 1h 1d 7d 30d x count sum max", [.. Tiled(Aggregate.Count, Aggregate.Sum, Aggregate.Max)]);
        Measure("50 tiled: 4 windows x 12, 2 lifetime", [
            .. Tiled(Aggregate.Count, Aggregate.Sum, Aggregate.Mean, Aggregate.Min, Aggregate.Max, Aggregate.Variance, Aggregate.Stddev, Aggregate.Skew,
                Aggregate.Kurtosis, Aggregate.First, Aggregate.Last, Aggregate.Rate),
            Feature("l1", Aggregate.Count, null, null), Feature("l2", Aggregate.Sum, "AMOUNT", null)]);
        Measure("sketches: 30d by 1d x distinct quantile top", [.. new[] { Aggregate.ApproxCountDistinct, Aggregate.Quantile, Aggregate.CountDistinct }
            .Select((aggregate, at) => Feature($"s{at}", aggregate, "AMOUNT", new WindowDefinition.Sliding(TimeSpan.FromDays(30)) { Tile = TimeSpan.FromDays(1) }))]);
        Measure("session 30m: count sum max duration", [.. new[] { Aggregate.Count, Aggregate.Sum, Aggregate.Max, Aggregate.SessionDuration }
            .Select((aggregate, at) => Feature($"s{at}", aggregate, aggregate is Aggregate.Count or Aggregate.SessionDuration ? null : "AMOUNT", new WindowDefinition.Session(TimeSpan.FromMinutes(30))))]);
    }

    private static IEnumerable<FeatureDefinition> Sliding(int[] days, int delayDays, params Aggregate[] aggregates) =>
        days.SelectMany(length => aggregates.Select(aggregate => Feature($"{aggregate}{length}".ToLowerInvariant(), aggregate, aggregate == Aggregate.Count ? null : "AMOUNT",
            new WindowDefinition.Sliding(TimeSpan.FromDays(length)) { Delay = TimeSpan.FromDays(delayDays) })));

    private static IEnumerable<FeatureDefinition> Tiled(params Aggregate[] aggregates)
    {
        (double Hours, double TileHours)[] windows = [(1, 1 / 12.0), (24, 2), (7 * 24, 12), (30 * 24, 60)];
        return windows.SelectMany(window => aggregates.Select(aggregate => Feature(
            $"{aggregate}{window.Hours}".ToLowerInvariant(), aggregate, aggregate is Aggregate.Count or Aggregate.Rate ? null : "AMOUNT",
            new WindowDefinition.Sliding(TimeSpan.FromHours(window.Hours)) { Tile = TimeSpan.FromHours(window.TileHours) })));
    }

    private static FeatureDefinition Feature(string name, Aggregate aggregate, string? of, WindowDefinition? window) => new()
    {
        Name = name,
        Aggregate = aggregate,
        Of = of,
        Window = window,
        Q = aggregate == Aggregate.Quantile ? 0.95 : null,
    };

    private static void Measure(string name, FeatureDefinition[] features)
    {
        if (!name.StartsWith(_only, StringComparison.Ordinal))
            return;
        var plan = ProjectPlan.Compile(new ProjectDefinition
        {
            Project = "cost",
            Sources = [new SourceDefinition { Name = "s", Kafka = new KafkaTopicDefinition { Topic = "s" }, Timestamp = "TS", Fields = _fields, Align = TimeSpan.FromMinutes(10) }],
            Entities = [new EntityDefinition { Name = "e", Keys = ["ID"] }],
            FeatureViews = [new FeatureViewDefinition { Name = "v", Entity = "e", Source = "s", Features = features }],
        }).Entities[0];
        var batch = new EventBatch(new RowSchema(_fields));
        var random = new Random(1);
        for (var row = 0; row < 1024; row++)
        {
            batch.Add(default);
            batch.SetInt64(row, 0, row);
            batch.SetDouble(row, 2, random.Next(100_000) / 100.0);
        }

        var blocks = new Memory<long>[Entities];
        for (var entity = 0; entity < Entities; entity++)
        {
            blocks[entity] = new long[plan.EmptyLength(8) / 8];
            plan.Initialize(Bytes(blocks[entity]), new byte[8]);
        }

        // 30 days before anything is measured, then an event of each entity every five minutes or so.
        var timeMs = 1_527_811_200_000L;
        var warm = 20_000 * Entities / 10;
        Apply(plan, batch, blocks, ref timeMs, warm, 30L * 86_400_000 / (warm / Entities) / Entities);
        int[] indexes = [.. Enumerable.Range(0, features.Length)];
        var values = new double[features.Length];
        var (apply, read, allocated) = (double.MaxValue, double.MaxValue, long.MaxValue);
        for (var run = 0; run < Runs; run++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var resized = Apply(plan, batch, blocks, ref timeMs, EventsPerRun / 10, 300_000 / Entities, out var applyNs);
            var start = Stopwatch.GetTimestamp();
            for (var at = 0; at < EventsPerRun / 10; at++)
                plan.Read(Bytes(blocks[at % Entities]), timeMs, indexes, values);
            read = Math.Min(read, Stopwatch.GetElapsedTime(start).TotalNanoseconds / (EventsPerRun / 10));
            apply = Math.Min(apply, applyNs);
            allocated = Math.Min(allocated, GC.GetAllocatedBytesForCurrentThread() - before - resized);
        }

        if (_isWarm)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-46} {apply,9:F0} {read,9:F0} {allocated,10} {blocks.Average(block => Bytes(block).Length),13:F0}"));
    }

    private static void Apply(EntityPlan plan, EventBatch batch, Memory<long>[] blocks, ref long timeMs, int events, long stepMs) =>
        Apply(plan, batch, blocks, ref timeMs, events, stepMs, out _);

    /// <returns>Bytes that blocks of new sizes took.</returns>
    private static long Apply(EntityPlan plan, EventBatch batch, Memory<long>[] blocks, ref long timeMs, int events, long stepMs, out double nanoseconds)
    {
        var (resized, start) = (0L, Stopwatch.GetTimestamp());
        for (var at = 0; at < events; at++)
        {
            timeMs += stepMs;
            ref var block = ref blocks[at % Entities];
            while (plan.Apply(Bytes(block), 0, batch.Row(at & 1023), timeMs) is > 0 and var wanted)
            {
                var before = GC.GetAllocatedBytesForCurrentThread();
                var larger = new long[wanted / 8];
                resized += GC.GetAllocatedBytesForCurrentThread() - before;
                plan.Resize(Bytes(block), MemoryMarshal.AsBytes(larger.AsSpan()));
                block = larger;
            }
        }

        nanoseconds = Stopwatch.GetElapsedTime(start).TotalNanoseconds / events;
        return resized;
    }

    private static Span<byte> Bytes(Memory<long> block) => MemoryMarshal.AsBytes(block.Span);
}
