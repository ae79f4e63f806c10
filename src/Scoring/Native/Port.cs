namespace FeatureStore.Scoring.Native;

/// <summary>An input or output of a model, as the model declares it.</summary>
internal sealed record Port
{
    public required string Name { get; init; }

    /// <summary>The name as the C API takes it; the session owns it.</summary>
    public required nint NativeName { get; init; }

    public required PortKind Kind { get; init; }

    /// <summary>Of a tensor's elements, or of the maps' values.</summary>
    public OnnxType Type { get; init; }

    /// <summary>Of the maps' keys.</summary>
    public OnnxType KeyType { get; init; }

    /// <summary>−1: open.</summary>
    public long[] Shape { get; init; } = [];

    /// <summary>Type and shape as people write them: <c>float [N,15]</c>.</summary>
    public string Describe() => Kind switch
    {
        PortKind.Tensor => $"{Type.Describe()} [{string.Join(',', Shape.Select(dimension => dimension < 0 ? "N" : $"{dimension}"))}]",
        PortKind.Maps => $"sequence of maps from {KeyType.Describe()} to {Type.Describe()}",
        _ => "neither a tensor nor a sequence of maps",
    };
}

internal enum PortKind
{
    Other,
    Tensor,

    /// <summary>A sequence of one map a row, from class to number: what ZipMap makes.</summary>
    Maps,
}
