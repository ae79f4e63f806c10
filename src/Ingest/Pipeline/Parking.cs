namespace FeatureStore.Ingest.Pipeline;

/// <summary>Where one thread waits for tasks, without spinning as waiting for a <see cref="Task"/> does: see <see cref="Handover{T}"/>.</summary>
internal sealed class Parking : IDisposable
{
    private readonly ManualResetEventSlim _done = new(initialState: false, spinCount: 0);
    private readonly Action _set;

    public Parking() => _set = _done.Set;

    /// <summary>Waits until a task is over, and throws what it failed with.</summary>
    public void Wait(ValueTask task)
    {
        var awaiter = task.ConfigureAwait(false).GetAwaiter();
        if (!awaiter.IsCompleted)
        {
            awaiter.UnsafeOnCompleted(_set);
            _done.Wait();
            _done.Reset();
        }

        awaiter.GetResult();
    }

    public void Dispose() => _done.Dispose();
}
