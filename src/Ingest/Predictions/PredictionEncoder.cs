using System.Text.Encodings.Web;
using System.Text.Json;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;

namespace FeatureStore.Ingest.Predictions;

/// <summary>
/// Writes predictions, the records of architecture §10, of one version of one model over events of one source. What never changes is encoded once;
/// a record allocates nothing. Any number of threads.
/// </summary>
public sealed unsafe class PredictionEncoder
{
    /// <summary>Room that <see cref="TryWriteKey"/> never finds too small for an event whose entity key can be encoded.</summary>
    public const int KeyBytesMax = 2 * EntityPlan.KeyBytesMax + 8 * JsonWriting.NumberBytesMax;

    private readonly RowSchema _schema;
    private readonly int _idField;
    private readonly int[] _keyFields;
    private readonly bool _withVector;
    private readonly int[] _textFeatures;
    private readonly int[] _textFields;
    private readonly int _fixedBytesMax;

    private readonly JsonPart _beforeId;
    /// <summary>One a source that positions can be of: of a join, the left and the right.</summary>
    private readonly JsonPart[] _topics;
    private readonly int _left;
    private readonly bool _isJoined;
    private readonly JsonPart _beforePosition;
    private readonly JsonPart _beforeEntity;
    private readonly JsonPart[] _beforeKeys;
    private readonly JsonPart _beforeTime;
    private readonly JsonPart _beforeOutputs;
    private readonly JsonPart[] _beforeOutput;
    private readonly JsonPart _beforeFeatures;
    private readonly JsonPart[] _beforeFeature;
    private readonly JsonPart _end;

    /// <param name="model">The model; its entity's join keys are fields of the source.</param>
    /// <param name="source">The source whose events are scored.</param>
    /// <param name="version">The model's version.</param>
    /// <param name="outputs">Names of the outputs, in the order of the scores.</param>
    public PredictionEncoder(ModelPlan model, SourcePlan source, string version, IReadOnlyList<string> outputs)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(outputs);
        _schema = source.Schema;
        _idField = source.IdField;
        _keyFields = [.. model.Entity.Keys.Select(key => _schema.IndexOf(key.Name))];
        if (_keyFields.Contains(-1))
            throw new ArgumentException($"Source \"{source.Definition.Name}\" lacks a join key of entity \"{model.Entity.Name}\".", nameof(source));
        _withVector = model.Definition.Sink?.Vector ?? false;
        var features = _withVector ? model.Service.Features : [];
        _textFeatures = [.. Enumerable.Range(0, features.Count).Where(index => features[index].IsText)];
        _textFields = [.. _keyFields.Append(_idField).Where(field => field >= 0 && _schema.Fields[field].Type == FieldType.String)];

        _isJoined = source.Join is not null;
        _left = source.Join?.Left.Index ?? 0;
        SourcePlan[] origins = source.Join is { } join ? [join.Left, join.Right] : [source];
        _topics = [.. origins.Select(origin => new JsonPart(Json(origin.Definition.Kafka!.Topic) + "/"))];
        _beforeId = new JsonPart("{\"id\":\"");
        _beforePosition = new JsonPart("\",\"position\":\"");
        _beforeEntity = new JsonPart(
            $"\",\"model\":\"{Json(model.Definition.Name)}\",\"version\":\"{Json(version)}\",\"service\":\"{Json(model.Service.Name)}\",\"entity\":{{");
        _beforeKeys = Members(model.Entity.Keys.Select(key => key.Name));
        _beforeTime = new JsonPart("},\"event_time\":\"");
        _beforeOutputs = new JsonPart("\",\"outputs\":{");
        _beforeOutput = Members(outputs);
        _beforeFeatures = new JsonPart("},\"features\":{");
        _beforeFeature = Members(features.Select(feature => feature.Name));
        _end = new JsonPart("}}");

