using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;
using FeatureStore.Runtime;
using Microsoft.AspNetCore.Http;

namespace FeatureStore.Api.Operations;

/// <summary>Probes: live while the process answers, ready while the pipeline applies and publishes.</summary>
internal sealed class HealthEndpoints(IPipelineStatus pipeline)
{
    public static Task LiveAsync(HttpContext context) => AnswerAsync(context, "{\"status\":\"live\"}");

    public Task ReadyAsync(HttpContext context)
    {
        ThrowUnlessReady(pipeline.Current);
        return AnswerAsync(context, "{\"status\":\"ready\"}");
    }

    public static void ThrowUnlessReady(PipelineStatus status)
    {
        if (status.Phase is not PipelinePhase.Running)
            throw new ApiException(503, "not-ready", $"The pipeline is {DefinitionText.Name(status.Phase)}{(status.Detail is null ? "." : $": {status.Detail}")}");
    }

    private static Task AnswerAsync(HttpContext context, string json)
    {
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = json.Length;
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.WriteAsync(json, context.RequestAborted);
    }
}
