using System.Diagnostics;

namespace FeatureStore.Ingest.Tests;

internal static class Measure
{
    private const int Rounds = 41;

    /// <summary>Long enough for the runtime to compile what is hot with all optimizations.</summary>
    private static readonly TimeSpan _warmUp = TimeSpan.FromSeconds(1);

    /// <summary>Runs an action again and again, asserts that it allocates nothing once it is compiled, and prints what one of its items takes.</summary>
    /// <param name="what">An item.</param>
    /// <param name="items">Items of one run: few enough for a run to end within one time slice of a busy machine.</param>
    /// <param name="action">The work.</param>
    public static void WithoutAllocation(string what, int items, Action action)
    {
        var nanoseconds = new double[Rounds];
        for (var warm = Stopwatch.StartNew(); warm.Elapsed < _warmUp;)
            action();
        for (var round = 0; round < Rounds; round++)
        {
            var allocated = GC.GetAllocatedBytesForCurrentThread();
            var started = Stopwatch.GetTimestamp();
            action();
            var elapsed = Stopwatch.GetElapsedTime(started);
            allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
            Assert.AreEqual(0, allocated, what);
            nanoseconds[round] = elapsed.TotalNanoseconds / items;
        }

        Array.Sort(nanoseconds);
        Console.WriteLine($"{what}: best {nanoseconds[0]:F0} ns, median {nanoseconds[Rounds / 2]:F0} ns");
    }
}
