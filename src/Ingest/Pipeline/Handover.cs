using System.Diagnostics.CodeAnalysis;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>
/// A bounded queue from one thread to another. Unlike with <see cref="System.Collections.Concurrent.BlockingCollection{T}"/>, who waits does not spin: batches come milliseconds apart, and
/// spinning between them takes more of the processor than they do.
/// </summary>
/// <param name="max">Most items in it; 1 or more.</param>
internal sealed class Handover<T>(int max)
    where T : class
{
    private readonly Queue<T> _items = new(max);
    private bool _isComplete;

    public int Count
    {
        get
        {
            lock (_items)
                return _items.Count;
        }
    }

    /// <summary>Whether nothing is left to take, and nothing will be.</summary>
    public bool IsOver
    {
        get
        {
            lock (_items)
                return _isComplete && _items.Count == 0;
        }
    }

    /// <summary>Adds an item; waits while it is full.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled; the item was not added.</exception>
    /// <exception cref="InvalidOperationException">After <see cref="Complete"/>.</exception>
    public void Add(T item, CancellationToken cancellationToken)
    {
        using var wake = WakeOn(cancellationToken);
        lock (_items)
        {
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (_isComplete)
                    throw new InvalidOperationException("Nothing is added to what is complete.");
                if (_items.Count < max)
                    break;
                Monitor.Wait(_items);
            }

            _items.Enqueue(item);
            Monitor.PulseAll(_items);
        }
    }

    /// <summary>Takes the oldest item, if there is one.</summary>
    public bool TryTake([NotNullWhen(true)] out T? item)
    {
        lock (_items)
        {
            Monitor.PulseAll(_items);
            return _items.TryDequeue(out item);
        }
    }

    /// <summary>Takes the oldest item; waits for one, with <see cref="Timeout.Infinite"/> until there is one.</summary>
    /// <returns>False where none has come in time, or none will.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled; nothing was taken.</exception>
    public bool TryTake([NotNullWhen(true)] out T? item, int timeoutMs, CancellationToken cancellationToken)
    {
        using var wake = WakeOn(cancellationToken);
        var start = Environment.TickCount64;
        lock (_items)
        {
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (TryTake(out item))
                    return true;
                var leftMs = timeoutMs == Timeout.Infinite ? timeoutMs : (int)Math.Max(0, timeoutMs - (Environment.TickCount64 - start));
                if (_isComplete || leftMs == 0)
                    return false;
                Monitor.Wait(_items, leftMs);
            }
        }
    }

    /// <summary>Says that no item will be added any more.</summary>
    public void Complete()
    {
        lock (_items)
        {
            _isComplete = true;
            Monitor.PulseAll(_items);
        }
    }

    /// <summary>Its disposal waits for the waking, which takes the lock: so it comes after the lock was left.</summary>
    private CancellationTokenRegistration WakeOn(CancellationToken cancellationToken) => cancellationToken.UnsafeRegister(
        static items =>
        {
            lock (items!)
                Monitor.PulseAll(items);
        },
        _items);
}
