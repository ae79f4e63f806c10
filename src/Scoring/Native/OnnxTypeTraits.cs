namespace FeatureStore.Scoring.Native;

/// <summary>What there is to know of an element type.</summary>
internal static class OnnxTypeTraits
{
    private static readonly (OnnxType Type, string Name, string Datatype, int Bytes)[] _all =
    [
        (OnnxType.Float, "float", "FP32", 4),
        (OnnxType.Double, "double", "FP64", 8),
        (OnnxType.Float16, "float16", "FP16", 2),
        (OnnxType.Bool, "bool", "BOOL", 1),
        (OnnxType.Int8, "int8", "INT8", 1),
        (OnnxType.Int16, "int16", "INT16", 2),
        (OnnxType.Int32, "int32", "INT32", 4),
        (OnnxType.Int64, "int64", "INT64", 8),
        (OnnxType.UInt8, "uint8", "UINT8", 1),
        (OnnxType.UInt16, "uint16", "UINT16", 2),
        (OnnxType.UInt32, "uint32", "UINT32", 4),
        (OnnxType.UInt64, "uint64", "UINT64", 8),
        (OnnxType.Text, "string", "BYTES", 0),
        (OnnxType.BFloat16, "bfloat16", "BF16", 2),
    ];

    /// <summary>ONNX's word for the type.</summary>
    public static string Describe(this OnnxType type) => Of(type)?.Name ?? $"type {(int)type}";

    /// <summary>The Open Inference Protocol's word for the type; null where it has none.</summary>
    public static string? Datatype(this OnnxType type) => Of(type)?.Datatype;

    /// <summary>Bytes of an element of a number type.</summary>
    public static int Bytes(this OnnxType type) => Of(type)!.Value.Bytes;

    /// <summary>Whether elements become doubles.</summary>
    public static bool IsNumber(this OnnxType type) => Of(type) is not null && type is not (OnnxType.Text or OnnxType.BFloat16);

    public static bool IsFloatingPoint(this OnnxType type) => type is OnnxType.Float or OnnxType.Double or OnnxType.Float16;

    private static (OnnxType Type, string Name, string Datatype, int Bytes)? Of(OnnxType type)
    {
        foreach (var traits in _all)
        {
            if (traits.Type == type)
                return traits;
        }

        return null;
    }
}
