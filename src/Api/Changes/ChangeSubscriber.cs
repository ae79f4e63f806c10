using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using FeatureStore.Api.Features;

namespace FeatureStore.Api.Changes;

/// <summary>
/// Sends one subscriber what changes, at its pace: values are read when they are sent, so that they are the newest however long the client takes. Of an entity that is gone, nulls.
/// </summary>
internal sealed class ChangeSubscriber(ChangeHub hub, ChangeReader changes, EntityReader entities, EventStream stream, FeatureStoreApiOptions options, TimeProvider time)
{
    private const int ChangesPerRead = 1024;
    private const int RowsMax = 256;

    /// <summary>Most values of an event.</summary>
    private const int ValuesMax = 4096;

    /// <summary>Most lists and maps of an event.</summary>
    private const int OthersMax = 256;

    /// <summary>Most entities whose last values are remembered; then all are forgotten, and each is sent once more.</summary>
    private const int RememberedMax = 10_000;

    private readonly Dictionary<ChangePart, Dictionary<byte[], UInt128>> _sent = new(ReferenceEqualityComparer.Instance);
    private readonly List<Change> _changes = [];
    private readonly List<ChangePart> _missed = [];
    private readonly List<byte[]> _keys = [];
    private readonly byte[] _hashed = new byte[32];
    private long _sentAt = time.GetTimestamp();

    /// <summary>Sends until it is cancelled.</summary>
    /// <param name="isBack">Whether the subscriber has been here before.</param>
    /// <param name="cancellationToken">The client has left, or the server stops.</param>
    public async Task RunAsync(bool isBack, CancellationToken cancellationToken)
    {
        await stream.WriteAsync("open", WriteOpen, cancellationToken);
        foreach (var part in changes.Selection.Parts)
        {
            if (!changes.IsResumed && (isBack || part.Keys is not null))
                await CatchUpAsync(part, cancellationToken);
        }

        await EndAsync(cancellationToken);
        while (true)
        {
            var (appended, start) = (hub.Appended, time.GetTimestamp());
            while (await SendChangesAsync(cancellationToken))
            {
            }

            await WaitAsync(appended, start, cancellationToken);
        }
    }

    /// <summary>Sends some changes.</summary>
    /// <returns>Whether there may be more.</returns>
    private async Task<bool> SendChangesAsync(CancellationToken cancellationToken)
    {
        _changes.Clear();
        _missed.Clear();
        var isMore = changes.Read(ChangesPerRead, _changes, _missed);
        foreach (var part in _missed)
            await CatchUpAsync(part, cancellationToken);
        foreach (var part in changes.Selection.Parts)
        {
            _keys.Clear();
            foreach (var change in _changes)
            {
                if (change.Entity == part.Entity.Index)
                    _keys.Add(change.Key);
            }

            await SendAsync("change", part, cancellationToken);
        }

        if (_changes.Count + _missed.Count > 0)
            await EndAsync(cancellationToken);
        return isMore;
    }

    /// <summary>Sends the values of the entities that are named; where none is, says that changes may have been missed.</summary>
    private async Task CatchUpAsync(ChangePart part, CancellationToken cancellationToken)
    {
        if (part.Keys is null)
        {
            await stream.WriteAsync("missed", writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("entity"u8, part.Entity.Name);
                writer.WriteEndObject();
            }, cancellationToken);
            return;
        }

