using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace FeatureStore.Api.Http;

/// <summary>Small JSON answers that nobody waits for in microseconds.</summary>
internal static class JsonAnswer
{
    public static Task SendAsync(HttpContext context, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using (var writer = new Utf8JsonWriter(buffer))
            write(writer);
        return SendAsync(context, buffer.WrittenMemory);
    }

    public static Task SendAsync(HttpContext context, ReadOnlyMemory<byte> json)
    {
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = json.Length;
        return context.Response.Body.WriteAsync(json, context.RequestAborted).AsTask();
    }
}
