namespace FeatureStore.Storage.Redis;

/// <summary>
/// Keeps callers from waiting for a server that does not answer. After <see cref="FailuresMax"/> failures without a success between them, one call
/// in a pause goes through to try; the rest are turned away at once. Pauses double up to a bound; a success ends them.
/// </summary>
internal sealed class CircuitBreaker(TimeProvider timeProvider, int pauseMsMax)
{
    public const int FailuresMax = 3;

    private const int PauseMsMin = 100;

    private readonly Lock _gate = new();
    private int _failures;
    private int _pauseMs = PauseMsMin;
    private long _pausedSince;

    /// <summary>Whether a call may go to the server now.</summary>
    public bool TryEnter()
    {
        lock (_gate)
        {
            if (_failures < FailuresMax)
                return true;
            if (timeProvider.GetElapsedTime(_pausedSince).TotalMilliseconds < _pauseMs)
                return false;
            _pausedSince = timeProvider.GetTimestamp();
            _pauseMs = Math.Min(_pauseMs * 2, pauseMsMax);
            return true;
        }
    }

    public void Succeed()
    {
        lock (_gate)
        {
            _failures = 0;
            _pauseMs = PauseMsMin;
        }
    }

    public void Fail()
    {
        lock (_gate)
        {
            _failures = Math.Min(_failures + 1, FailuresMax);
            _pausedSince = timeProvider.GetTimestamp();
        }
    }
}
