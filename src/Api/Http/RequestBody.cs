using System.Buffers;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Http;

namespace FeatureStore.Api.Http;

/// <summary>A request's JSON body in one pooled array. Dispose gives the array back.</summary>
internal struct RequestBody : IDisposable
{
    private byte[] _bytes;
    private int _length;

    public readonly ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

    /// <summary>Reads the body.</summary>
    /// <exception cref="ApiException">415, where it is not JSON by its headers; 413, where it is too large; 400, where it is empty or ends early.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public static async ValueTask<RequestBody> ReadAsync(HttpRequest request, int bytesMax, CancellationToken cancellationToken)
    {
        CheckHeaders(request);
        if (request.ContentLength > bytesMax)
            throw TooLarge(bytesMax);
        var bytes = ArrayPool<byte>.Shared.Rent((int)Math.Max(request.ContentLength ?? 0, 1024));
        var length = 0;
        try
        {
            while (true)
            {
                var result = await request.BodyReader.ReadAsync(cancellationToken);
                var read = result.Buffer;
                var wanted = length + read.Length;
                if (wanted > bytesMax)
                {
                    request.BodyReader.AdvanceTo(read.End);
                    throw TooLarge(bytesMax);
                }

                if (wanted > bytes.Length)
                    bytes = Grow(bytes, length, (int)Math.Max(wanted, Math.Min(bytes.Length * 2L, bytesMax)));
                read.CopyTo(bytes.AsSpan(length));
                length = (int)wanted;
                request.BodyReader.AdvanceTo(read.End);
                if (result.IsCompleted)
                    break;
            }
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(bytes);
            throw;
        }

        if (length == 0)
        {
            ArrayPool<byte>.Shared.Return(bytes);
            throw ApiException.BadRequest("empty-body", "The body is empty. Send a JSON object.");
        }

        return new RequestBody { _bytes = bytes, _length = length };
    }

    public void Dispose()
    {
        if (_bytes is not null)
            ArrayPool<byte>.Shared.Return(_bytes);
        this = default;
    }

    /// <summary>Only JSON: a web page of another origin cannot send it without this server's consent, which it does not give.</summary>
    private static void CheckHeaders(HttpRequest request)
    {
        var type = request.ContentType;
        if (type is null || !IsJson(type))
        {
            throw new ApiException(415, "unsupported-media-type",
                $"The content type is {(type is null ? "missing" : $"\"{type}\"")}. Send \"application/json\" in UTF-8.");
        }

        if (request.Headers.ContentEncoding.Count > 0 && request.Headers.ContentEncoding != "identity")
            throw new ApiException(415, "unsupported-content-encoding", "The body is compressed. Send it without a content encoding.");
    }

    private static bool IsJson(ReadOnlySpan<char> type)
    {
        const string Json = "application/json";
        if (!type.StartsWith(Json, StringComparison.OrdinalIgnoreCase))
            return false;
        var rest = type[Json.Length..].Trim();
        if (rest.IsEmpty)
            return true;
        if (rest[0] != ';')
            return false;
        rest = rest[1..].Trim();
        return !rest.StartsWith("charset=", StringComparison.OrdinalIgnoreCase)
            || rest["charset=".Length..].Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase);
    }

    private static byte[] Grow(byte[] bytes, int length, int capacity)
    {
        var grown = ArrayPool<byte>.Shared.Rent(capacity);
        bytes.AsSpan(0, length).CopyTo(grown);
        ArrayPool<byte>.Shared.Return(bytes);
        return grown;
    }

    private static ApiException TooLarge(int bytesMax) =>
        new(413, "body-too-large", $"The body is larger than {bytesMax:N0} bytes. Send fewer rows a request.");
}
