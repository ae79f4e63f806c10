using System.Diagnostics;

namespace FeatureStore.Scoring.Native;

/// <summary>
/// Ends runs that take too long: run options whose terminate flag a timer sets. One user at a time. The timer is left to run out
/// where a run ends before it, so that starting and stopping cost no timer calls.
/// </summary>
internal sealed class RunDeadline : IDisposable
{
    private readonly Lock _gate = new();
    private readonly OnnxApi _api;
    private readonly Timer _timer;
    private readonly TimeSpan _limit;
    private long _dueTicks;
    private bool _armed;
    private bool _pending;
    private bool _disposed;

    public RunDeadline(OnnxApi api, TimeSpan limit)
    {
        _api = api;
        _limit = limit;
        RunOptions = api.CreateRunOptions();
        _timer = new Timer(static state => ((RunDeadline)state!).OnTimer(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>For the runs that the deadline bounds.</summary>
    public nint RunOptions { get; }

    /// <summary>Whether the time ran out; until the next start, runs end at once.</summary>
    public bool Expired { get; private set; }

    public string Reason => FormattableString.Invariant($"the model did not end within {_limit.TotalSeconds} s");

    public void Start()
    {
        lock (_gate)
        {
            if (Expired)
                _api.SetTerminate(RunOptions, false);
            Expired = false;
            _armed = true;
            _dueTicks = Stopwatch.GetTimestamp() + (long)(_limit.TotalSeconds * Stopwatch.Frequency);
            if (_pending)
                return;
            _pending = true;
            _timer.Change(_limit, Timeout.InfiniteTimeSpan);
        }
    }

    public void Stop()
    {
        lock (_gate)
            _armed = false;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            _disposed = true;
            _timer.Dispose();
            _api.ReleaseRunOptions(RunOptions);
        }
    }

    private void OnTimer()
    {
        lock (_gate)
        {
            _pending = false;
            if (!_armed || _disposed)
                return;
            var left = _dueTicks - Stopwatch.GetTimestamp();
            if (left > 0)
            {
                _pending = true;
                _timer.Change(TimeSpan.FromSeconds((double)left / Stopwatch.Frequency) + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
                return;
            }

            Expired = true;
            _api.SetTerminate(RunOptions, true);
        }
    }
}
