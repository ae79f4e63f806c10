namespace FeatureStore.Architecture.Tests;

internal static class Rule
{
    /// <summary>Fails with every breach on a line of its own.</summary>
    public static void Holds(string rule, IEnumerable<string> breaches)
    {
        var found = breaches.Distinct().ToList();
        if (found.Count > 0)
            Assert.Fail($"{rule}:{string.Concat(found.Select(breach => $"\n  {breach}"))}");
    }
}
