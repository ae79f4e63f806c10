namespace FeatureStore.Core.Expressions;

/// <summary>Static type of a part of an expression.</summary>
/// <param name="Kind">The type, or the constructor of a list or map type.</param>
/// <param name="Key">Key type of a map.</param>
/// <param name="Element">Element type of a list, value type of a map.</param>
internal sealed record CelType(ExpressionType Kind, CelType? Key = null, CelType? Element = null)
{
    public static readonly CelType Int = new(ExpressionType.Int);
    public static readonly CelType Uint = new(ExpressionType.Uint);
    public static readonly CelType Double = new(ExpressionType.Double);
    public static readonly CelType Bool = new(ExpressionType.Bool);
    public static readonly CelType String = new(ExpressionType.String);
    public static readonly CelType Bytes = new(ExpressionType.Bytes);
    public static readonly CelType Timestamp = new(ExpressionType.Timestamp);
    public static readonly CelType Duration = new(ExpressionType.Duration);
    public static readonly CelType Null = new(ExpressionType.Null);
    public static readonly CelType Type = new(ExpressionType.Type);
    public static readonly CelType Dynamic = new(ExpressionType.Dynamic);
    public static readonly CelType AnyList = ListOf(Dynamic);
    public static readonly CelType AnyMap = MapOf(Dynamic, Dynamic);

    public bool IsNumber => Kind is ExpressionType.Int or ExpressionType.Uint or ExpressionType.Double;

    public bool IsDynamic => Kind == ExpressionType.Dynamic;

    public static CelType ListOf(CelType element) => new(ExpressionType.List, null, element);

    public static CelType MapOf(CelType key, CelType value) => new(ExpressionType.Map, key, value);

    /// <summary>The type of a value that may be of either type.</summary>
    public static CelType Join(CelType left, CelType right) =>
        left == right ? left
        : left.Kind == ExpressionType.Null ? right
        : right.Kind == ExpressionType.Null ? left
        : left.Kind == ExpressionType.List && right.Kind == ExpressionType.List ? ListOf(Join(left.Element!, right.Element!))
        : left.Kind == ExpressionType.Map && right.Kind == ExpressionType.Map
            ? MapOf(Join(left.Key!, right.Key!), Join(left.Element!, right.Element!))
        : Dynamic;

    /// <summary>Whether a value of the type may be used where this type is wanted; a dynamic one is looked at when the expression runs.</summary>
    public bool Accepts(CelType type) =>
        IsDynamic || type.IsDynamic
        || Kind == type.Kind && (Key is null || Key.Accepts(type.Key!)) && (Element is null || Element.Accepts(type.Element!));

    /// <summary>Whether values of the two types can be equal: numbers compare by value whatever their types.</summary>
    public bool Comparable(CelType other) =>
        IsDynamic || other.IsDynamic || Kind == ExpressionType.Null || other.Kind == ExpressionType.Null || IsNumber && other.IsNumber
        || Kind == other.Kind && (Key is null || Key.Comparable(other.Key!)) && (Element is null || Element.Comparable(other.Element!));

    public override string ToString() => Kind switch
    {
        ExpressionType.List when Element!.IsDynamic => "list",
        ExpressionType.List => $"list({Element})",
        ExpressionType.Map when Key!.IsDynamic && Element!.IsDynamic => "map",
        ExpressionType.Map => $"map({Key}, {Element})",
        ExpressionType.Dynamic => "dyn",
        _ => Kind.ToString().ToLowerInvariant(),
    };
}
