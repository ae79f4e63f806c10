using System.Diagnostics;

namespace FeatureStore.Ingest.Tests.Pipeline;

/// <summary>Waits for what other threads do.</summary>
internal static class Deadline
{
    private static readonly TimeSpan _most = TimeSpan.FromSeconds(120);

    public static void Until(Func<bool> condition, Func<string> seen)
    {
        for (var start = Stopwatch.GetTimestamp(); !condition();)
        {
            if (Stopwatch.GetElapsedTime(start) > _most)
                Assert.Fail($"Not within {_most.TotalSeconds} s: {seen()}");
            Thread.Yield();
        }
    }

    /// <summary>Runs an action on a thread of its own; it must end.</summary>
    public static void Ends(Action action)
    {
        var task = Task.Run(action);
        Assert.IsTrue(Task.WhenAny(task, Task.Delay(_most)).GetAwaiter().GetResult() == task, $"It hangs for {_most.TotalSeconds} s.");
        task.GetAwaiter().GetResult();
    }
}
