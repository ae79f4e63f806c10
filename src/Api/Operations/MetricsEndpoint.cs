using System.Buffers;
using FeatureStore.Monitoring;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace FeatureStore.Api.Operations;

/// <summary><c>GET /metrics</c>: OpenMetrics for those who prefer it, else Prometheus text.</summary>
internal sealed class MetricsEndpoint(PrometheusExporter exporter)
{
    public Task HandleAsync(HttpContext context)
    {
        var format = Prefers(context.Request.Headers.Accept) ? MetricsFormat.OpenMetrics : MetricsFormat.Prometheus;
        var buffer = new ArrayBufferWriter<byte>(64 << 10);
        exporter.Write(buffer, format);
        context.Response.ContentType = format is MetricsFormat.OpenMetrics
            ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
            : "text/plain; version=0.0.4; charset=utf-8";
        context.Response.ContentLength = buffer.WrittenCount;
        return context.Response.Body.WriteAsync(buffer.WrittenMemory, context.RequestAborted).AsTask();
    }

    private static bool Prefers(Microsoft.Extensions.Primitives.StringValues accept)
    {
        if (!MediaTypeHeaderValue.TryParseList(accept, out var types))
            return false;
        return Quality("application/openmetrics-text") is > 0 and var open && open >= Quality("text/plain");

        double Quality(string type) => types.Where(candidate => candidate.MediaType.Equals(type, StringComparison.OrdinalIgnoreCase))
            .Select(candidate => candidate.Quality ?? 1).DefaultIfEmpty().Max();
    }
}
