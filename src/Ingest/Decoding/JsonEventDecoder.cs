using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Ingest.DeadLetters;

namespace FeatureStore.Ingest.Decoding;

/// <summary>
/// Turns a record's value, one JSON object (RFC 8259, UTF-8), into a row of its source. What is accepted is in <c>docs/events.md</c>.
/// Allocates nothing, and reads no byte outside the value. One thread at a time.
/// </summary>
public sealed unsafe class JsonEventDecoder
{
    /// <summary>Default of the largest value.</summary>
    public const int ValueBytesMaxDefault = 1 << 20;

    /// <summary>Upper bound of the option.</summary>
    public const int ValueBytesMaxLimit = 1 << 24;

    private const int Buckets = 256;

    private readonly byte[][] _names;
    private readonly MemberStart[] _starts;
    private readonly FieldType[] _types;
    private readonly sbyte[] _firstInBucket = new sbyte[Buckets];
    private readonly sbyte[] _nextInBucket;

    /// <summary>For each field (and, last, for the start of an object) the one that came after it the last time: members mostly keep their order.</summary>
    private readonly byte[] _successors;

    private readonly byte[] _unescaped;
    private readonly int _timestampField;
    private readonly int _valueBytesMax;
    private JsonText _json;

    /// <param name="source">The source whose fields are read.</param>
    /// <param name="valueBytesMax">Size from which a value is refused unread, plus one; 1 to <see cref="ValueBytesMaxLimit"/>.</param>
    public JsonEventDecoder(SourcePlan source, int valueBytesMax = ValueBytesMaxDefault)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(valueBytesMax);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(valueBytesMax, ValueBytesMaxLimit);
        var fields = source.Definition.Fields;
        _names = [.. fields.Select(field => Encoding.UTF8.GetBytes(field.Name))];
        _starts = [.. fields.Select(field => new MemberStart(field.Name))];
        _types = [.. fields.Select(field => field.Type)];
        _unescaped = new byte[Math.Max(RowSchema.TextBytesMax, _names.Max(name => name.Length))];
        _successors = new byte[fields.Count + 1];
        _nextInBucket = new sbyte[fields.Count];
        _timestampField = source.TimestampField;
        _valueBytesMax = valueBytesMax;
        Array.Fill(_firstInBucket, (sbyte)-1);
        for (var field = 0; field < fields.Count; field++)
        {
            _successors[field] = (byte)((field + 1) % fields.Count);
            ref var first = ref _firstInBucket[Bucket(_names[field])];
            _nextInBucket[field] = first;
            first = (sbyte)field;
        }
    }

    /// <summary>Adds a record to a batch, with <see cref="EventHeader.TimeMs"/> from the timestamp field.</summary>
    /// <param name="batch">A batch of the source's schema; unchanged where the record is refused.</param>
    /// <param name="header">The record; its bytes must outlive the batch's row.</param>
    /// <param name="rejection">Why the record is refused; reason None where it is not.</param>
    /// <returns>Whether the record was added.</returns>
    public bool TryDecode(EventBatch batch, in EventHeader header, out Rejection rejection)
    {
        ArgumentNullException.ThrowIfNull(batch);
        rejection = default;
        if (header.ValueLength > _valueBytesMax)
        {
            rejection = new() { Reason = RejectionReason.TooLarge, Measured = header.ValueLength, Limit = _valueBytesMax };
            return false;
        }

        return TryDecode(batch, header, header.Value, header.Value + header.ValueLength, out rejection);
    }

    /// <summary>Adds an object inside a record's value to a batch.</summary>
    /// <param name="batch">As above.</param>
    /// <param name="header">The record.</param>
    /// <param name="from">Where the object begins.</param>
    /// <param name="end">Where it ends.</param>
    /// <param name="rejection">As above; positions count from the start of the value.</param>
    internal bool TryDecode(EventBatch batch, in EventHeader header, byte* from, byte* end, out Rejection rejection)
    {
        rejection = default;
        var row = batch.Add(header);
        var value = header.Value;
        if (ReadObject(batch, row, value, from, end, ref rejection) != null)
        {
            var fields = batch.Row(row);
            if (fields.Has(_timestampField))
            {
                batch[row].TimeMs = fields.Int64(_timestampField);
                return true;
            }

            rejection = new() { Reason = RejectionReason.MissingTimestamp, Field = _timestampField };
        }
        else if (rejection.Reason == RejectionReason.None)
        {
            rejection = new() { Reason = RejectionReason.MalformedJson, Problem = _json.Problem, PositionBytes = (int)(_json.ProblemAt - value) };
        }

        batch.RemoveLast();
        return false;
    }

    private byte* ReadObject(EventBatch batch, int row, byte* start, byte* from, byte* end, ref Rejection rejection)
    {
        var at = JsonText.SkipSpace(from, end);
        if (at == end || *at != '{')
            return _json.FailStart(from, at, end);
        at = JsonText.SkipSpace(at + 1, end);
        if (at < end && *at == '}')
            return ReadEnd(at + 1, end);

        var previous = _types.Length;
        while (true)
        {
            int field = _successors[previous];
            ref readonly var expected = ref _starts[field];
            if (expected.IsAt(at, end) && at + expected.Length < end && at[expected.Length] > ' ')
            {
                at += expected.Length;
            }
            else
            {
                at = ReadName(at, end, out field);
                if (at == null || (at = _json.SkipColon(at, end)) == null)
                    return null;
                if (field >= 0)
                    _successors[previous] = (byte)field;
            }

            if (field >= 0)
            {
                previous = field;
                at = ReadValue(batch, row, field, start, at, end, ref rejection);
            }
            else
            {
                at = _json.SkipValue(at, end);
            }

            if (at == null)
                return null;
            at = JsonText.SkipSpace(at, end);
            if (at == end)
                return _json.Fail(JsonProblem.EndsEarly, at);
            if (*at == '}')
                return ReadEnd(at + 1, end);
            if (*at != ',')
                return _json.Fail(JsonProblem.CommaExpected, at);
            at = JsonText.SkipSpace(at + 1, end);
        }
    }

    private byte* ReadName(byte* at, byte* end, out int field)
    {
        field = -1;
        if (at == end)
            return _json.Fail(JsonProblem.EndsEarly, at);
        if (*at != '"')
            return _json.Fail(JsonProblem.NameExpected, at);
        var after = _json.SkipString(at, end, out var plain);
        if (after == null)
            return null;
        var name = new ReadOnlySpan<byte>(at + 1, (int)(after - at) - 2);
        if (!plain)
        {
            var length = JsonText.Unescape(name, _unescaped);
            // A name that does not fit is longer than any that is declared.
            if (length < 0)
                return after;
            name = _unescaped.AsSpan(0, length);
        }

        for (field = _firstInBucket[Bucket(name)]; field >= 0 && !name.SequenceEqual(_names[field]); field = _nextInBucket[field])
        {
        }

        return after;
    }

    private byte* ReadValue(EventBatch batch, int row, int field, byte* start, byte* at, byte* end, ref Rejection rejection)
    {
        var first = *at;
        switch (_types[field])
        {
            case FieldType.Int64 when first == '-' || char.IsAsciiDigit((char)first):
                return ReadInt64(batch, row, field, start, at, end, ref rejection);
            case FieldType.Double when first == '-' || char.IsAsciiDigit((char)first):
                return ReadDouble(batch, row, field, start, at, end, ref rejection);
            case FieldType.Bool when JsonText.IsLiteral(at, end, "true"u8):
                batch.SetInt64(row, field, 1);
                return at + 4;
            case FieldType.Bool when JsonText.IsLiteral(at, end, "false"u8):
                batch.SetInt64(row, field, 0);
                return at + 5;
            case FieldType.String when first == '"':
                return ReadText(batch, row, field, start, at, end, ref rejection);
            case FieldType.Timestamp when first == '"':
                return ReadTimestamp(batch, row, field, start, at, end, ref rejection);
            case FieldType.Timestamp when first == '-' || char.IsAsciiDigit((char)first):
                return ReadInt64(batch, row, field, start, at, end, ref rejection);
        }

        var after = _json.SkipValue(at, end);
        if (after == null)
            return null;
        var kind = JsonText.KindOf(first);
        if (kind == JsonKind.Null)
        {
            batch.SetNull(row, field);
            return after;
        }

        rejection = new() { Reason = RejectionReason.WrongType, Field = field, PositionBytes = (int)(at - start), Got = kind };
        return null;
    }

    private byte* ReadInt64(EventBatch batch, int row, int field, byte* start, byte* at, byte* end, ref Rejection rejection)
    {
        // Most integers are short, without sign, point or exponent.
        if (_types[field] == FieldType.Int64 && JsonNumber.TryReadShort(at, end, out var small, out var afterSmall))
        {
            batch.SetInt64(row, field, small);
            return afterSmall;
        }

        var after = JsonNumber.Scan(at, end, out var number);
        if (after == null)
            return _json.Fail(JsonProblem.BadNumber, at);
        var fits = number.TryGetInt64(out var value, out var isWhole);
        if (fits && _types[field] == FieldType.Timestamp && value is < Rfc3339.MinMs or > Rfc3339.MaxMs)
            fits = false;
        if (!fits)
            return Refuse(isWhole ? RejectionReason.OutOfRange : RejectionReason.NotWhole, field, start, at, ref rejection);
        batch.SetInt64(row, field, value);
        return after;
    }

    private byte* ReadDouble(EventBatch batch, int row, int field, byte* start, byte* at, byte* end, ref Rejection rejection)
    {
        var after = JsonNumber.Scan(at, end, out var number);
        if (after == null)
            return _json.Fail(JsonProblem.BadNumber, at);
        if (!number.TryGetDouble(new ReadOnlySpan<byte>(at, (int)(after - at)), out var value))
            return Refuse(RejectionReason.OutOfRange, field, start, at, ref rejection);
        batch.SetDouble(row, field, value);
        return after;
    }

    private byte* ReadText(EventBatch batch, int row, int field, byte* start, byte* at, byte* end, ref Rejection rejection)
    {
        var after = _json.SkipString(at, end, out var plain);
        if (after == null)
            return null;
        var length = (int)(after - at) - 2;
        if (plain && length <= RowSchema.TextBytesMax)
        {
            batch.SetRawText(row, field, (int)(at + 1 - start), length);
            return after;
        }

        length = plain ? -1 : JsonText.Unescape(new ReadOnlySpan<byte>(at + 1, length), _unescaped.AsSpan(0, RowSchema.TextBytesMax));
        if (length < 0)
            return Refuse(RejectionReason.TextTooLong, field, start, at, ref rejection);
        batch.SetText(row, field, _unescaped.AsSpan(0, length));
        return after;
    }

    private byte* ReadTimestamp(EventBatch batch, int row, int field, byte* start, byte* at, byte* end, ref Rejection rejection)
    {
        long value;
        // The common form, 2018-04-01T00:00:31Z: its quotes are where they must be, and what the parser accepts has no escapes.
        if (end - at >= 22 && at[21] == '"' && Rfc3339.TryParse(new ReadOnlySpan<byte>(at + 1, 20), out value))
        {
            batch.SetInt64(row, field, value);
            return at + 22;
        }

        var after = _json.SkipString(at, end, out var plain);
        if (after == null)
            return null;
        var text = new ReadOnlySpan<byte>(at + 1, (int)(after - at) - 2);
        if (!plain)
            text = _unescaped.AsSpan(0, Math.Max(0, JsonText.Unescape(text, _unescaped)));
        if (!Rfc3339.TryParse(text, out value))
            return Refuse(RejectionReason.BadTimestamp, field, start, at, ref rejection);
        batch.SetInt64(row, field, value);
        return after;
    }

    private static byte* Refuse(RejectionReason reason, int field, byte* start, byte* at, ref Rejection rejection)
    {
        rejection = new() { Reason = reason, Field = field, PositionBytes = (int)(at - start) };
        return null;
    }

    private byte* ReadEnd(byte* at, byte* end)
    {
        at = JsonText.SkipSpace(at, end);
        return at == end ? at : _json.Fail(JsonProblem.TrailingBytes, at);
    }

    private static int Bucket(ReadOnlySpan<byte> name) =>
        name.Length == 0 ? 0 : (name.Length * 31 + name[0] * 7 + name[name.Length / 2] * 5 + name[^1]) % Buckets;
}
