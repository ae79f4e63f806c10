using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace FeatureStore.Api.Http;

/// <summary>
/// A JSON answer under way. Small ones leave in one piece with their length; large ones in pieces, so that memory stays bounded. Reused.
/// </summary>
internal sealed class ResponseJson : IDisposable
{
    private const int PieceBytes = 64 << 10;
    private const int KeptBytesMax = 1 << 20;

    private readonly Utf8JsonWriter _writer;
    private ArrayBufferWriter<byte> _buffer = new(4096);

    public ResponseJson() => _writer = new Utf8JsonWriter(_buffer, new JsonWriterOptions { SkipValidation = true });

    public Utf8JsonWriter Writer => _writer;

    /// <summary>Starts an answer; what an earlier one left is gone.</summary>
    public Utf8JsonWriter Start()
    {
        if (_buffer.Capacity > KeptBytesMax)
            _buffer = new ArrayBufferWriter<byte>(4096);
        else
            _buffer.ResetWrittenCount();
        _writer.Reset(_buffer);
        return _writer;
    }

    /// <summary>Sends what has gathered if that is much. Call it between parts of an answer that may be large.</summary>
    public ValueTask SendSomeAsync(HttpResponse response, CancellationToken cancellationToken) =>
        _writer.BytesPending + _buffer.WrittenCount < PieceBytes ? ValueTask.CompletedTask : SendAsync(response, cancellationToken);

    /// <summary>Sends the rest.</summary>
    public ValueTask EndAsync(HttpResponse response, CancellationToken cancellationToken)
    {
        _writer.Flush();
        if (!response.HasStarted)
        {
            response.ContentType ??= "application/json";
            response.ContentLength = _buffer.WrittenCount;
        }

        return SendAsync(response, cancellationToken);
    }

    public void Dispose() => _writer.Dispose();

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SendAsync(HttpResponse response, CancellationToken cancellationToken)
    {
        _writer.Flush();
        response.ContentType ??= "application/json";
        await response.BodyWriter.WriteAsync(_buffer.WrittenMemory, cancellationToken);
        _buffer.ResetWrittenCount();
    }
}
