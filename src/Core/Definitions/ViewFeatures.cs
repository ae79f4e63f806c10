using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Definitions;

/// <summary>The features of all views, found by <c>view:feature</c>.</summary>
internal sealed class ViewFeatures(DefinitionChecks checks)
{
    private readonly Dictionary<string, Dictionary<string, FeatureDefinition>> _featuresOfView = checks.Views.Items
        .DistinctBy(view => view.Name)
        .ToDictionary(
            view => view.Name,
            view => view.Features.DistinctBy(feature => feature.Name).ToDictionary(feature => feature.Name, StringComparer.Ordinal),
            StringComparer.Ordinal);

    /// <summary>What each feature asked for is; null for a number.</summary>
    private readonly Dictionary<FeatureDefinition, string?> _shapes = new(ReferenceEqualityComparer.Instance);

    /// <summary>The feature that a reference names. Null, with an error, where it names none.</summary>
    public (FeatureViewDefinition View, FeatureDefinition Feature)? Resolve(string reference, string path, string subject)
    {
        if (!FeatureServiceChecks.TrySplit(reference, out var viewName, out var featureName))
        {
            checks.Add(path, subject, $"{DefinitionText.Quote(reference)} names no feature. Write view:feature.");
            return null;
        }

        if (checks.Resolve(checks.Views, viewName, path, subject) is not { } view)
            return null;
        var features = _featuresOfView[view.Name];
        if (features.TryGetValue(featureName, out var feature))
            return (view, feature);
        if (features.Count > 0 && !features.ContainsKey(""))
            checks.Add(path, subject, $"feature view {DefinitionText.Quote(viewName)} has no feature {DefinitionText.Quote(featureName)}.{checks.Hint(featureName, features.Keys)}");
        return null;
    }

    /// <summary>What a feature's value is, in a sentence; null for a number.</summary>
    public string? ShapeOf(FeatureViewDefinition view, FeatureDefinition feature)
    {
        if (!_shapes.TryGetValue(feature, out var shape))
            _shapes.Add(feature, shape = AggregateRules.ShapeOf(feature) ?? (IsText(view, feature) ? "a text" : null));
        return shape;
    }

    private bool IsText(FeatureViewDefinition view, FeatureDefinition feature) =>
        feature is { Aggregate: Aggregate.First or Aggregate.Last, Of: { } of }
        && checks.Sources.Find(view.Source) is { } source && checks.SchemaOf(source) is { } schema
        && AggregateChecks.IsText(feature.Aggregate, CompiledExpression.Compile(of, schema, out _)?.Type);

    /// <summary>A feature's plain name in place of <c>view:feature</c> is the usual mistake.</summary>
    public string RequestHint(string name, FeatureServiceDefinition service)
    {
        var view = _featuresOfView.FirstOrDefault(view => view.Value.ContainsKey(name)).Key;
        return view is null
            ? checks.Hint(name, DefinitionChecks.FieldNames(service.Request))
            : $" Did you mean {DefinitionText.Quote($"{view}:{name}")}?";
    }
}
