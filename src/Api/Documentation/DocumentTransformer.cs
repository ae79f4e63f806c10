using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace FeatureStore.Api.Documentation;

internal sealed class DocumentTransformer : IOpenApiDocumentTransformer
{
    public Task TransformAsync(OpenApiDocument document, OpenApiDocumentTransformerContext context, CancellationToken cancellationToken)
    {
        document.Info = new OpenApiInfo
        {
            Title = "Orleans.FeatureStore",
            Version = typeof(DocumentTransformer).Assembly.GetName().Version!.ToString(3),
            Description = "Online features and scores. Errors are problem documents (RFC 9457).",
        };
        document.Tags = new HashSet<OpenApiTag>
        {
            new() { Name = ApiOperations.Features, Description = "Reading features and pushing events, in Feast's JSON." },
            new() { Name = ApiOperations.Scoring, Description = "Scores by a model over its feature service." },
            new() { Name = ApiOperations.Inference, Description = "Raw inference by the Open Inference Protocol (V2)." },
            new() { Name = ApiOperations.Operating, Description = "Status, definitions, dead letters, health, metrics." },
        };
        return Task.CompletedTask;
    }
}
