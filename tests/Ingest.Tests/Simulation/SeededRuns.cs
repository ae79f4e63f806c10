using System.Globalization;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>Runs a simulation with many seeds; a failure names its own. FEATURESTORE_SEED=123 runs one by itself.</summary>
internal static class SeededRuns
{
    /// <returns>Whether all seeds were run, so that totals mean something.</returns>
    public static bool Run(int count, Action<int> run, Func<string>? describe = null)
    {
        var only = Environment.GetEnvironmentVariable("FEATURESTORE_SEED") is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : (int?)null;
        foreach (var seed in only is { } one ? [one] : Enumerable.Range(1, count))
        {
            try
            {
                run(seed);
            }
            catch (Exception exception)
            {
                throw new AssertFailedException($"Seed {seed}{describe?.Invoke()}: {exception.Message} Run it alone with FEATURESTORE_SEED={seed}.", exception);
            }
        }

        return only is null;
    }
}
