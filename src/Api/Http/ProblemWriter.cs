using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace FeatureStore.Api.Http;

/// <summary>Writes problem documents (RFC 9457). Under /v2 they also have the member <c>error</c> of the Open Inference Protocol.</summary>
internal static class ProblemWriter
{
    public const string ContentType = "application/problem+json";

    public static async Task WriteAsync(HttpContext context, ApiException problem)
    {
        var response = context.Response;
        response.StatusCode = problem.Status;
        response.ContentType = ContentType;
        if (HttpMethods.IsHead(context.Request.Method))
            return;
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            writer.WriteStartObject();
            writer.WriteString("type", "urn:featurestore:problem:" + problem.Code);
            writer.WriteString("title", ReasonPhrases.GetReasonPhrase(problem.Status));
            writer.WriteNumber("status", problem.Status);
            writer.WriteString("detail", problem.Message);
            writer.WriteString("instance", context.Request.Path.Value);
            if (problem.Line > 0)
            {
                writer.WriteNumber("line", problem.Line);
                writer.WriteNumber("byte", problem.Byte);
            }

            if (context.Request.Path.StartsWithSegments("/v2", StringComparison.Ordinal))
                writer.WriteString("error", problem.Message);
            writer.WriteEndObject();
        }

        response.ContentLength = stream.Length;
        await response.Body.WriteAsync(stream.GetBuffer().AsMemory(0, (int)stream.Length), context.RequestAborted);
    }
}
