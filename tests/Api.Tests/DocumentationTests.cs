using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace FeatureStore.Api.Tests;

[TestClass]
public sealed class DocumentationTests
{
    [TestMethod]
    public async Task TheOpenApiDocumentHasEveryRouteWithSchemasAndExamples()
    {
        await using var host = await ApiHost.StartAsync();
        var reply = await host.GetAsync("/openapi/v1.json");
        Assert.AreEqual(HttpStatusCode.OK, reply.Status, reply.Text);
        StringAssert.StartsWith(reply.Json.GetProperty("openapi").GetString(), "3.1", StringComparison.Ordinal);
        var paths = reply.Json.GetProperty("paths");
        var ids = new HashSet<string>();

        foreach (var endpoint in host.Services.GetServices<EndpointDataSource>().SelectMany(source => source.Endpoints).OfType<RouteEndpoint>())
        {
            var route = endpoint.RoutePattern.RawText!;
            if (route is "/" or "/console.css" or "/console.js" or "/favicon.svg" || route.StartsWith("/openapi", StringComparison.Ordinal))
                continue;
            Assert.IsTrue(paths.TryGetProperty(route, out var path), $"{route} is not in the document");
            foreach (var method in endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()!.HttpMethods)
            {
                Assert.IsTrue(path.TryGetProperty(method.ToLowerInvariant(), out var operation), $"{method} {route} is not in the document");
                if (method != "HEAD")
                    Check($"{method} {route}", operation, ids);
            }
        }

        Assert.IsGreaterThanOrEqualTo(20, ids.Count);
    }

    [TestMethod]
    public async Task EveryExampleRequestOfTheDocumentIsWellFormedForItsEndpoint()
    {
        var yaml = ApiHost.Definitions;
        await using var host = await ApiHost.StartAsync(plan: ApiHost.Compile(yaml));
        var paths = (await host.GetAsync("/openapi/v1.json")).Json.GetProperty("paths");

        foreach (var path in paths.EnumerateObject().Where(path => path.Value.TryGetProperty("post", out _)))
        {
            var example = path.Value.GetProperty("post").GetProperty("requestBody").GetProperty("content").GetProperty("application/json").GetProperty("example");
            var reply = await host.PostAsync(path.Name.Replace("{model}", "risk", StringComparison.Ordinal).Replace("{version}", "7", StringComparison.Ordinal), example.GetRawText());

            // The examples are of another project: its names are unknown here, but nothing is malformed.
            var code = reply.Status == HttpStatusCode.OK ? "" : reply.Json.GetProperty("type").GetString()!;
            Assert.IsTrue(code is "" || code.Contains("unknown-", StringComparison.Ordinal), $"{path.Name}: {reply.Text}");
        }
    }

    private static void Check(string name, JsonElement operation, HashSet<string> ids)
    {
        Assert.IsTrue(ids.Add(operation.GetProperty("operationId").GetString()!), $"{name}: the id is another's");
        Assert.AreNotEqual("", operation.GetProperty("summary").GetString(), name);
        Assert.IsTrue(operation.GetProperty("responses").EnumerateObject().Any(response => response.Name is "200" or "204"), name);
        Assert.IsTrue(operation.GetProperty("responses").GetProperty("default").GetProperty("content").TryGetProperty("application/problem+json", out _), name);
        if (name.StartsWith("POST", StringComparison.Ordinal))
        {
            var body = operation.GetProperty("requestBody").GetProperty("content").GetProperty("application/json");
            Assert.IsTrue(body.TryGetProperty("schema", out _), name);
            Assert.IsTrue(body.TryGetProperty("example", out _), name);
        }

        var wanted = name.Split(' ')[1].Split('/').Count(segment => segment is ['{', .., '}']);
        var given = operation.TryGetProperty("parameters", out var parameters) ? parameters.EnumerateArray().Count(parameter => parameter.GetProperty("in").GetString() == "path") : 0;
        Assert.AreEqual(wanted, given, $"{name}: parameters of the path");
    }
}
