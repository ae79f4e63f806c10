namespace FeatureStore.Runtime;

/// <summary>Changes of the entities that this process hosts, gathered in rounds. There are no rounds while nobody listens.</summary>
/// <param name="changed">Which entities changed; its only reader is this.</param>
/// <param name="options">Rates.</param>
/// <param name="time">The clock.</param>
public sealed class LocalChangeFeed(IChangedEntities changed, LocalChangeFeedOptions options, TimeProvider time) : IChangeFeed, IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private KeyValuePair<int, IChangeListener>[] _listeners = [];
    private Task _running = Task.CompletedTask;
    private bool _isRunning;

    /// <inheritdoc/>
    public ValueTask<IAsyncDisposable> ListenAsync(int entity, IChangeListener listener, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_stop.IsCancellationRequested, this);
            if (_listeners.Any(other => other.Key == entity))
                throw new InvalidOperationException($"Somebody listens to changes of entity {entity} already.");
            _listeners = [.. _listeners, KeyValuePair.Create(entity, listener)];
            changed.Track(entity, true);
            if (!_isRunning)
                _running = Task.Run(RunAsync, CancellationToken.None);
            _isRunning = true;
        }

        return new(new Listening(this, entity));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Task running;
        lock (_gate)
        {
            if (_stop.IsCancellationRequested)
                return;
            _stop.Cancel();
            running = _running;
        }

        await running.ConfigureAwait(false);
        _stop.Dispose();
    }

    private void End(int entity)
    {
        lock (_gate)
        {
            if (_listeners.All(other => other.Key != entity))
                return;
            _listeners = [.. _listeners.Where(other => other.Key != entity)];
            if (!_stop.IsCancellationRequested)
                changed.Track(entity, false);
        }
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(options.Interval, time);
        var keys = new BlockSet();
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
            {
                KeyValuePair<int, IChangeListener>[] listeners;
                lock (_gate)
                {
                    listeners = _listeners;
                    _isRunning = listeners.Length > 0;
                    if (!_isRunning)
                        return;
                }

                foreach (var (entity, listener) in listeners)
                {
                    keys.Clear();
                    changed.Take(entity, options.EntitiesPerRound, keys);
                    if (keys.Count > 0)
                        listener.Changed(entity, keys);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private sealed class Listening(LocalChangeFeed feed, int entity) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            feed.End(entity);
            return ValueTask.CompletedTask;
        }
    }
}

/// <summary>Settings of <see cref="LocalChangeFeed"/>.</summary>
public sealed record LocalChangeFeedOptions
{
    /// <summary>Time between two rounds: how late a change may be told. Default 50 ms.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Most entities of a type told in a round; the rest waits for the next. Default 10,000: 200,000 a second.</summary>
    public int EntitiesPerRound { get; init; } = 10_000;
}
