using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using FeatureStore.Runtime;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Api.Http;

/// <summary>What holds for every request: who may call, headers that protect browsers, metrics, and an answer to every error.</summary>
internal sealed partial class ApiMiddleware(FeatureStoreApiOptions options, EndpointDataSource endpoints, ILogger<ApiMiddleware> logger)
{
    private const string NoRoute = "(none)";

    private readonly ConcurrentDictionary<int, object> _statuses = new();
    private string? _lastHost;

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var start = Stopwatch.GetTimestamp();
        var headers = context.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers.CacheControl = "no-store";
        ApiInstruments.RequestsActive.Enter();
        try
        {
            CheckHost(context);
            await next(context);
            if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentLength: null, ContentType: null })
                await ProblemWriter.WriteAsync(context, Problem(context));
        }
        catch (Exception exception)
        {
            await AnswerAsync(context, exception);
        }
        finally
        {
            ApiInstruments.RequestsActive.Leave();
            Record(context, start);
        }
    }

    /// <summary>On the loopback interface, only names of it, or allowed ones: see <see cref="FeatureStoreApiOptions.AllowedHosts"/>.</summary>
    private void CheckHost(HttpContext context)
    {
        var host = context.Request.Host;
        if (host.Value == _lastHost || context.Connection.LocalIpAddress is not { } address || !IPAddress.IsLoopback(address))
            return;
        var name = host.Host;
        if (!name.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            && !(IPAddress.TryParse(name, out var named) && IPAddress.IsLoopback(named))
            && !options.AllowedHosts.Contains(name, StringComparer.OrdinalIgnoreCase))
        {
            throw new ApiException(421, "unknown-host", $"This server is not {Core.Definitions.DefinitionText.Quote(name)}. Call it by \"localhost\", or allow the name in its options (AllowedHosts).");
        }

        _lastHost = host.Value;
    }

    private ApiException Problem(HttpContext context)
    {
        var (method, path) = (context.Request.Method, context.Request.Path.Value ?? "/");
        return context.Response.StatusCode switch
        {
            404 => NotFound(path),
            405 => new ApiException(405, "method-not-allowed", $"{path} does not take {method}. It takes {context.Response.Headers.Allow}."),
            var status => new ApiException(status, "http-" + status.ToString(CultureInfo.InvariantCulture), $"{method} {path} failed."),
        };
    }

    private ApiException NotFound(string path)
    {
        var known = endpoints.Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.Metadata.GetMetadata<IHttpMethodMetadata>() is not null)
            .Select(endpoint => endpoint.RoutePattern.RawText ?? "/").Distinct(StringComparer.Ordinal);
        var nearest = Core.Definitions.DefinitionText.Nearest(path.Length <= 64 ? path : "", known);
        return new(404, "unknown-path", $"There is nothing at this path. {(nearest is null ? "See /openapi/v1.json." : $"Did you mean \"{nearest}\"?")}");
    }

    private async Task AnswerAsync(HttpContext context, Exception exception)
    {
        if (context.RequestAborted.IsCancellationRequested)
            return;
        var problem = exception switch
        {
            ApiException known => known,
            BadHttpRequestException { StatusCode: 413 } => new ApiException(413, "body-too-large", $"The body is larger than {options.BodyBytesMax:N0} bytes. Send fewer rows a request."),
            BadHttpRequestException bad => new ApiException(bad.StatusCode, "bad-request", bad.Message),
            OtherDefinitionsException other => new ApiException(503, "other-definitions", other.Message),
            _ => new ApiException(500, "internal-error", "The server failed on this request. Its log says why."),
        };
        if (problem.Status == 500)
            LogFailed(logger, exception, context.Request.Method, context.Request.Path);
        if (context.Response.HasStarted)
        {
            // Half an answer must not look like a whole one.
            context.Abort();
            return;
        }

        context.Response.ContentLength = null;
        if (problem.RetryAfterSeconds > 0)
            context.Response.Headers.RetryAfter = problem.RetryAfterSeconds.ToString(CultureInfo.InvariantCulture);
        await ProblemWriter.WriteAsync(context, problem);
    }

    private void Record(HttpContext context, long start)
    {
        var endpoint = context.GetEndpoint() as RouteEndpoint;
        if (endpoint?.Metadata.GetMetadata<LongLived>() is not null)
            return;
        var status = _statuses.GetOrAdd(context.Response.StatusCode, static code => code.ToString(CultureInfo.InvariantCulture));
        ApiInstruments.RequestDuration.Record(
            Stopwatch.GetElapsedTime(start).TotalSeconds,
            new("route", endpoint?.RoutePattern.RawText ?? NoRoute),
            new("method", Known(context.Request.Method)),
            new("status", status));
    }

    /// <summary>A client may invent methods; a label must not.</summary>
    private static string Known(string method) => method switch
    {
        "GET" => "GET",
        "POST" => "POST",
        "HEAD" => "HEAD",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        _ => "other",
    };

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Path} failed")]
    private static partial void LogFailed(ILogger logger, Exception exception, string method, string path);
}

/// <summary>On endpoints whose answers last as long as the client likes: no duration is recorded.</summary>
internal sealed class LongLived;
