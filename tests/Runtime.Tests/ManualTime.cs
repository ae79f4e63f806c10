namespace FeatureStore.Runtime.Tests;

/// <summary>A clock that moves only when it is told to; what waits for it is counted.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<Timer> _timers = [];
    private long _nowMs = TestProject.StartMs;

    public override long TimestampFrequency => 1000;

    /// <summary>Timers that are set.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
                return _timers.Count(timer => timer.DueMs < long.MaxValue);
        }
    }

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(GetTimestamp());

    public override long GetTimestamp() => Volatile.Read(ref _nowMs);

    public void Advance(double seconds)
    {
        Timer[] due;
        lock (_gate)
        {
            _nowMs += (long)(seconds * 1000);
            due = [.. _timers.Where(timer => timer.DueMs <= _nowMs)];
            foreach (var timer in due)
                timer.Restart();
        }

        foreach (var timer in due)
            timer.Callback();
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, () => callback(state));
        lock (_gate)
            _timers.Add(timer);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class Timer(ManualTime time, Action callback) : ITimer
    {
        private TimeSpan _period;

        public Action Callback => callback;

        public long DueMs { get; private set; } = long.MaxValue;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._gate)
            {
                _period = period;
                DueMs = After(dueTime);
            }

            return true;
        }

        public void Restart() => DueMs = _period == TimeSpan.Zero ? long.MaxValue : After(_period);

        public void Dispose()
        {
            lock (time._gate)
                time._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private long After(TimeSpan span) => span == Timeout.InfiniteTimeSpan ? long.MaxValue : time._nowMs + (long)span.TotalMilliseconds;
    }
}

/// <summary>Waits for what another thread does.</summary>
internal static class Wait
{
    public static void Until(Func<bool> condition, string what) =>
        Assert.IsTrue(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(60)), $"60 s have passed, and not: {what}");
}
