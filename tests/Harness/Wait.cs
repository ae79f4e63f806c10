using System.Diagnostics;

namespace FeatureStore.Harness;

/// <summary>Waiting for what another process does.</summary>
public static class Wait
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Waits until a condition holds.</summary>
    /// <exception cref="TimeoutException">It did not by the deadline; the message says what was seen.</exception>
    public static void Until(Func<bool> condition, TimeSpan deadline, Func<string> whatWasSeen)
    {
        var started = Stopwatch.StartNew();
        while (!condition())
        {
            if (started.Elapsed > deadline)
                throw new TimeoutException($"After {deadline.TotalSeconds} s: {whatWasSeen()}");
            Thread.Sleep(_pause);
        }
    }
}
