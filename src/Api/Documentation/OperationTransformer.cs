using System.Text.Json.Nodes;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace FeatureStore.Api.Documentation;

/// <summary>Describes an endpoint from its <see cref="ApiOperation"/>: handlers read and write JSON themselves, so their signatures say nothing.</summary>
internal sealed class OperationTransformer : IOpenApiOperationTransformer
{
    public async Task TransformAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        if (context.Description.ActionDescriptor.EndpointMetadata.OfType<ApiOperation>().FirstOrDefault() is not { } documented)
            return;
        operation.OperationId = documented.Id;
        operation.Summary = documented.Summary;
        operation.Description = documented.Description;
        operation.Tags = new HashSet<OpenApiTagReference> { new(documented.Tag, context.Document) };
        operation.Parameters = Parameters(context.Description.RelativePath ?? "", documented);
        if (documented.Request is not null)
        {
            operation.RequestBody = new OpenApiRequestBody
            {
                Required = true,
                Content = new Dictionary<string, OpenApiMediaType>
                {
                    ["application/json"] = await MediaAsync(documented.Request, documented.RequestExample),
                },
            };
        }

        var status = documented.Status.ToString(System.Globalization.CultureInfo.InvariantCulture);
        operation.Responses = new OpenApiResponses { [status] = new OpenApiResponse { Description = "Done." } };
        if (documented.ResponseContentType is { } contentType)
        {
            operation.Responses[status] = new OpenApiResponse
            {
                Description = "Done.",
                Content = new Dictionary<string, OpenApiMediaType> { [contentType] = await MediaAsync(documented.Response ?? typeof(string), documented.ResponseExample) },
            };
        }

        operation.Responses["default"] = new OpenApiResponse
        {
            Description = "A problem (RFC 9457). Its type tells programs, its detail tells people what is wrong.",
            Content = new Dictionary<string, OpenApiMediaType> { [Http.ProblemWriter.ContentType] = await MediaAsync(typeof(Problem), null) },
        };

        async Task<OpenApiMediaType> MediaAsync(Type type, string? example) => new()
        {
            Schema = await context.GetOrCreateSchemaAsync(type, null, cancellationToken),
            Example = example is null ? null : JsonNode.Parse(example),
        };
    }

    private static List<IOpenApiParameter> Parameters(string path, ApiOperation documented)
    {
        var parameters = new List<IOpenApiParameter>();
        foreach (var segment in path.Split('/').Where(segment => segment is ['{', .., '}']))
        {
            var name = segment[1..^1];
            parameters.Add(new OpenApiParameter
            {
                Name = name,
                In = ParameterLocation.Path,
                Required = true,
                Description = name switch
                {
                    "model" => "Name of a model.",
                    "version" => "The version in service.",
                    "entity" => "Name of an entity.",
                    _ => "Value of the entity's join key.",
                },
                Schema = new OpenApiSchema { Type = JsonSchemaType.String },
            });
        }

        foreach (var (name, description) in documented.Query)
            parameters.Add(new OpenApiParameter { Name = name, In = ParameterLocation.Query, Description = description, Schema = new OpenApiSchema { Type = JsonSchemaType.String } });
        return parameters;
    }
}
