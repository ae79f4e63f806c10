using System.Diagnostics;
using System.Globalization;
using FeatureStore.Runtime;

namespace FeatureStore.Scoring.Tests;

/// <summary>Entry point for what needs a process of its own: <c>load MODEL COLUMNS</c> under a memory limit, and <c>measure</c>, time per row.</summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["load", var path, var columns]:
                Load(path, int.Parse(columns, CultureInfo.InvariantCulture));
                return 0;
            case ["measure"]:
                Measure();
                return 0;
            default:
                Console.Error.WriteLine("Usage: load MODEL COLUMNS | measure");
                return 2;
        }
    }

    private static void Load(string path, int columns)
    {
        try
        {
            using var scorer = Scorers.Load(path, Shared.Service([.. Enumerable.Range(0, columns).Select(column => $"x{column}")]));
            Console.WriteLine("loaded");
        }
        catch (ModelLoadException exception)
        {
            Console.WriteLine(exception.Message);
        }
    }

    /// <summary>CPU-bound and on one thread: the best of several rounds is the model's own time, the rest is other processes'.</summary>
    private static void Measure()
    {
        var service = Shared.FraudService();
        Console.WriteLine("model        rows   ns/row");
        foreach (var model in new[] { "lr", "lr_zipmap", "rf", "xgb", "mlp" })
        {
            using var scorer = Scorers.Load(Shared.Model(model + ".onnx"), service, model == "lr_zipmap" ? "output_probability[1]" : "probabilities[1]");
            foreach (var rows in new[] { 1, 64, 4096 })
            {
                var vectors = Shared.Batch(service, Shared.Rows[..rows]);
                var scores = new ScoreBatch();
                var best = double.MaxValue;
                for (var round = 0; round < 40; round++)
                {
                    var calls = Math.Max(1, 4096 / rows);
                    var start = Stopwatch.GetTimestamp();
                    for (var call = 0; call < calls; call++)
                        scorer.Score(vectors, scores);
                    best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalNanoseconds / calls / rows);
                }

                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{model,-10} {rows,6} {best,8:F0}"));
            }
        }
    }
}
