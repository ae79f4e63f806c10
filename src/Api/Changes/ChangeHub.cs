using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Api.Changes;

/// <summary>
/// Hands changes to subscribers. All read the same <see cref="ChangeLog"/>, each from where it is: a slow one takes no memory, and finds entities that changed several times
/// once. What goes from the log before a subscriber has read it, that one has missed, and is told so.
/// <para>
/// Invariant: of an entity type that is listened to, the log has every change with a number above the type's <c>WholeFrom</c>, or a later one of the same entity.
/// </para>
/// </summary>
internal sealed partial class ChangeHub : IChangeListener, IAsyncDisposable
{
    private readonly FeatureStoreApiOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<ChangeHub> _logger;
    private readonly IChangeFeed? _feed;
    private readonly CancellationTokenSource _stop = new();

    /// <summary>Held while listening begins or ends.</summary>
    private readonly SemaphoreSlim _listening = new(1);

    /// <summary>Guards all below.</summary>
    private readonly Lock _gate = new();
    private readonly ChangeLog _log;
    private readonly Topic[] _topics;
    private readonly List<ChangeReader> _readers = [];
    private TaskCompletionSource _appended = NewSignal();

    public ChangeHub(ProjectPlan plan, FeatureStoreApiOptions options, TimeProvider time, ILogger<ChangeHub> logger, IChangeFeed? feed = null)
    {
        (_options, _time, _logger, _feed) = (options, time, logger, feed);
        _log = new ChangeLog(plan.Entities.Count, options.ChangesKeptMax);
        _topics = [.. plan.Entities.Select(_ => new Topic())];
    }

    /// <summary>Names the numbering of changes, which is this process's.</summary>
    public string Numbering { get; } = Convert.ToHexStringLower(Guid.NewGuid().ToByteArray().AsSpan(0, 8));

    /// <summary>Whether the host can tell of changes at all.</summary>
    public bool IsOffered => _feed is not null;

    /// <summary>Number of entity types that are listened to.</summary>
    public int ListenedTo => _topics.Count(topic => topic.Listening is not null);

    /// <summary>Subscribes. From when this completes, every change is read, or <see cref="ChangeReader.Read"/> says that some are missed.</summary>
    /// <param name="selection">What is wanted.</param>
    /// <param name="after">Number of the last change that the subscriber has: where all since are kept, it goes on from there. Null: it has none, and wants what comes.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<ChangeReader> OpenAsync(ChangeSelection selection, long? after, CancellationToken cancellationToken)
    {
        await _listening.WaitAsync(cancellationToken);
        try
        {
            foreach (var part in selection.Parts)
            {
                var topic = _topics[part.Entity.Index];
                if (topic.Listening is not null)
                    continue;
                topic.Listening = await _feed!.ListenAsync(part.Entity.Index, this, cancellationToken);
                lock (_gate)
                    (topic.WholeFrom, topic.UnreadSince) = (_log.Skip(), _time.GetTimestamp());
            }

            lock (_gate)
            {
                var isResumed = after <= _log.Last && selection.Parts.All(part => after >= _topics[part.Entity.Index].WholeFrom);
                var reader = new ChangeReader(this, selection, isResumed ? after!.Value : _log.Last) { IsResumed = isResumed };
                foreach (var part in selection.Parts)
                    _topics[part.Entity.Index].Readers++;
                _readers.Add(reader);
                return reader;
            }
        }
        finally
        {
            foreach (var part in selection.Parts)
                EndIfUnread(part.Entity.Index);
            _listening.Release();
        }
    }

    /// <inheritdoc/>
    public void Changed(int entity, BlockSet keys)
    {
        var (coalesced, dropped) = (0L, 0L);
        TaskCompletionSource appended;
        lock (_gate)
        {
            for (var index = 0; index < keys.Count; index++)
            {
                var change = _log.Append(entity, keys[index], out var replaced, out var gone);
                coalesced += replaced == 0 ? 0 : Unread(change, replaced);
                if (gone is null)
                    continue;
                _topics[gone.Entity].WholeFrom = gone.Number;
                dropped += Unread(gone, gone.Number);
            }

            (appended, _appended) = (_appended, NewSignal());
        }

        appended.SetResult();
        ApiInstruments.ChangesCoalesced.Add(coalesced);
        ApiInstruments.ChangesDropped.Add(dropped);
    }

    /// <inheritdoc/>
    public void Missed(int entity)
    {
        TaskCompletionSource appended;
        lock (_gate)
        {
            _topics[entity].WholeFrom = _log.Skip();
            (appended, _appended) = (_appended, NewSignal());
        }

        appended.SetResult();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _listening.WaitAsync();
        foreach (var topic in _topics)
        {
            if (topic.Listening is { } listening)
                await listening.DisposeAsync();
            topic.Listening = null;
        }

        _stop.Dispose();
    }

