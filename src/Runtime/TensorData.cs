namespace FeatureStore.Runtime;

/// <summary>A tensor of a raw inference. Its elements are in exactly one of three arrays, row-major, as <see cref="Datatype"/> says.</summary>
public sealed record TensorData
{
    public required string Name { get; init; }

    /// <summary>BOOL, UINT8 … UINT64, INT8 … INT64, FP16, FP32, FP64 or BYTES.</summary>
    public required string Datatype { get; init; }

    /// <summary>No dimension negative; their product is the number of elements.</summary>
    public required IReadOnlyList<long> Shape { get; init; }

    /// <summary>Elements of FP16, FP32, FP64.</summary>
    public double[]? Doubles { get; init; }

    /// <summary>Elements of BOOL (0 or 1), INT8 … INT64 and UINT8 … UINT64 (UINT64 as its 64 bits).</summary>
    public long[]? Integers { get; init; }

    /// <summary>Elements of BYTES, as text.</summary>
    public string[]? Texts { get; init; }
}
