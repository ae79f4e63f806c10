namespace FeatureStore.Core.Expressions;

/// <summary>The values of a vector that an expression may name beside the row's fields, by name. A field of the same name comes first.</summary>
internal sealed class VectorNames : Dictionary<string, VectorName>
{
    public VectorNames()
        : base(StringComparer.Ordinal)
    {
    }
}

/// <param name="Position">Place in the vector.</param>
/// <param name="IsText">A string; else a double.</param>
internal readonly record struct VectorName(int Position, bool IsText);
