using System.Runtime.InteropServices;
using FeatureStore.Core.Plans;
using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Payloads;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Grains;

/// <summary>
/// How a batch reaches its entities. Each gets its events in one call: where it is active on this silo, in place, under its lock; where it is known to be on another, in a message to that silo, with all others that
/// are; else in a message of its own. In place nothing is allocated for an
/// event, and whatever a run of entities will touch is asked for before the first of them is changed, as their state is far larger than the processor's caches.
/// </summary>
public sealed partial class OrleansRuntime
{
    private const int RunLength = 32;

    private readonly byte[] _keys = new byte[RunLength * EntityPlan.KeyBytesMax];
    private readonly KeyOfRow[] _keysOfRun = new KeyOfRow[RunLength];
    private readonly (int Part, EntityCell Cell)[] _run = new (int, EntityCell)[RunLength];

    /// <summary>The entities that the batch under way goes to.</summary>
    private Part[] _parts = new Part[256];
    private int _partCount;

    /// <summary>By route and row, the index of its part; −1: none.</summary>
    private int[] _partOfRow = [];

    /// <summary>Parts that take a message.</summary>
    private readonly List<int> _messages = [];

    /// <summary>Parts to apply in place,</summary>
    private readonly List<int> _local = [];

    /// <summary>among them those of a run that somebody else held,</summary>
    private readonly List<int> _contended = [];

    /// <summary>and those that were not in the state that this silo knows.</summary>
    private readonly List<int> _doubtful = [];

    private readonly Stack<SentEvents> _spare = new();
    private SentEvents _sent = new();

    /// <summary>Batches that were kept at once, at most, since the last cut.</summary>
    private int _keptMax;
    private int _kept;

