using System.Text.Json;
using FeatureStore.Api.Features;
using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using Microsoft.AspNetCore.Http;

namespace FeatureStore.Api.Operations;

/// <summary>
/// <c>GET /v1/entities/{entity}/{key}</c> and, for keys of several parts or with slashes, <c>GET /v1/entities/{entity}?KEY=…</c>: every feature of one entity, view by
/// view, with the time as of which it was read and the age of the view's newest event. <c>DELETE</c> on the same paths erases the entity.
/// </summary>
internal sealed class EntityEndpoint(ProjectPlan plan, EntityReader reader, IEntityRuntime runtime, IPipelineStatus pipeline)
{
    private readonly Dictionary<string, FeatureSet> _sets = plan.Entities.ToDictionary(
        entity => entity.Name,
        entity => FeatureSet.OfFeatures(plan, Enumerable.Range(0, entity.Features.Count).Select(feature => (entity, feature)), fullNames: true),
        StringComparer.Ordinal);

    public async Task HandleAsync(HttpContext context)
    {
        var (entity, set) = Find(context.Request);
        var query = set.RentQuery();
        try
        {
            ReadKey(context.Request, entity, query);
            await query.ReadAsync(reader, context.RequestAborted);
            await JsonAnswer.SendAsync(context, writer => Write(writer, entity, set, query));
        }
        finally
        {
            set.Return(query);
        }
    }

    public async Task EraseAsync(HttpContext context)
    {
        var (entity, set) = Find(context.Request);
        var query = set.RentQuery();
        byte[] key;
        try
        {
            ReadKey(context.Request, entity, query);
            key = new byte[EntityPlan.KeyBytesMax];
            key = key[..entity.EncodeKey(query.Keys(0).Row(0), [.. Enumerable.Range(0, entity.Keys.Count)], key)];
        }
        finally
        {
            set.Return(query);
        }

        if (key.Length == 0)
            throw ApiException.BadRequest("bad-key", $"The key of entity \"{entity.Name}\" is longer than {EntityPlan.KeyBytesMax:N0} bytes, so no event can have carried it.");
        // Before ingest has found its topics, it is not known what was read of them.
        if (pipeline.Current.Phase == PipelinePhase.Starting)
            throw new ApiException(503, "starting", "The server is still starting, and cannot tell yet which events to keep out. Try again in a moment.");
        try
        {
            await runtime.EraseAsync(entity.Index, key, context.RequestAborted);
        }
        catch (EraseException exception)
        {
            throw new ApiException(503, "not-erased", exception.Message);
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private (EntityPlan Entity, FeatureSet Set) Find(HttpRequest request)
    {
        var name = (string)request.RouteValues["entity"]!;
        var entity = plan.Entities.FirstOrDefault(entity => entity.Name == name) ?? throw ApiException.NotFound("unknown-entity",
            $"There is no entity {DefinitionText.Quote(name)}. {DefinitionText.Hint(name, [.. plan.Entities.Select(known => known.Name)])}");
        var set = _sets[name];
        return set.Parts.Count > 0 ? (entity, set) : throw ApiException.NotFound("unknown-entity", $"Entity \"{name}\" has no features.");
    }

    private static void ReadKey(HttpRequest request, EntityPlan entity, FeatureQuery query)
    {
        var row = query.AddRow();
        var inPath = request.RouteValues["key"] as string;
        if (inPath is not null && entity.Keys.Count > 1)
        {
            throw ApiException.BadRequest("bad-key",
                $"Entity \"{entity.Name}\" has the join keys {string.Join(", ", entity.Keys.Select(key => $"\"{key.Name}\""))}. Give them in the query: /v1/entities/{entity.Name}?{string.Join('&', entity.Keys.Select(key => key.Name + "=…"))}");
        }

        for (var key = 0; key < entity.Keys.Count; key++)
        {
            var text = inPath ?? (request.Query.TryGetValue(entity.Keys[key].Name, out var values) && values.Count == 1 ? values[0]! : throw ApiException.BadRequest(
                "bad-key", $"The query lacks the join key \"{entity.Keys[key].Name}\", or has it twice. Write ?{entity.Keys[key].Name}=…"));
            KeyText.Set(query.Keys(0), row, key, entity.Keys[key], text);
        }
    }

    private static void Write(Utf8JsonWriter writer, EntityPlan entity, FeatureSet set, FeatureQuery query)
    {
        writer.WriteStartObject();
        writer.WriteString("entity"u8, entity.Name);
        writer.WriteStartObject("key"u8);
        KeyJson.Write(writer, entity.Keys, query.Keys(0).Row(0));
        writer.WriteEndObject();
        writer.WriteBoolean("found"u8, Enumerable.Range(0, set.Columns.Count).Any(column => query.NewestMs(0, column) > long.MinValue));
        writer.WriteStartArray("views"u8);
        for (var column = 0; column < set.Columns.Count;)
        {
            var view = set.Columns[column].View!;
            var newestMs = query.NewestMs(0, column);
            writer.WriteStartObject();
            writer.WriteString("view"u8, view.Name);
            writer.WriteString("source"u8, view.Source);
            StatusJson.WriteTime(writer, "as_of"u8, query.AsOfMs(0, column));
            StatusJson.WriteTime(writer, "event_timestamp"u8, newestMs);
            if (newestMs == long.MinValue)
                writer.WriteNull("age_ms"u8);
            else
                writer.WriteNumber("age_ms"u8, query.AsOfMs(0, column) - newestMs);
            writer.WriteStartArray("features"u8);
            for (; column < set.Columns.Count && set.Columns[column].View == view; column++)
                WriteFeature(writer, entity.Features[column].Name, set.Columns[column], column, query);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteFeature(Utf8JsonWriter writer, string name, FeatureColumn of, int column, FeatureQuery query)
    {
        writer.WriteStartObject();
        writer.WriteString("name"u8, name);
        writer.WritePropertyName("value"u8);
        query.WriteValue(writer, of, 0, column);
        writer.WriteString("status"u8, query.Status(0, column, of).ToString());
        writer.WriteEndObject();
    }
}
