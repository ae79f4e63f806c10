using System.Text.Json;
using FeatureStore.Api.Http;
using FeatureStore.Core.Events;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.ObjectPool;

namespace FeatureStore.Api.Features;

/// <summary>
/// Feast's <c>POST /get-online-features</c>, in its JSON. Join keys come back first, in the request's order, then the features. A value that is too old keeps its
/// value and says OUTSIDE_MAX_AGE, as with Feast's Go and Java servers.
/// </summary>
internal sealed class OnlineFeaturesEndpoint(FeatureCatalog catalog, EntityReader reader, FeatureStoreApiOptions options)
{
    private static readonly string[] _members = ["entities", "request_context", "features", "feature_service", "full_feature_names"];
    private static readonly JsonEncodedText _epoch = JsonEncodedText.Encode("1970-01-01T00:00:00Z");
    private static readonly JsonEncodedText[] _statuses = [.. Enum.GetNames<FeatureStatus>().Select(name => JsonEncodedText.Encode(name))];
    private static readonly KeyValuePair<string, object?>[] _tags = [.. Enum.GetNames<FeatureStatus>().Select(name => new KeyValuePair<string, object?>("status", name))];

    private readonly ObjectPool<ResponseJson> _responses = new DefaultObjectPool<ResponseJson>(new DefaultPooledObjectPolicy<ResponseJson>());

    public async Task HandleAsync(HttpContext context)
    {
        using var body = await RequestBody.ReadAsync(context.Request, options.BodyBytesMax, context.RequestAborted);
        var set = Parse(body.Bytes, out var entities, out var requestContext);
        var query = set.RentQuery();
        var response = _responses.Get();
        try
        {
            ReadInputs(body.Bytes, entities, requestContext, query);
            CheckSize(set, query);
            await query.ReadAsync(reader, context.RequestAborted);
            WriteHead(response.Start(), set, query);
            for (var column = 0; column < query.Inputs.Count + set.Columns.Count; column++)
            {
                if (column >= query.Inputs.Count)
                    WriteFeature(response.Writer, set.Columns[column - query.Inputs.Count], column - query.Inputs.Count, query);
                else if (query.Inputs[column].Keys.Length > 0)
                    WriteKey(response.Writer, body.Bytes[query.Inputs.Values(column)], query.Rows);
                await response.SendSomeAsync(context.Response, context.RequestAborted);
            }

            response.Writer.WriteEndArray();
            response.Writer.WriteEndObject();
            await response.EndAsync(context.Response, context.RequestAborted);
        }
        finally
        {
            set.Return(query);
            _responses.Return(response);
        }
    }

    private FeatureSet Parse(ReadOnlySpan<byte> body, out Range entities, out Range requestContext)
    {
        // Other members are skipped, as Feast skips them: its clients send more from version to version.
        Span<Range> values = stackalloc Range[_members.Length];
        JsonObject.Find(body, _members, values, strict: false);
        (entities, requestContext) = (values[0], values[1]);
        var features = body[values[2]];
        var service = body[values[3]];
        var fullNames = body[values[4]] switch
        {
            [] => false,
            [(byte)'t', ..] => true,
            [(byte)'f', ..] => false,
            _ => throw ApiException.BadRequest("bad-request", "\"full_feature_names\" is neither true nor false."),
        };
        if (!service.IsEmpty && (features.IsEmpty || features.SequenceEqual("[]"u8)))
            return catalog.OfService(service, fullNames);
        if (features.IsEmpty)
            throw ApiException.BadRequest("bad-request", "The body has neither \"features\" nor \"feature_service\". Name what to read.");
        return service.IsEmpty
            ? catalog.OfFeatures(features, fullNames)
            : throw ApiException.BadRequest("bad-request", "The body has both \"features\" and \"feature_service\". Name what to read in one of them.");
    }

    private void ReadInputs(ReadOnlySpan<byte> body, Range entities, Range requestContext, FeatureQuery query)
    {
        if (body[entities].IsEmpty)
            throw ApiException.BadRequest("bad-request", "The body has no \"entities\". Give a column of values for each join key.");
        query.Inputs.Find(body, entities, "entities");
        if (!body[requestContext].IsEmpty)
            query.Inputs.Find(body, requestContext, "request_context");
        query.Inputs.Read(body, query, options.RowsMax);
    }

