namespace FeatureStore.Core.Expressions;

/// <summary>Ends a compilation; <see cref="CompiledExpression.Compile(string, Events.RowSchema, out ExpressionError?)"/> turns it into an <see cref="ExpressionError"/>.</summary>
internal sealed class ExpressionException(int position, string message) : Exception(message)
{
    public int Position { get; } = position;
}
