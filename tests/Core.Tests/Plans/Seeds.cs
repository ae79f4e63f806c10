using System.Globalization;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>Seeds of a property test: the same in every run. <c>FEATURESTORE_SEED=n</c> runs one alone, as failures say.</summary>
internal static class Seeds
{
    /// <summary>Whether one seed is run alone.</summary>
    public static bool IsOne => Environment.GetEnvironmentVariable("FEATURESTORE_SEED") is { Length: > 0 };

    public static IEnumerable<int> Of(int count) =>
        Environment.GetEnvironmentVariable("FEATURESTORE_SEED") is { Length: > 0 } seed
            ? [int.Parse(seed, CultureInfo.InvariantCulture)]
            : Enumerable.Range(1, count);
}
