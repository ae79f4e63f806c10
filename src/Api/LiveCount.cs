using System.Diagnostics.Metrics;

namespace FeatureStore.Api;

/// <summary>How many there are at the moment. It is observed, as whoever adds up changes from some moment on is off by those that began before it.</summary>
internal sealed class LiveCount
{
    private long _count;

    public LiveCount(Meter meter, string name, string unit, string description)
    {
        meter.CreateObservableUpDownCounter(name, () => Interlocked.Read(ref _count), unit, description);
    }

    public void Enter() => Interlocked.Increment(ref _count);

    public void Leave() => Interlocked.Decrement(ref _count);
}
