using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Vectors;

/// <summary>
/// Computes the part of a service's vectors that no view gives: request fields and expressions. Immutable. A vector's features of views come first,
/// since expressions may use them.
/// </summary>
public sealed class ComputedFeatures
{
    /// <summary>Each behind those that it uses.</summary>
    private readonly (int Feature, CompiledExpression Expression, bool IsText)[] _features;

    /// <param name="service">The service.</param>
    /// <param name="rows">What rows it is computed from: the service's request, or a source that has all its fields. Other fields are not seen.</param>
    /// <exception cref="ArgumentException">The rows lack a field, or have it with another type.</exception>
    public ComputedFeatures(ServicePlan service, RowSchema rows)
    {
        ArgumentNullException.ThrowIfNull(service);
        ArgumentNullException.ThrowIfNull(rows);
        var names = ServiceExpressions.NamesOf(service);
        var visible = rows == service.Request ? rows : rows.Only(service.Request);
        _features = [.. service.Computed.Select(feature => (feature, Compile(service.Features[feature]), service.Features[feature].IsText))];

        CompiledExpression Compile(VectorFeature feature)
        {
            var origin = (FeatureOrigin.OfRequest)feature.Origin;
            return rows == service.Request ? origin.Expression
                : CompiledExpression.Compile(origin.Text, visible, names, out var error)
                ?? throw new ArgumentException($"expression \"{origin.Text}\": {error!.Message}");
        }
    }

    /// <summary>Fills all vectors of a batch from rows of the same indexes.</summary>
    public void Fill(VectorBatch vectors, EventBatch rows)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        ArgumentNullException.ThrowIfNull(rows);
        foreach (var (feature, expression, isText) in _features)
        {
            for (var row = 0; row < rows.Count; row++)
            {
                if (!isText)
                    vectors[row, feature] = expression.EvaluateNumber(rows.Row(row), vectors, row);
                else if (expression.TryEvaluateText(rows.Row(row), vectors, row, out var text))
                    vectors.SetText(row, feature, text);
            }
        }
    }
}
