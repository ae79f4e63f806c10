using FeatureStore.Core.Definitions;
using FeatureStore.Core.Vectors;
using FeatureStore.Runtime;

namespace FeatureStore.Scoring.Tests;

/// <summary>Short ways to load and run a model in tests.</summary>
internal static class Scorers
{
    public static readonly OnnxOptions Options = new() { MemoryBytesMax = 1L << 30, Deadline = TimeSpan.FromSeconds(30) };

    public static ModelDefinition Definition(params (string Name, string Path)[] outputs) =>
        new() { Name = "fraud", Service = "fraud_v1", Outputs = outputs.ToDictionary(output => output.Name, output => output.Path) };

    public static OnnxScorer Load(string path, ServicePlan service, string? score = null, OnnxOptions? options = null) =>
        OnnxScorer.Load(score is null ? Definition() : Definition(("score", score)), "1", service, path, options ?? Options);

    public static ScoreBatch Score(this OnnxScorer scorer, VectorBatch vectors)
    {
        var scores = new ScoreBatch();
        scorer.Score(vectors, scores);
        return scores;
    }

    /// <summary>The message with which a load is refused; other exceptions, such as a test's skip, pass.</summary>
    public static string Refusal(Func<object> load)
    {
        try
        {
            load();
        }
        catch (ModelLoadException exception)
        {
            return exception.Message;
        }

        throw new AssertFailedException("The load was not refused.");
    }

    /// <summary>Checks the first score of every row.</summary>
    public static void AreNear(IReadOnlyList<double> expected, ScoreBatch scores, double tolerance, bool relativeAboveOne = false)
    {
        Assert.IsEmpty(scores.Failures);
        Assert.AreEqual(expected.Count, scores.Count);
        for (var row = 0; row < scores.Count; row++)
            Assert.AreEqual(expected[row], scores.Row(row)[0], relativeAboveOne ? tolerance * Math.Max(1, Math.Abs(expected[row])) : tolerance, $"row {row}");
    }
}
