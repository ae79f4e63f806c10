using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;

namespace FeatureStore.Api.Push;

/// <summary>Writes rows of a source as the records that ingest reads: one JSON object, keyed by the text of the first view's entity key.</summary>
internal sealed class PushTarget
{
    private readonly JsonEncodedText[] _names;
    private readonly int[] _keyFields;

    public PushTarget(ProjectPlan plan, SourcePlan source)
    {
        Source = source;
        _names = [.. source.Definition.Fields.Select(field => JsonEncodedText.Encode(field.Name))];
        var view = plan.Definition.FeatureViews.FirstOrDefault(view => view.Source == source.Definition.Name);
        var entity = plan.Entities.FirstOrDefault(entity => entity.Name == view?.Entity);
        _keyFields = [.. entity?.Keys.Select(key => source.Schema.IndexOf(key.Name)) ?? []];
        Names = [.. source.Definition.Fields.Select(field => field.Name)];
        Utf8Names = [.. Names.Select(Encoding.UTF8.GetBytes)];
        Tag = new("source", source.Definition.Name);
    }

    public SourcePlan Source { get; }

    public string[] Names { get; }

    public byte[][] Utf8Names { get; }

    public KeyValuePair<string, object?> Tag { get; }

    /// <summary>Text of the key, joined by <c>|</c> as a prediction's is; nothing where a part of it is null.</summary>
    public void WriteKey(in FieldRow row, IBufferWriter<byte> output)
    {
        foreach (var field in _keyFields)
        {
            if (!row.Has(field))
                return;
        }

        for (var index = 0; index < _keyFields.Length; index++)
        {
            if (index > 0)
                output.Write("|"u8);
            var field = _keyFields[index];
            switch (Source.Schema.Fields[field].Type)
            {
                case FieldType.Bool:
                    output.Write(row.Bool(field) ? "true"u8 : "false"u8);
                    break;
                case FieldType.String:
                    WriteText(row.Text(field), _keyFields.Length > 1, output);
                    break;
                case FieldType.Timestamp:
                    Rfc3339.Write(row.Int64(field), output.GetSpan(Rfc3339.Length));
                    output.Advance(Rfc3339.Length);
                    break;
                case FieldType.Double:
                    row.Double(field).TryFormat(output.GetSpan(32), out var digits, default, CultureInfo.InvariantCulture);
                    output.Advance(digits);
                    break;
                default:
                    row.Int64(field).TryFormat(output.GetSpan(32), out var length, default, CultureInfo.InvariantCulture);
                    output.Advance(length);
                    break;
            }
        }
    }

    /// <summary>Writes an event; for a source of changes, the create of a row.</summary>
    public void WriteValue(in FieldRow row, Utf8JsonWriter writer)
    {
        if (Source.Definition.Envelope is EventEnvelope.None)
        {
            WriteFields(row, writer);
            return;
        }

        writer.WriteStartObject();
        writer.WriteString("op"u8, "c"u8);
        writer.WriteNull("before"u8);
        writer.WritePropertyName("after"u8);
        WriteFields(row, writer);
        writer.WriteEndObject();
    }

    private void WriteFields(in FieldRow row, Utf8JsonWriter writer)
    {
        Span<byte> time = stackalloc byte[Rfc3339.Length];
        writer.WriteStartObject();
        for (var field = 0; field < _names.Length; field++)
        {
            if (!row.Has(field))
                continue;
            writer.WritePropertyName(_names[field]);
            switch (Source.Schema.Fields[field].Type)
            {
                case FieldType.Bool:
                    writer.WriteBooleanValue(row.Bool(field));
                    break;
                case FieldType.String:
                    writer.WriteStringValue(row.Text(field));
                    break;
                case FieldType.Timestamp:
                    Rfc3339.Write(row.Int64(field), time);
                    writer.WriteStringValue(time);
                    break;
                case FieldType.Double:
                    writer.WriteDoubleValue(row.Double(field));
                    break;
                default:
                    writer.WriteNumberValue(row.Int64(field));
                    break;
            }
        }

        writer.WriteEndObject();
    }

    private static void WriteText(ReadOnlySpan<byte> text, bool joined, IBufferWriter<byte> output)
    {
        if (!joined)
        {
            output.Write(text);
            return;
        }

        foreach (var character in text)
        {
            if (character is (byte)'|' or (byte)'\\')
                output.Write("\\"u8);
            output.Write([character]);
        }
    }
}
