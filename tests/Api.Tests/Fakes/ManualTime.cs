namespace FeatureStore.Api.Tests.Fakes;

/// <summary>A clock that moves only when it is told to; timers fire when it passes their time.</summary>
internal sealed class ManualTime(long unixMs) : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<ManualTimer> _timers = [];
    private long _unixMs = unixMs;

    public override long TimestampFrequency => 1000;

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(Interlocked.Read(ref _unixMs));

    public override long GetTimestamp() => Interlocked.Read(ref _unixMs);

    public void Advance(TimeSpan by)
    {
        ManualTimer[] due;
        lock (_lock)
        {
            _unixMs += (long)by.TotalMilliseconds;
            due = [.. _timers.Where(timer => timer.DueMs <= _unixMs)];
        }

        foreach (var timer in due)
            timer.Fire();
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        lock (_lock)
            _timers.Add(timer);
        return timer;
    }

    private sealed class ManualTimer(ManualTime time, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan _period;

        public long DueMs { get; private set; } = long.MaxValue;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _period = period;
            DueMs = dueTime == Timeout.InfiniteTimeSpan ? long.MaxValue : time.GetTimestamp() + (long)dueTime.TotalMilliseconds;
            return true;
        }

        public void Fire()
        {
            DueMs = _period == Timeout.InfiniteTimeSpan || _period == TimeSpan.Zero ? long.MaxValue : time.GetTimestamp() + (long)_period.TotalMilliseconds;
            callback(state);
        }

        public void Dispose()
        {
            lock (time._lock)
                time._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