    private async Task ApplyAsync(ApplyBatch batch, Route[] routes, CancellationToken cancellationToken)
    {
        if (!_spare.TryPop(out var sent))
            sent = new SentEvents();
        _sent = sent;
        sent.Begin(batch, _interval, _generations);
        try
        {
            Group(batch, routes);
            Keep(batch);
            Divide();
            if (_messages.Count == 0)
            {
                ApplyInPlace(batch);
            }
            else
            {
                var messages = SendAsync(_messages, batch, cancellationToken);
                try
                {
                    ApplyInPlace(batch);
                }
                finally
                {
                    await messages.ConfigureAwait(false);
                }
            }

            if (_doubtful.Count > 0)
                await SendAsync(_doubtful, batch, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (sent.Links == 0)
                _spare.Push(sent);
        }
    }

    /// <summary>Finds which rows of a batch go to which entity.</summary>
    private void Group(ApplyBatch batch, Route[] routes)
    {
        var events = batch.Events.Count;
        _batch++;
        _partCount = 0;
        if (_partOfRow.Length < events * routes.Length)
            _partOfRow = new int[events * routes.Length];
        _partOfRow.AsSpan(0, events * routes.Length).Fill(-1);
        for (var index = 0; index < routes.Length; index++)
        {
            var parts = _partOfRow.AsSpan(index * events, events);
            var isRead = ClusterPlan.ValuesPerEvent(routes[index], batch.Vectors.Count) > 0;
            for (var first = 0; first < events; first += RunLength)
                Group(batch, routes[index], isRead, first, Math.Min(first + RunLength, events), parts);
        }

        var next = 0;
        foreach (ref var part in _parts.AsSpan(0, _partCount))
        {
            part.First = next;
            next += part.Count;
            part.Count = 0;
        }

        var rows = _sent.Rows(next);
        for (var index = 0; index < routes.Length; index++)
        {
            var parts = _partOfRow.AsSpan(index * events, events);
            for (var row = 0; row < parts.Length; row++)
            {
                if (parts[row] < 0)
                    continue;
                ref var part = ref _parts[parts[row]];
                rows[part.First + part.Count++] = row;
            }
        }
    }

    private void Group(ApplyBatch batch, Route route, bool isRead, int first, int end, Span<int> parts)
    {
        var links = _links[route.Entity.Index];
        var (count, used) = (0, 0);
        for (var row = first; row < end; row++)
        {
            if (!route.Feeds && (!isRead || batch.Events[row].IsRetraction))
                continue;
            var length = route.Entity.EncodeKey(batch.Events.Row(row), route.KeyFields, _keys.AsSpan(used));
            if (length == 0)
                continue;
            var hash = KeyHash.Of(_keys.AsSpan(used, length));
            links.PrefetchEntry(hash);
            _keysOfRun[count++] = new KeyOfRow(row, hash, used, length);
            used += length;
        }

        var run = _keysOfRun.AsSpan(0, count);
        foreach (ref readonly var key in run)
            links.PrefetchLink(key.Hash);
        foreach (ref readonly var key in run)
        {
            var link = LinkOf(route.Entity, key.Hash, _keys.AsSpan(key.Start, key.Length));
            if (link.Batch != _batch)
            {
                link.Batch = _batch;
                link.Part = _partCount;
                if (_partCount == _parts.Length)
                    Array.Resize(ref _parts, _partCount * 2);
                _parts[_partCount++] = new Part { Link = link, Route = route };
                Call(link);
            }

            parts[key.Row] = link.Part;
            _parts[link.Part].Count++;
        }
    }

    /// <summary>Keeps the events of the batch for each entity that they change.</summary>
    private void Keep(ApplyBatch batch)
    {
        for (var index = 0; index < _partCount; index++)
        {
            ref readonly var part = ref _parts[index];
            if (part.Route.Feeds)
                Keep(part.Link, new Sent(_sent, part.First, part.Count));
        }

        if (_sent.Links == 0)
            return;
        _sent.Encode(batch.Events);
        _keptMax = Math.Max(_keptMax, ++_kept);
        Interlocked.Add(ref _unsavedBytes, _sent.Length);
    }

    private void Keep(EntityLink link, Sent sent)
    {
        link.Keep(sent);
        sent.Events.Links++;
        if (link.UnsavedEvents >= _options.WriteBehindEvents)
            _isHot = true;
    }

    private void Release(EntityLink link, long interval)
    {
        var count = 0;
        foreach (var sent in link.Unsaved)
        {
            if (sent.Events.Interval > interval)
                break;
            count++;
            if (--sent.Events.Links > 0 || sent.Events.Erasure is not null)
                continue;
            Interlocked.Add(ref _unsavedBytes, -sent.Events.Length);
            _kept--;
            _spare.Push(sent.Events);
        }

        link.Release(count);
    }

    /// <summary>Has no more in store than the batches of an interval need.</summary>
    private void TrimSpare()
    {
        while (_spare.Count > 0 && _kept + _spare.Count > _keptMax)
            _spare.Pop();
        _keptMax = _kept;
    }

    /// <summary>Tells the entities that are active on this silo, as far as is known, from those that take a message.</summary>
    private void Divide()
    {
        _messages.Clear();
        _local.Clear();
        _contended.Clear();
        _doubtful.Clear();
        for (var index = 0; index < _partCount; index++)
        {
            var link = _parts[index].Link;
            if (_options.AppliesInPlace && !link.IsInDoubt && (link.Cell ??= CellOf(link)) is not null)
                _local.Add(index);
            else
                _messages.Add(index);
        }
    }

    private EntityCell? CellOf(EntityLink link) => link.Silo is not { } silo || silo.Equals(_cells.Silo) ? _cells.Find(link.Address) : null;

    /// <summary>
    /// Applies to entities that are active on this silo, without messages: what keeps an activation right is in the cell, whoever calls it.
    /// Orleans does not see such calls; the cell takes note of its use itself, for <see cref="EntityShedding"/>.
    /// </summary>
    private void ApplyInPlace(ApplyBatch batch)
    {
        if (_local.Count == 0)
            return;
        var target = new ValueTarget(batch, _enriched);
        var parts = CollectionsMarshal.AsSpan(_local);
        for (; !parts.IsEmpty; parts = parts[Math.Min(RunLength, parts.Length)..])
            ApplyRun(batch, parts[..Math.Min(RunLength, parts.Length)], ref target);
        GrainsInstruments.InPlace.Add(_local.Count - _doubtful.Count);
    }

    /// <summary>
    /// Holds the locks of a run's entities at once, as their blocks must not go while they are asked for. It waits for none of them meanwhile: those that somebody else holds come after,
    /// one at a time.
    /// </summary>
    private void ApplyRun(ApplyBatch batch, ReadOnlySpan<int> parts, ref ValueTarget target)
    {
        foreach (var part in parts)
            ObjectPrefetch.Lines(_parts[part].Link.Cell!, EntityCell.Lines);
        var entered = 0;
        try
        {
            foreach (var part in parts)
            {
                var cell = _parts[part].Link.Cell!;
                if (cell.TryEnter())
                    _run[entered++] = (part, cell);
                else
                    _contended.Add(part);
            }

            var run = _run.AsSpan(0, entered);
            foreach (var (_, cell) in run)
                cell.PrefetchBlock();
            foreach (var (_, cell) in run)
                cell.PrefetchFixed();
            foreach (var (_, cell) in run)
                cell.PrefetchRings();
            foreach (var (part, cell) in run)
                ApplyInPlace(batch, part, cell, ref target);
        }
        finally
        {
            foreach (var (_, cell) in _run.AsSpan(0, entered))
                cell.Exit();
            _run.AsSpan(0, entered).Clear();
        }

        foreach (var part in _contended)
        {
            var cell = _parts[part].Link.Cell!;
            cell.Enter();
            try
            {
                ApplyInPlace(batch, part, cell, ref target);
            }
            finally
            {
                cell.Exit();
            }
        }

        _contended.Clear();
    }

    private void ApplyInPlace(ApplyBatch batch, int index, EntityCell cell, ref ValueTarget target)
    {
        ref readonly var part = ref _parts[index];
        var events = new EventsFor(part.Route, batch.Events, _plan.Project.Sources[batch.Source], _interval, _generations);
        var status = cell.Apply(NextCall(part.Link), events, part.Link.Key, _sent.Rows(part.First, part.Count), ref target);
        if (status is not null && Take(part.Link, status.Value, cell.Epoch))
        {
            part.Link.Silo ??= _cells.Silo;
            return;
        }

        part.Link.Cell = null;
        _doubtful.Add(index);
    }

    private async Task SendAsync(List<int> parts, ApplyBatch batch, CancellationToken cancellationToken)
    {
        _sent.Encode(batch.Events);
        var known = parts.ToLookup(part => _options.AppliesInPlace && !_parts[part].Link.IsInDoubt ? _parts[part].Link.Silo : null);
        List<int> alone = [];
        await Task.WhenAll(
        [
            ForEachAsync([.. known[null]], part => SendAsync(part, batch, cancellationToken)),
            .. known.Where(silo => silo.Key is not null).SelectMany(silo => silo.Chunk(ApplyManyRequest.EntitiesMax).Select(some => SendAsync(silo.Key!, some, batch, alone, cancellationToken))),
        ]).ConfigureAwait(false);
        await ForEachAsync(alone, part => SendAsync(part, batch, cancellationToken)).ConfigureAwait(false);
    }

    /// <summary>Sends entities of one silo what they get. Those of which no answer can be used are left to be sent it alone.</summary>
    private async Task SendAsync(SiloAddress silo, int[] parts, ApplyBatch batch, List<int> alone, CancellationToken cancellationToken)
    {
        if (!_entities.Stays(silo))
        {
            lock (alone)
                alone.AddRange(parts);
            return;
        }

        GrainsInstruments.Calls.Add(1);
        var request = new ApplyManyRequest
        {
            Addresses = Array.ConvertAll(parts, part => _parts[part].Link.Address),
            Calls = Array.ConvertAll(parts, part => NextCall(_parts[part].Link)),
            Requests = Array.ConvertAll(parts, part => RequestOf(_parts[part].Link, SentTo(part))),
        };
        ApplyReply?[]? replies = null;
        try
        {
            replies = await _entities.On(silo).ApplyAsync(request).ConfigureAwait(false);
        }
        catch (Exception exception) when (!IsLasting(exception, cancellationToken))
        {
            LogNoAnswer(exception, silo);
        }

        for (var index = 0; index < parts.Length; index++)
        {
            var part = _parts[parts[index]];
            if (replies is null)
            {
                NoAnswer(part.Link, SentTo(parts[index]));
            }
            else if (replies[index] is not { } reply)
            {
                // Where it has to be made active again, best here.
                part.Link.Silo = null;
            }
            else if (Take(part.Link, reply) is not null)
            {
                Fill(part, batch, reply);
                continue;
            }

            lock (alone)
                alone.Add(parts[index]);
        }
    }

    private Sent SentTo(int part) => new(_sent, _parts[part].First, _parts[part].Count);

    private async Task SendAsync(int index, ApplyBatch batch, CancellationToken cancellationToken)
    {
        var part = _parts[index];
        var reply = await ReachAsync(part.Link, SentTo(index), cancellationToken).ConfigureAwait(false);
        Fill(part, batch, reply!);
    }

    private void Fill(in Part part, ApplyBatch batch, ApplyReply reply)
    {
        var values = MemoryMarshal.Cast<byte, double>(reply.Values.AsSpan());
        foreach (var row in _sent.Rows(part.First, part.Count))
        {
            if (batch.Events[row].IsRetraction)
                continue;
            values = Fill(_enriched.Row(row), part.Route.Enrichment, values);
            for (var vector = 0; vector < batch.Vectors.Count; vector++)
                values = Fill(batch.Vectors[vector].Row(row), part.Route.Slices[vector], values);
        }
    }

    private static Span<double> Fill(Span<double> row, VectorSlice slice, Span<double> values)
    {
        for (var index = 0; index < slice.Positions.Length; index++)
            row[slice.Positions[index]] = values[index];
        return values[slice.Positions.Length..];
    }

    /// <summary>An entity and its rows of the batch under way.</summary>
    private struct Part
    {
        public EntityLink Link;
        public Route Route;
        public int First;
        public int Count;
    }

    /// <summary>A row of a run and its key.</summary>
    private readonly record struct KeyOfRow(int Row, ulong Hash, int Start, int Length);
}
