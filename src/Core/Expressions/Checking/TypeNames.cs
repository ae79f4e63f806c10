namespace FeatureStore.Core.Expressions;

/// <summary>Names of types in a source, as values: type(x) == int.</summary>
internal static class TypeNames
{
    private static readonly Dictionary<string, ExpressionType> ByName = new(StringComparer.Ordinal)
    {
        ["int"] = ExpressionType.Int,
        ["uint"] = ExpressionType.Uint,
        ["double"] = ExpressionType.Double,
        ["bool"] = ExpressionType.Bool,
        ["string"] = ExpressionType.String,
        ["bytes"] = ExpressionType.Bytes,
        ["list"] = ExpressionType.List,
        ["map"] = ExpressionType.Map,
        ["null_type"] = ExpressionType.Null,
        ["type"] = ExpressionType.Type,
        ["google.protobuf.Timestamp"] = ExpressionType.Timestamp,
        ["google.protobuf.Duration"] = ExpressionType.Duration,
    };

    public static bool TryFind(string name, out ExpressionType type) => ByName.TryGetValue(name, out type);

    public static string NameOf(ExpressionType type) => ByName.First(pair => pair.Value == type).Key;
}
