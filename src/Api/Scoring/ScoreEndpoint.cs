using System.Text.Json;
using FeatureStore.Api.Features;
using FeatureStore.Api.Http;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.ObjectPool;

namespace FeatureStore.Api.Scoring;

/// <summary><c>POST /v1/models/{model}/score</c>: join keys and request fields in, features and outputs out. One row, or <c>rows</c>.</summary>
internal sealed class ScoreEndpoint(ProjectPlan plan, IModelCatalog models, EntityReader reader, FeatureStoreApiOptions options)
{
    private readonly Dictionary<string, Target> _targets = plan.Models.ToDictionary(model => model.Definition.Name, model => new Target(plan, model), StringComparer.Ordinal);

    public async Task HandleAsync(HttpContext context)
    {
        var name = (string)context.Request.RouteValues["model"]!;
        var (target, scorer) = Find(name);
        using var body = await RequestBody.ReadAsync(context.Request, options.BodyBytesMax, context.RequestAborted);
        var query = target.Set.RentQuery();
        var work = target.Work.Get();
        try
        {
            RowInputs.Read(body.Bytes, target.Set, query, options.RowsMax);
            if ((long)query.Rows * target.Set.Columns.Count > options.ValuesMax)
                throw ApiException.BadRequest("too-many-values", $"The request has {query.Rows:N0} rows of {target.Set.Columns.Count:N0} features, more than {options.ValuesMax:N0} values. Score in several requests.");
            await query.ReadAsync(reader, context.RequestAborted);
            scorer.Score(query.Vectors!, work.Scores);
            var failed = work.Scores.Failures.Count;
            if (failed < query.Rows)
                ApiInstruments.RowsScored.Add(query.Rows - failed, target.Tag, _scored);
            if (failed > 0)
                ApiInstruments.RowsScored.Add(failed, target.Tag, _failed);
            await WriteAsync(context, target, scorer, query, work);
        }
        finally
        {
            target.Set.Return(query);
            target.Work.Return(work);
        }
    }

    private static readonly KeyValuePair<string, object?> _scored = new("outcome", "scored");
    private static readonly KeyValuePair<string, object?> _failed = new("outcome", "failed");

    private (Target Target, IScorer Scorer) Find(string name)
    {
        if (!_targets.TryGetValue(name, out var target))
            throw ModelNotFound(name, _targets.Keys);
        return models.TryGet(name, out var model)
            ? (target, model)
            : throw new ApiException(503, "model-not-loaded", $"model \"{name}\" is defined but not loaded. Put a version of it where the server looks for models.");
    }

    public static ApiException ModelNotFound(string name, IReadOnlyCollection<string> names) =>
        ApiException.NotFound("unknown-model", $"There is no model {Core.Definitions.DefinitionText.Quote(name)}. {Core.Definitions.DefinitionText.Hint(name, names)}");

    private static async Task WriteAsync(HttpContext context, Target target, IScorer scorer, FeatureQuery query, Work work)
    {
        var response = work.Response;
        var writer = response.Start();
        writer.WriteStartObject();
        writer.WriteString("model"u8, scorer.Model);
        writer.WriteString("version"u8, scorer.Version);
        writer.WriteString("service"u8, target.Model.Service.Name);
        writer.WriteStartArray("rows"u8);
        for (var row = 0; row < query.Rows; row++)
        {
            WriteRow(response.Writer, target, scorer, query, work, row);
            await response.SendSomeAsync(context.Response, context.RequestAborted);
        }

        response.Writer.WriteEndArray();
        response.Writer.WriteEndObject();
        await response.EndAsync(context.Response, context.RequestAborted);
    }

    private static void WriteRow(Utf8JsonWriter writer, Target target, IScorer scorer, FeatureQuery query, Work work, int row)
    {
        writer.WriteStartObject();
        writer.WriteStartObject("entity"u8);
        target.WriteKey(writer, query, row);
        writer.WriteEndObject();
        if (work.Scores.Failures.TryGetValue(row, out var reason))
        {
            writer.WriteString("error"u8, reason);
        }
        else
        {
            writer.WriteStartObject("outputs"u8);
            for (var output = 0; output < scorer.Outputs.Count; output++)
                WriteNumber(writer, scorer.Outputs[output], work.Scores.Row(row)[output]);
            writer.WriteEndObject();
        }

        writer.WriteStartObject("features"u8);
        for (var column = 0; column < target.Set.Columns.Count; column++)
        {
            writer.WritePropertyName(target.Set.Columns[column].JsonName);
            if (target.Set.Columns[column].View is null)
                query.WriteComputedValue(writer, target.Set.Columns[column], row, column);
            else
                WriteNumber(writer, query.Value(row, column));
        }

        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteNumber(Utf8JsonWriter writer, string name, double value)
    {
        writer.WritePropertyName(name);
        WriteNumber(writer, value);
    }

    private static void WriteNumber(Utf8JsonWriter writer, double value)
    {
        if (double.IsFinite(value))
            writer.WriteDoubleValue(value);
        else
            writer.WriteNullValue();
    }

    /// <summary>A model that can be asked for.</summary>
    private sealed class Target
    {
        private readonly int _part;

        public Target(ProjectPlan plan, ModelPlan model)
        {
            Model = model;
            Set = FeatureSet.OfService(plan, model.Service, false, model.Entity);
            _part = Set.Parts.Select((part, index) => (part, index)).First(part => part.part.Entity == model.Entity).index;
            Work = new DefaultObjectPool<Work>(new WorkPolicy());
            Tag = new("model", model.Definition.Name);
        }

        public ModelPlan Model { get; }

        public FeatureSet Set { get; }

        public ObjectPool<Work> Work { get; }

        public KeyValuePair<string, object?> Tag { get; }

        public void WriteKey(Utf8JsonWriter writer, FeatureQuery query, int row) => KeyJson.Write(writer, Model.Entity.Keys, query.Keys(_part).Row(row));
    }

    private sealed class WorkPolicy : PooledObjectPolicy<Work>
    {
        public override Work Create() => new();

        public override bool Return(Work obj) => obj.Scores.Count <= 4096;
    }

    /// <summary>Scores and the answer of one request. Reused.</summary>
    private sealed class Work
    {
        public ScoreBatch Scores { get; } = new();

        public ResponseJson Response { get; } = new();
    }
}
