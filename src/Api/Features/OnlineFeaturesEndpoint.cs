using System.Text.Json;
using FeatureStore.Api.Http;
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
        OnlineFeaturesJson.WriteKeyStatuses(writer, rows);
        writer.WriteEndObject();
    }

    private static void WriteFeature(Utf8JsonWriter writer, FeatureColumn column, int index, FeatureQuery query)
    {
        Span<int> counts = stackalloc int[_tags.Length];
        OnlineFeaturesJson.WriteFeature(writer, column, index, query, counts);
        for (var status = 0; status < counts.Length; status++)
        {
            if (counts[status] > 0)
                ApiInstruments.ValuesServed.Add(counts[status], _tags[status]);
        }
    }
}
