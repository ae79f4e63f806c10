using System.Reflection;
using Microsoft.AspNetCore.Http;

namespace FeatureStore.Api.OperatorConsole;

/// <summary>The console: three files from the assembly, which load nothing from anywhere else.</summary>
internal static class ConsoleEndpoints
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static RequestDelegate File(string name, string contentType)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name) ?? throw new InvalidOperationException($"The assembly lacks \"{name}\".");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return context =>
        {
            var response = context.Response;
            response.Headers.ContentSecurityPolicy = Policy;
            response.Headers.XFrameOptions = "DENY";
            response.Headers["Referrer-Policy"] = "no-referrer";
            response.Headers["Cross-Origin-Opener-Policy"] = "same-origin";
            response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
            response.ContentType = contentType;
            response.ContentLength = bytes.Length;
            return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : response.Body.WriteAsync(bytes, context.RequestAborted).AsTask();
        };
    }
}
