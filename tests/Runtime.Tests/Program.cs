using System.Diagnostics;
using System.Globalization;
using FeatureStore.Core.Plans;
using FeatureStore.Harness;
using FeatureStore.Runtime.Local;
using FeatureStore.Runtime.Tests;

if (args is not ["measure"])
{
    Console.Error.WriteLine("Usage: measure");
    return 2;
}

Measure.Run();
return 0;

/// <summary>Time per event of the fraud data, on one thread; the best of four rounds.</summary>
internal static class Measure
{
    private const int BatchEvents = 1000;

    public static void Run()
    {
        var batches = FraudData.ReadTransactions().Chunk(BatchEvents).Select(chunk =>
        {
            var batch = new FraudBatch();
            batch.Fill(chunk);
            return batch;
        }).ToArray();
        foreach (var entity in FraudProject.Plan.Entities)
            Print($"apply {entity.Name}", () => Apply(batches, entity));
        Print("apply both, fill 15 features", () =>
        {
            using var runtime = FraudProject.NewRuntime();
            var start = Stopwatch.GetTimestamp();
            foreach (var batch in batches)
                batch.Run(runtime);
            return Stopwatch.GetElapsedTime(start);
        });
    }

    private static TimeSpan Apply(FraudBatch[] batches, EntityPlan entity)
    {
        using var table = new EntityTable(entity, null, 1);
        var snapshot = new SnapshotPart();
        int[] fields = [FraudProject.Plan.Sources[0].Schema.IndexOf(entity.Keys[0].Name)];
        Span<byte> key = stackalloc byte[EntityPlan.KeyBytesMax];
        var start = Stopwatch.GetTimestamp();
        foreach (var batch in batches)
        {
            for (var row = 0; row < batch.Events.Count; row++)
            {
                var length = entity.EncodeKey(batch.Events.Row(row), fields, key);
                table.Apply(KeyHash.Of(key[..length]), key[..length], 0, batch.Events.Row(row), batch.Events[row].TimeMs, snapshot);
            }
        }

        return Stopwatch.GetElapsedTime(start);
    }

    private static void Print(string what, Func<TimeSpan> run) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"{what,-30} {Enumerable.Range(0, 4).Min(_ => run().TotalNanoseconds) / FraudData.TransactionCount,6:F0} ns"));
}
