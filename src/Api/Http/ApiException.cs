using System.Text.Json;

namespace FeatureStore.Api.Http;

/// <summary>A request that cannot be answered; becomes a problem document (RFC 9457).</summary>
/// <param name="status">HTTP status.</param>
/// <param name="code">What went wrong, for programs: the last part of the problem's type.</param>
/// <param name="detail">Fact, detail, hint, for people.</param>
internal sealed class ApiException(int status, string code, string detail) : Exception(detail)
{
    public int Status => status;

    public string Code => code;

    /// <summary>When to try again, seconds; 0 where it is not known.</summary>
    public int RetryAfterSeconds { get; init; }

    /// <summary>Line of the body that the problem is at, from 1; 0 where there is none.</summary>
    public long Line { get; init; }

    /// <summary>Byte in the line, from 1.</summary>
    public long Byte { get; init; }

    public static ApiException BadRequest(string code, string detail) => new(400, code, detail);

    public static ApiException NotFound(string code, string detail) => new(404, code, detail);

    public static ApiException Malformed(JsonException exception)
    {
        // The exception's own text ends with the position, which the document has as members.
        var message = exception.Message;
        var end = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        var (line, at) = ((exception.LineNumber ?? 0) + 1, (exception.BytePositionInLine ?? 0) + 1);
        return new(400, "malformed-json", $"The body is not valid JSON, at line {line}, byte {at}: {(end < 0 ? message : message[..end])}") { Line = line, Byte = at };
    }
}
