namespace FeatureStore.Runtime;

/// <summary>What a model takes and gives, in the terms of the Open Inference Protocol.</summary>
public sealed record ModelMetadata(
    string Name,
    string Version,
    string Platform,
    IReadOnlyList<TensorMetadata> Inputs,
    IReadOnlyList<TensorMetadata> Outputs)
{
    /// <summary>SHA-256 of the model's file and then of its weights' files, in the order in which it names them; hexadecimal. Null: not known.</summary>
    public string? Sha256 { get; init; }
}

/// <summary>One input or output.</summary>
/// <param name="Name">As in the model's file.</param>
/// <param name="Datatype">BOOL, UINT8 … UINT64, INT8 … INT64, FP16, FP32, FP64 or BYTES.</param>
/// <param name="Shape">−1 for a dimension that the request decides.</param>
/// <param name="Classes">For an output that the model gives as a sequence of maps: the maps' keys, in the order of the tensor's columns; else null.</param>
public sealed record TensorMetadata(string Name, string Datatype, IReadOnlyList<long> Shape, IReadOnlyList<string>? Classes = null);