    private void CheckSize(FeatureSet set, FeatureQuery query)
    {
        if ((long)query.Rows * set.Columns.Count > options.ValuesMax)
        {
            throw ApiException.BadRequest("too-many-values",
                $"The request asks for {query.Rows:N0} rows of {set.Columns.Count:N0} features, more than {options.ValuesMax:N0} values. Ask in several requests.");
        }
    }

    private static void WriteHead(Utf8JsonWriter writer, FeatureSet set, FeatureQuery query)
    {
        writer.WriteStartObject();
        writer.WriteStartObject("metadata"u8);
        writer.WriteStartArray("feature_names"u8);
        for (var input = 0; input < query.Inputs.Count; input++)
        {
            if (query.Inputs[input].Keys.Length > 0)
                writer.WriteStringValue(query.Inputs[input].JsonName);
        }

        foreach (var column in set.Columns)
            writer.WriteStringValue(column.JsonName);
        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.WriteStartArray("results"u8);
    }

    /// <summary>A join key's column: the request's own text, which has been read and found sound.</summary>
    private static void WriteKey(Utf8JsonWriter writer, ReadOnlySpan<byte> values, int rows)
    {
        writer.WriteStartObject();
        writer.WritePropertyName("values"u8);
        writer.WriteRawValue(values, skipInputValidation: true);
        WriteRepeated(writer, "statuses"u8, _statuses[(int)FeatureStatus.PRESENT], rows);
        WriteRepeated(writer, "event_timestamps"u8, _epoch, rows);
        writer.WriteEndObject();
    }

    private static void WriteFeature(Utf8JsonWriter writer, FeatureColumn column, int index, FeatureQuery query)
    {
        Span<int> counts = stackalloc int[_statuses.Length];
        writer.WriteStartObject();
        writer.WriteStartArray("values"u8);
        for (var row = 0; row < query.Rows; row++)
        {
            if (column.View is null)
                query.WriteComputedValue(writer, column, row, index);
            else
                query.WriteValue(writer, column, row, index);
        }

        writer.WriteEndArray();
        writer.WriteStartArray("statuses"u8);
        for (var row = 0; row < query.Rows; row++)
        {
            var status = query.Status(row, index, column);
            counts[(int)status]++;
            writer.WriteStringValue(_statuses[(int)status]);
        }

        writer.WriteEndArray();
        if (column.View is null)
            WriteRepeated(writer, "event_timestamps"u8, _epoch, query.Rows);
        else
            WriteTimestamps(writer, index, query);
        writer.WriteEndObject();
        for (var status = 0; status < counts.Length; status++)
        {
            if (counts[status] > 0)
                ApiInstruments.ValuesServed.Add(counts[status], _tags[status]);
        }
    }

    private static void WriteTimestamps(Utf8JsonWriter writer, int index, FeatureQuery query)
    {
        Span<byte> text = stackalloc byte[Rfc3339.Length];
        writer.WriteStartArray("event_timestamps"u8);
        for (var row = 0; row < query.Rows; row++)
        {
            if (query.NewestMs(row, index) is var newestMs && newestMs == long.MinValue)
                writer.WriteStringValue(_epoch);
            else
                writer.WriteStringValue(Timestamp(newestMs, text));
        }

        writer.WriteEndArray();
    }

    /// <summary>As protocol buffers write timestamps in JSON: no fraction where it is zero.</summary>
    private static ReadOnlySpan<byte> Timestamp(long unixMs, Span<byte> text)
    {
        Rfc3339.Write(unixMs, text);
        if (!text.EndsWith(".000Z"u8))
            return text;
        text[^5] = (byte)'Z';
        return text[..^4];
    }

    private static void WriteRepeated(Utf8JsonWriter writer, ReadOnlySpan<byte> name, JsonEncodedText value, int count)
    {
        writer.WriteStartArray(name);
        for (var row = 0; row < count; row++)
            writer.WriteStringValue(value);
        writer.WriteEndArray();
    }
}
