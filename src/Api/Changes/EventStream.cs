using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace FeatureStore.Api.Changes;

/// <summary>
/// Writes server-sent events. .NET's own formatter writes neither comments, which keep a quiet connection open, nor an id without an event, which lets a subscriber whose filter lets
/// little through come back where it was.
/// </summary>
internal sealed class EventStream : IDisposable
{
    private const int KeptBytesMax = 1 << 20;

    private readonly PipeWriter _out;
    private readonly Utf8JsonWriter _json;
    private ArrayBufferWriter<byte> _event = new(4096);

    /// <summary>Whether an event is written but for its end, before which its id may still come.</summary>
    private bool _isOpen;

    /// <param name="response">The answer, which begins.</param>
    public EventStream(HttpResponse response)
    {
        response.HttpContext.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        response.ContentType = "text/event-stream";
        // For proxies of nginx's kind, which gather answers.
        response.Headers["X-Accel-Buffering"] = "no";
        _out = response.BodyWriter;
        _json = new Utf8JsonWriter(_event, new JsonWriterOptions { SkipValidation = true });
    }

    /// <summary>Writes an event. Its id may follow.</summary>
    /// <param name="name">Its type.</param>
    /// <param name="write">Writes its data.</param>
    /// <param name="cancellationToken">Ends the wait for the client.</param>
    public async ValueTask WriteAsync(string name, Action<Utf8JsonWriter> write, CancellationToken cancellationToken)
    {
        if (_isOpen)
            _event.Write("\n"u8);
        Encoding.UTF8.GetBytes($"event: {name}\ndata: ", _event);
        _json.Reset(_event);
        write(_json);
        _json.Flush();
        _event.Write("\n"u8);
        _isOpen = true;
        await SendAsync(cancellationToken);
    }

    /// <summary>Ends the newest event with an id; where there is none, the id goes alone.</summary>
    public ValueTask EndAsync(string id, CancellationToken cancellationToken)
    {
        Encoding.UTF8.GetBytes($"id: {id}\n\n", _event);
        _isOpen = false;
        return SendAsync(cancellationToken);
    }

    /// <summary>Writes a comment, between two events.</summary>
    public ValueTask CommentAsync(CancellationToken cancellationToken)
    {
        _event.Write(":\n"u8);
        return SendAsync(cancellationToken);
    }

    public void Dispose() => _json.Dispose();

    /// <summary>Gives what is written to the connection, and waits while the client has more than it takes.</summary>
    private async ValueTask SendAsync(CancellationToken cancellationToken)
    {
        var result = await _out.WriteAsync(_event.WrittenMemory, cancellationToken);
        if (result.IsCompleted)
            throw new OperationCanceledException("The client has left.");
        if (_event.Capacity > KeptBytesMax)
            _event = new ArrayBufferWriter<byte>(4096);
        else
            _event.ResetWrittenCount();
    }
}