        _keys.Clear();
        _keys.AddRange(part.Keys);
        await SendAsync("snapshot", part, cancellationToken);
    }

    private async Task EndAsync(CancellationToken cancellationToken)
    {
        await stream.EndAsync($"{hub.Numbering}-{changes.Position}", cancellationToken);
        _sentAt = time.GetTimestamp();
    }

    private void WriteOpen(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteBoolean("resumed"u8, changes.IsResumed);
        writer.WriteStartArray("entities"u8);
        foreach (var part in changes.Selection.Parts)
            writer.WriteStringValue(part.Entity.Name);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    /// <summary>Sends the values of the entities in <see cref="_keys"/>, in as many events as it takes.</summary>
    private async Task SendAsync(string name, ChangePart part, CancellationToken cancellationToken)
    {
        var others = part.Features.Parts[0].Groups.Sum(group => group.Others.Length);
        var rows = Math.Max(1, Math.Min(Math.Min(RowsMax, ValuesMax / part.Features.Columns.Count), others == 0 ? RowsMax : OthersMax / others));
        for (var first = 0; first < _keys.Count; first += rows)
        {
            var query = part.Features.RentQuery();
            try
            {
                for (var index = first; index < Math.Min(first + rows, _keys.Count); index++)
                    part.Entity.DecodeKey(_keys[index], query.Keys(0), query.AddRow());
                await query.ReadAsync(entities, cancellationToken, isNewest: true);
                Filter(part, query, first, isChange: name == "change");
                if (query.RowsLeft > 0)
                    await stream.WriteAsync(name, writer => Write(writer, part, query), cancellationToken);
                ApiInstruments.ChangesSent.Add(query.RowsLeft);
                ApiInstruments.ChangesFiltered.Add(query.Rows - query.RowsLeft);
            }
            finally
            {
                part.Features.Return(query);
            }
        }
    }

    private void Filter(ChangePart part, FeatureQuery query, int first, bool isChange)
    {
        for (var row = 0; row < query.Rows; row++)
        {
            if (part.Where is { } where && !where.Holds(query, row)
                || part.OnChange is { } columns && !IsNew(part, columns, query, row, _keys[first + row]) && isChange)
            {
                query.LeaveOut(row);
            }
        }
    }

    /// <summary>Whether one of some values is another than was sent last; it is remembered.</summary>
    private bool IsNew(ChangePart part, int[] columns, FeatureQuery query, int row, byte[] key)
    {
        if (!_sent.TryGetValue(part, out var sent))
            _sent[part] = sent = new Dictionary<byte[], UInt128>(BytesComparer.Instance);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var column in columns)
        {
            var of = part.Features.Columns[column];
            if (!query.HasValue(of, row, column))
                hash.AppendData("n"u8);
            else if (of.Kind is Core.Plans.FeatureKind.Number)
                hash.AppendData(MemoryMarshal.AsBytes(new ReadOnlySpan<double>([query.Value(row, column)])));
            else
                hash.AppendData(query.Json(row, column));
            hash.AppendData("/"u8);
        }

        hash.GetHashAndReset(_hashed);
        var values = MemoryMarshal.Read<UInt128>(_hashed);
        if (sent.TryGetValue(key, out var before) && before == values)
            return false;
        if (sent.Count >= RememberedMax)
            sent.Clear();
        sent[key] = values;
        return true;
    }

    /// <summary>As /get-online-features answers, and the entity type.</summary>
    private static void Write(Utf8JsonWriter writer, ChangePart part, FeatureQuery query)
    {
        var keys = part.Entity.Keys;
        writer.WriteStartObject();
        writer.WriteStartObject("metadata"u8);
        writer.WriteString("entity"u8, part.Entity.Name);
        writer.WriteStartArray("feature_names"u8);
        foreach (var key in keys)
            writer.WriteStringValue(key.Name);
        foreach (var column in part.Features.Columns)
            writer.WriteStringValue(column.JsonName);
        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.WriteStartArray("results"u8);
        for (var key = 0; key < keys.Count; key++)
        {
            writer.WriteStartObject();
            writer.WriteStartArray("values"u8);
            for (var row = 0; row < query.Rows; row++)
            {
                if (!query.IsLeftOut(row))
                    KeyJson.WriteValue(writer, keys[key].Type, query.Keys(0).Row(row), key);
            }

            writer.WriteEndArray();
            OnlineFeaturesJson.WriteKeyStatuses(writer, query.RowsLeft);
            writer.WriteEndObject();
        }

        for (var column = 0; column < part.Features.Columns.Count; column++)
            OnlineFeaturesJson.WriteFeature(writer, part.Features.Columns[column], column, query, []);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    /// <summary>Waits for the next change, and for the interval to pass; so that the connection is not thought dead meanwhile, a comment goes now and then.</summary>
    private async Task WaitAsync(Task appended, long start, CancellationToken cancellationToken)
    {
        while (true)
        {
            var interval = changes.Selection.MinInterval - time.GetElapsedTime(start);
            var heartbeat = options.ChangesHeartbeat - time.GetElapsedTime(_sentAt);
            if (heartbeat <= TimeSpan.Zero)
            {
                await stream.CommentAsync(cancellationToken);
                await EndAsync(cancellationToken);
            }
            else if (interval > TimeSpan.Zero)
            {
                await Task.Delay(interval < heartbeat ? interval : heartbeat, time, cancellationToken);
            }
            else if (appended.IsCompleted)
            {
                return;
            }
            else
            {
                await appended.WaitAsync(heartbeat, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }
}
