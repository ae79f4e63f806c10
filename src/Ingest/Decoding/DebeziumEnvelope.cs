using FeatureStore.Core.Events;
using FeatureStore.Ingest.DeadLetters;

namespace FeatureStore.Ingest.Decoding;

/// <summary>
/// Finds the rows in a change of a table as Debezium writes it: <c>{"op":"u","before":{…},"after":{…}}</c>, by itself or as the <c>payload</c> beside a
/// <c>schema</c>. Checks the whole value as JSON, and reads no row. One thread at a time.
/// </summary>
internal sealed unsafe class DebeziumEnvelope
{
    private JsonText _json;

    /// <summary>Reads a record's value.</summary>
    /// <param name="header">The record; its value is not null.</param>
    /// <param name="change">What it says; where it is not to be used, of operation None.</param>
    /// <returns>Why the record is a dead letter; of reason None where it is not.</returns>
    public Rejection Read(in EventHeader header, out RowChange change)
    {
        change = default;
        var start = header.Value;
        var end = start + header.ValueLength;
        if (header.ValueLength > JsonEventDecoder.ValueBytesMaxDefault)
            return new() { Reason = RejectionReason.TooLarge, Measured = header.ValueLength, Limit = JsonEventDecoder.ValueBytesMaxDefault };
        Members members = default;
        var after = ReadObject(JsonText.SkipSpace(start, end), end, ref members);
        if (after != null && (after = JsonText.SkipSpace(after, end)) != end)
            after = _json.Fail(JsonProblem.TrailingBytes, after);
        if (after == null)
            return new() { Reason = RejectionReason.MalformedJson, Problem = _json.Problem, PositionBytes = (int)(_json.ProblemAt - start) };
        if (members.Operation.IsAbsent && members.Payload.IsObject)
        {
            var payload = members.Payload;
            members = default;
            ReadObject(payload.Start, payload.End, ref members);
        }

        change = new RowChange(OperationOf(members.Operation), members.Before, members.After);
        var rejection = Judge(change);
        if (rejection.Reason != RejectionReason.None || change.Operation == RowOperation.Message)
            change = change with { Before = default, After = default };
        return rejection;
    }

    private static Rejection Judge(in RowChange change) => new()
    {
        Reason = change.Operation switch
        {
            RowOperation.None => RejectionReason.NoOperation,
            RowOperation.Truncate => RejectionReason.Truncated,
            RowOperation.Update or RowOperation.Delete when !change.Before.IsObject => RejectionReason.MissingBefore,
            RowOperation.Create or RowOperation.Read or RowOperation.Update when !change.After.IsObject => RejectionReason.MissingAfter,
            _ => RejectionReason.None,
        },
    };

    private static RowOperation OperationOf(in JsonRange value) => value.Text switch
    {
        [(byte)'"', var letter, (byte)'"'] => letter switch
        {
            (byte)'c' => RowOperation.Create,
            (byte)'r' => RowOperation.Read,
            (byte)'u' => RowOperation.Update,
            (byte)'d' => RowOperation.Delete,
            (byte)'t' => RowOperation.Truncate,
            (byte)'m' => RowOperation.Message,
            _ => RowOperation.None,
        },
        _ => RowOperation.None,
    };

    private byte* ReadObject(byte* at, byte* end, ref Members members)
    {
        if (at == end || *at != '{')
            return _json.FailStart(at, at, end);
        at = JsonText.SkipSpace(at + 1, end);
        if (at < end && *at == '}')
            return at + 1;
        while (true)
        {
            if (at == end)
                return _json.Fail(JsonProblem.EndsEarly, at);
            if (*at != '"')
                return _json.Fail(JsonProblem.NameExpected, at);
            var nameEnd = _json.SkipString(at, end, out _);
            if (nameEnd == null)
                return null;
            var name = new ReadOnlySpan<byte>(at + 1, (int)(nameEnd - at) - 2);
            at = _json.SkipColon(nameEnd, end);
            if (at == null)
                return null;
            var value = at;
            at = _json.SkipValue(at, end);
            if (at == null)
                return null;
            var range = new JsonRange(value, at);
            if (name.SequenceEqual("op"u8))
                members.Operation = range;
            else if (name.SequenceEqual("before"u8))
                members.Before = range;
            else if (name.SequenceEqual("after"u8))
                members.After = range;
            else if (name.SequenceEqual("payload"u8))
                members.Payload = range;
            at = JsonText.SkipSpace(at, end);
            if (at == end)
                return _json.Fail(JsonProblem.EndsEarly, at);
            if (*at == '}')
                return at + 1;
            if (*at != ',')
                return _json.Fail(JsonProblem.CommaExpected, at);
            at = JsonText.SkipSpace(at + 1, end);
        }
    }

    private struct Members
    {
        public JsonRange Operation;
        public JsonRange Before;
        public JsonRange After;
        public JsonRange Payload;
    }
}

/// <summary>What became of a row.</summary>
internal enum RowOperation
{
    /// <summary>None that is known.</summary>
    None,
    Create,

    /// <summary>A snapshot's row: it was there before changes were watched.</summary>
    Read,
    Update,
    Delete,

    /// <summary>All rows of the table are gone.</summary>
    Truncate,

    /// <summary>A message in the database's log, which is of no row.</summary>
    Message,
}

/// <summary>A change of a row: what was, and what is now.</summary>
internal readonly record struct RowChange(RowOperation Operation, JsonRange Before, JsonRange After);

/// <summary>Where a value stands in a JSON text.</summary>
internal readonly unsafe struct JsonRange(byte* start, byte* end)
{
    public byte* Start => start;

    public byte* End => end;

    public bool IsAbsent => start == null;

    public bool IsObject => start != null && *start == '{';

    public ReadOnlySpan<byte> Text => new(start, (int)(end - start));
}
