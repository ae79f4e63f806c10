using System.Diagnostics.CodeAnalysis;

namespace FeatureStore.Api.Documentation;

/// <summary>What the OpenAPI document says of an endpoint.</summary>
internal sealed record ApiOperation(string Id, string Tag, string Summary)
{
    public string? Description { get; init; }

    /// <summary>Schema of the body; null: there is none.</summary>
    public Type? Request { get; init; }

    [StringSyntax(StringSyntaxAttribute.Json)]
    public string? RequestExample { get; init; }

    /// <summary>Schema of the answer; null: text, or nothing.</summary>
    public Type? Response { get; init; }

    [StringSyntax(StringSyntaxAttribute.Json)]
    public string? ResponseExample { get; init; }

    public string? ResponseContentType { get; init; } = "application/json";

    /// <summary>HTTP status of success.</summary>
    public int Status { get; init; } = 200;

    /// <summary>Parameters of the query, with what they mean.</summary>
    public IReadOnlyList<(string Name, string Description)> Query { get; init; } = [];
}
