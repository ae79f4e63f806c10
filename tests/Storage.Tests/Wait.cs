using System.Diagnostics;

namespace FeatureStore.Storage.Tests;

/// <summary>Waits for conditions of other processes.</summary>
internal static class Wait
{
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(60);

    public static void Until(string what, Func<bool> condition) =>
        UntilAsync(what, () => Task.FromResult(condition())).GetAwaiter().GetResult();

    /// <summary>Tries until the condition holds; exceptions count as no. Fails with the last of them after a deadline.</summary>
    public static async Task UntilAsync(string what, Func<Task<bool>> condition)
    {
        var started = Stopwatch.GetTimestamp();
        Exception? last = null;
        while (Stopwatch.GetElapsedTime(started) < _deadline)
        {
            try
            {
                if (await condition())
                    return;
            }
            catch (Exception exception) when (exception is not UnitTestAssertException)
            {
                last = exception;
            }
            await Task.Delay(5);
        }
        Assert.Fail($"not within {_deadline.TotalSeconds} s: {what}. Last seen: {last?.Message ?? "the condition does not hold"}");
    }
}