        // Room for the id or its stand-in, the position; for each number, or for the quotes of a text; and for the last block.
        var numbers = _keyFields.Length + outputs.Count + features.Count + 7;
        _fixedBytesMax = numbers * JsonWriting.NumberBytesMax + 2 * _topics.Max(topic => topic.Length) + Rfc3339.Length + JsonPart.BlockBytes
            + new[] { _beforeId, _beforePosition, _beforeEntity, _beforeTime, _beforeOutputs, _beforeFeatures, _end }
                .Concat(_beforeKeys).Concat(_beforeOutput).Concat(_beforeFeature).Sum(part => part.Length);
    }

    /// <summary>Bytes that are enough for a record's value.</summary>
    public int ValueBytesMax(EventBatch events, int row, VectorBatch? vectors, int vectorRow)
    {
        ArgumentNullException.ThrowIfNull(events);
        var bytes = _fixedBytesMax;
        foreach (var field in _textFields)
            bytes += TextBytes(events.Row(row), field) * JsonWriting.EscapedBytesMax;
        foreach (var feature in _textFeatures)
        {
            if (vectors!.TryGetText(vectorRow, feature, out var text))
                bytes += text.Length * JsonWriting.EscapedBytesMax;
        }

        return bytes;
    }

    /// <summary>Writes a record's value.</summary>
    /// <param name="destination">Where to; the caller keeps it for as long as it needs the bytes.</param>
    /// <param name="events">Batch of the event.</param>
    /// <param name="row">Row of the event.</param>
    /// <param name="scores">The model's outputs.</param>
    /// <param name="vectors">Batch of the event's vector; may be null where the sink carries none.</param>
    /// <param name="vectorRow">Row of the vector.</param>
    /// <returns>Bytes written; −1, and nothing of use written, where the destination has less than <see cref="ValueBytesMax"/>.</returns>
    public int TryWriteValue(Span<byte> destination, EventBatch events, int row, ReadOnlySpan<double> scores, VectorBatch? vectors, int vectorRow)
    {
        ArgumentNullException.ThrowIfNull(events);
        ArgumentOutOfRangeException.ThrowIfNotEqual(scores.Length, _beforeOutput.Length);
        if (destination.Length < ValueBytesMax(events, row, vectors, vectorRow))
            return -1;
        var fields = events.Row(row);
        ref readonly var header = ref events[row];
        fixed (byte* start = destination)
        {
            var at = JsonWriting.Copy(start, _beforeId);
            if (_idField >= 0 && fields.Has(_idField))
                at = WriteField(at, fields, _idField, _schema.Fields[_idField].Type, isJson: true);
            else
                at = WritePosition(at, header);
            at = JsonWriting.Copy(at, _beforePosition);
            at = WritePosition(at, header);
            at = JsonWriting.Copy(at, _beforeEntity);
            for (var key = 0; key < _keyFields.Length; key++)
                at = WriteMember(JsonWriting.Copy(at, _beforeKeys[key]), fields, _keyFields[key]);
            at = JsonWriting.Copy(at, _beforeTime);
            Rfc3339.Write(header.TimeMs, new Span<byte>(at, Rfc3339.Length));
            at = JsonWriting.Copy(at + Rfc3339.Length, _beforeOutputs);
            for (var output = 0; output < scores.Length; output++)
                at = JsonWriting.Double(JsonWriting.Copy(at, _beforeOutput[output]), scores[output]);
            if (_withVector)
                at = WriteFeatures(JsonWriting.Copy(at, _beforeFeatures), vectors!, vectorRow);
            at = JsonWriting.Copy(at, _end);
            return (int)(at - start);
        }
    }

    /// <summary>
    /// Writes a record's key: the text of the model's entity key. Several join keys are joined by <c>|</c>; there, a <c>|</c> or <c>\</c> inside a text
    /// has a <c>\</c> before it, so that different entities have different keys.
    /// </summary>
    /// <returns>
    /// Bytes written; −1 where the destination has less than 40 bytes for each join key and twice the bytes of their texts.
    /// <see cref="KeyBytesMax"/> is enough for every entity.
    /// </returns>
    public int TryWriteKey(Span<byte> destination, EventBatch events, int row)
    {
        ArgumentNullException.ThrowIfNull(events);
        var fields = events.Row(row);
        var bytesMax = 0;
        foreach (var field in _keyFields)
            bytesMax += JsonWriting.NumberBytesMax + (_schema.Fields[field].Type == FieldType.String ? 2 * TextBytes(fields, field) : 0);
        if (destination.Length < bytesMax)
            return -1;
        fixed (byte* start = destination)
        {
            var at = start;
            for (var key = 0; key < _keyFields.Length; key++)
            {
                if (key > 0)
                    *at++ = (byte)'|';
                var field = _keyFields[key];
                var type = _schema.Fields[field].Type;
                if (!fields.Has(field))
                    continue;
                at = type == FieldType.String && _keyFields.Length > 1 ? WriteJoined(at, fields.Text(field)) : WriteField(at, fields, field, type, isJson: false);
            }

            return (int)(at - start);
        }
    }

    private byte* WriteFeatures(byte* at, VectorBatch vectors, int vectorRow)
    {
        var values = vectors.Row(vectorRow);
        for (var feature = 0; feature < values.Length; feature++)
        {
            at = JsonWriting.Copy(at, _beforeFeature[feature]);
            if (_textFeatures.Length == 0 || Array.IndexOf(_textFeatures, feature) < 0)
                at = JsonWriting.Double(at, values[feature]);
            else if (vectors.TryGetText(vectorRow, feature, out var text))
                at = WriteQuoted(at, text);
            else
                at = JsonWriting.Copy(at, "null"u8);
        }

        return at;
    }

    private byte* WriteMember(byte* at, in FieldRow fields, int field)
    {
        if (!fields.Has(field))
            return JsonWriting.Copy(at, "null"u8);
        var type = _schema.Fields[field].Type;
        if (type is not (FieldType.String or FieldType.Timestamp))
            return WriteField(at, fields, field, type, isJson: true);
        *at++ = (byte)'"';
        at = WriteField(at, fields, field, type, isJson: true);
        *at++ = (byte)'"';
        return at;
    }

    private static byte* WriteField(byte* at, in FieldRow fields, int field, FieldType type, bool isJson)
    {
        switch (type)
        {
            case FieldType.Int64:
                return JsonWriting.Int64(at, fields.Int64(field));
            case FieldType.Double:
                return JsonWriting.Double(at, fields.Double(field));
            case FieldType.Bool:
                return JsonWriting.Copy(at, fields.Bool(field) ? "true"u8 : "false"u8);
            case FieldType.Timestamp:
                Rfc3339.Write(fields.Int64(field), new Span<byte>(at, Rfc3339.Length));
                return at + Rfc3339.Length;
            default:
                return isJson ? JsonWriting.Text(at, fields.Text(field)) : JsonWriting.Copy(at, fields.Text(field));
        }
    }

    private byte* WritePosition(byte* at, in EventHeader header)
    {
        var topic = _topics[_isJoined && header.Origin != _left ? 1 : 0];
        at = JsonWriting.Int64(JsonWriting.Copy(at, topic), header.Partition);
        *at++ = (byte)'/';
        at = JsonWriting.Int64(at, header.Offset);
        if (!_isJoined)
            return at;
        *at++ = (byte)'#';
        return header.Ordinal == 0 ? JsonWriting.Copy(at, "u"u8) : JsonWriting.Int64(at, header.Ordinal);
    }

    private static byte* WriteQuoted(byte* at, ReadOnlySpan<byte> text)
    {
        *at++ = (byte)'"';
        at = JsonWriting.Text(at, text);
        *at++ = (byte)'"';
        return at;
    }

    private static byte* WriteJoined(byte* at, ReadOnlySpan<byte> text)
    {
        foreach (var character in text)
        {
            if (character is (byte)'|' or (byte)'\\')
                *at++ = (byte)'\\';
            *at++ = character;
        }

        return at;
    }

    private static int TextBytes(in FieldRow fields, int field) => fields.Has(field) ? fields.Text(field).Length : 0;

    private static JsonPart[] Members(IEnumerable<string> names) =>
        [.. names.Select((name, index) => new JsonPart($"{(index == 0 ? "" : ",")}\"{Json(name)}\":"))];

    private static string Json(string text) => JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).ToString();
}