    /// <summary>Completes when there are changes, or misses, that a reader may not have read yet.</summary>
    internal Task Appended
    {
        get
        {
            lock (_gate)
                return _appended.Task;
        }
    }

    /// <summary>Reads on.</summary>
    /// <returns>The number up to which the reader has read.</returns>
    internal long Read(ChangeReader reader, int countMax, List<Change> changes, List<ChangePart> missed)
    {
        lock (_gate)
        {
            foreach (var part in reader.Selection.Parts)
            {
                var topic = _topics[part.Entity.Index];
                if (reader.Position < topic.WholeFrom && reader.Noted(part, topic.WholeFrom))
                    missed.Add(part);
            }

            return _log.Read(reader.Position, reader.Selection.Wants, countMax, changes);
        }
    }

    internal void Close(ChangeReader reader)
    {
        lock (_gate)
        {
            if (!_readers.Remove(reader))
                return;
            foreach (var part in reader.Selection.Parts)
            {
                _topics[part.Entity.Index].Readers--;
                _topics[part.Entity.Index].UnreadSince = _time.GetTimestamp();
            }
        }

        foreach (var part in reader.Selection.Parts)
            EndIfUnread(part.Entity.Index);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>How many subscribers want a change and have not read so far.</summary>
    private int Unread(Change change, long number)
    {
        var count = 0;
        foreach (var reader in _readers)
            count += reader.Position < number && reader.Selection.Wants(change) ? 1 : 0;
        return count;
    }

    /// <summary>Stops to listen to what nobody reads, after a while: subscribers that come back can go on where they were.</summary>
    private void EndIfUnread(int entity)
    {
        var topic = _topics[entity];
        lock (_gate)
        {
            if (topic.Readers > 0 || topic.Listening is null || topic.IsEnding)
                return;
            topic.IsEnding = true;
        }

        _ = EndAsync(entity, topic);
    }

    private async Task EndAsync(int entity, Topic topic)
    {
        try
        {
            for (var left = _options.ChangesLinger; left > TimeSpan.Zero; left = _options.ChangesLinger - _time.GetElapsedTime(topic.UnreadSince))
                await Task.Delay(left, _time, _stop.Token);
            await _listening.WaitAsync(_stop.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            return;
        }

        try
        {
            lock (_gate)
            {
                topic.IsEnding = false;
                if (topic.Readers > 0)
                    return;
            }

            await topic.Listening!.DisposeAsync();
            topic.Listening = null;
            lock (_gate)
                _log.Forget(entity);
        }
        catch (Exception exception)
        {
            LogEndFailed(exception);
        }
        finally
        {
            _listening.Release();
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Listening to changes that nobody reads could not be ended")]
    private partial void LogEndFailed(Exception exception);

    /// <summary>An entity type.</summary>
    private sealed class Topic
    {
        /// <summary>Ends the feed; null where it is not listened to.</summary>
        public IAsyncDisposable? Listening { get; set; }

        public int Readers { get; set; }

        /// <summary>When the last reader left, as the clock's timestamp.</summary>
        public long UnreadSince { get; set; }

        public bool IsEnding { get; set; }

        public long WholeFrom { get; set; }
    }
}

/// <summary>One subscriber's way through the changes. One caller at a time.</summary>
internal sealed class ChangeReader(ChangeHub hub, ChangeSelection selection, long position) : IDisposable
{
    private readonly long[] _noted = new long[selection.Parts.Count];
    private long _position = position;

    public ChangeSelection Selection => selection;

    /// <summary>Whether it goes on where an earlier reader was.</summary>
    public bool IsResumed { get; init; }

    /// <summary>The number of the last change that was read.</summary>
    public long Position => Volatile.Read(ref _position);

    /// <summary>Reads on.</summary>
    /// <param name="countMax">How many changes, at most.</param>
    /// <param name="changes">Gets them, in order.</param>
    /// <param name="missed">Gets the parts of the selection of which changes were missed.</param>
    /// <returns>Whether there may be more.</returns>
    public bool Read(int countMax, List<Change> changes, List<ChangePart> missed)
    {
        Volatile.Write(ref _position, hub.Read(this, countMax, changes, missed));
        return changes.Count == countMax;
    }

    public void Dispose() => hub.Close(this);

    /// <summary>Whether a miss is news; it is noted.</summary>
    internal bool Noted(ChangePart part, long wholeFrom)
    {
        var index = 0;
        while (selection.Parts[index] != part)
            index++;
        if (_noted[index] >= wholeFrom)
            return false;
        _noted[index] = wholeFrom;
        return true;
    }
}
