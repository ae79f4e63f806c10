using System.Text.Json;
using FeatureStore.Api.Http;
using FeatureStore.Api.Scoring;
using FeatureStore.Runtime;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.ObjectPool;

namespace FeatureStore.Api.Inference;

/// <summary>The Open Inference Protocol (V2, JSON): the server's and the models' metadata and readiness, and raw inference past the feature service.</summary>
internal sealed class InferenceEndpoints(IModelCatalog models, IPipelineStatus pipeline, FeatureStoreApiOptions options)
{
    private readonly ObjectPool<ResponseJson> _responses = new DefaultObjectPool<ResponseJson>(new DefaultPooledObjectPolicy<ResponseJson>());

    public Task ServerAsync(HttpContext context) => AnswerAsync(context, writer =>
    {
        writer.WriteString("name"u8, "orleans-featurestore");
        writer.WriteString("version"u8, typeof(InferenceEndpoints).Assembly.GetName().Version!.ToString(3));
        writer.WriteStartArray("extensions"u8);
        writer.WriteEndArray();
    });

    public Task LiveAsync(HttpContext context) => AnswerAsync(context, writer => writer.WriteBoolean("live"u8, true));

    public Task ReadyAsync(HttpContext context)
    {
        Operations.HealthEndpoints.ThrowUnlessReady(pipeline.Current);
        foreach (var name in models.Models)
        {
            if (!models.TryGet(name, out _))
                throw new ApiException(503, "model-not-loaded", $"model \"{name}\" is not loaded yet.");
        }

        return AnswerAsync(context, writer => writer.WriteBoolean("ready"u8, true));
    }

    public Task ModelAsync(HttpContext context)
    {
        var metadata = Find(context).Metadata;
        return AnswerAsync(context, writer =>
        {
            writer.WriteString("name"u8, metadata.Name);
            writer.WriteStartArray("versions"u8);
            writer.WriteStringValue(metadata.Version);
            writer.WriteEndArray();
            writer.WriteString("platform"u8, metadata.Platform);
            WriteTensors(writer, "inputs", metadata.Inputs);
            WriteTensors(writer, "outputs", metadata.Outputs);
        });
    }

    public Task ModelReadyAsync(HttpContext context)
    {
        var model = Find(context);
        return AnswerAsync(context, writer =>
        {
            writer.WriteString("name"u8, model.Model);
            writer.WriteBoolean("ready"u8, true);
        });
    }

    public async Task InferAsync(HttpContext context)
    {
        var model = Find(context);
        using var body = await RequestBody.ReadAsync(context.Request, options.BodyBytesMax, context.RequestAborted);
        var request = InferenceRequest.Parse(body.Bytes);
        IReadOnlyList<TensorData> outputs;
        try
        {
            outputs = model.Infer(request.Inputs, request.Outputs);
        }
        catch (ModelInputException exception)
        {
            throw ApiException.BadRequest("bad-tensor", exception.Message);
        }
        catch (ModelRunException exception)
        {
            throw new ApiException(500, "model-failed", exception.Message);
        }

        await AnswerAsync(context, writer => WriteOutputs(writer, model, request.Id, outputs));
    }

    private static void WriteOutputs(Utf8JsonWriter writer, IServedModel model, string? id, IReadOnlyList<TensorData> outputs)
    {
        writer.WriteString("model_name"u8, model.Model);
        writer.WriteString("model_version"u8, model.Version);
        if (id is not null)
            writer.WriteString("id"u8, id);
        writer.WriteStartArray("outputs"u8);
        foreach (var output in outputs)
        {
            writer.WriteStartObject();
            writer.WriteString("name"u8, output.Name);
            writer.WriteString("datatype"u8, output.Datatype);
            WriteShape(writer, output.Shape);
            writer.WriteStartArray("data"u8);
            TensorJson.Write(writer, output);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteTensors(Utf8JsonWriter writer, string name, IReadOnlyList<TensorMetadata> tensors)
    {
        writer.WriteStartArray(name);
        foreach (var tensor in tensors)
        {
            writer.WriteStartObject();
            writer.WriteString("name"u8, tensor.Name);
            writer.WriteString("datatype"u8, tensor.Datatype);
            WriteShape(writer, tensor.Shape);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteShape(Utf8JsonWriter writer, IReadOnlyList<long> shape)
    {
        writer.WriteStartArray("shape"u8);
        foreach (var dimension in shape)
            writer.WriteNumberValue(dimension);
        writer.WriteEndArray();
    }

    private IServedModel Find(HttpContext context)
    {
        var name = (string)context.Request.RouteValues["model"]!;
        if (!models.TryGet(name, out var model))
        {
            throw models.Models.Contains(name)
                ? new ApiException(503, "model-not-loaded", $"model \"{name}\" is defined but not loaded.")
                : ScoreEndpoint.ModelNotFound(name, models.Models);
        }

        if (context.Request.RouteValues["version"] is string version && version != model.Version)
            throw ApiException.NotFound("unknown-version", $"model \"{name}\" has no version {Core.Definitions.DefinitionText.Quote(version)} in service; it is \"{model.Version}\".");
        return model;
    }

    private async Task AnswerAsync(HttpContext context, Action<Utf8JsonWriter> write)
    {
        var response = _responses.Get();
        try
        {
            var writer = response.Start();
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
            await response.EndAsync(context.Response, context.RequestAborted);
        }
        finally
        {
            _responses.Return(response);
        }
    }
}
