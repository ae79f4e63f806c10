using FeatureStore.Core.Expressions;
using FeatureStore.Core.Vectors;

namespace FeatureStore.Core.Definitions;

internal static class FeatureServiceChecks
{
    public static void Check(DefinitionChecks checks)
    {
        var features = new ViewFeatures(checks);
        foreach (var (service, path, subject) in checks.Section(checks.Services, "feature_services", DefinitionLimits.FeatureServicesMax))
        {
            checks.Fields($"{path}.request", subject, service.Request);
            if (service.Features.Count is 0 or > DefinitionLimits.ServiceFeaturesMax)
            {
                checks.Add($"{path}.features", subject, $"has {service.Features.Count} features. A service has 1 to {DefinitionLimits.ServiceFeaturesMax}.");
                continue;
            }

            var expressions = DefinitionChecks.Schema(service.Request) is { } request ? ServiceExpressions.Compile(service.Features, request) : null;
            var names = new HashSet<string>(StringComparer.Ordinal);
            var columns = 0;
            for (var index = 0; index < service.Features.Count; index++)
            {
                var feature = service.Features[index];
                var featurePath = $"{path}.features[{index}]";
                if (!Origin(checks, features, service, index, expressions, featurePath, subject, out var isText))
                    continue;
                if (checks.Identifier($"{featurePath}.name", subject, "feature", feature.Name) && !names.Add(feature.Name))
                    checks.Add($"{featurePath}.name", subject, $"two features are called {DefinitionText.Quote(feature.Name)}. Give one of them another name.");
                TransformChecks.Check(checks, feature, isText, featurePath, subject);
                columns += feature.Transforms is [.., TransformDefinition.OneHot oneHot] ? oneHot.Categories.Count : 1;
            }

            if (columns > DefinitionLimits.ServiceColumnsMax)
                checks.Add($"{path}.features", subject, $"the vector has {columns} columns. At most {DefinitionLimits.ServiceColumnsMax} are allowed.");
        }
    }

    /// <summary>Splits <c>view:feature</c>.</summary>
    public static bool TrySplit(string reference, out string view, out string feature)
    {
        var colon = reference.IndexOf(':', StringComparison.Ordinal);
        view = colon < 0 ? "" : reference[..colon];
        feature = colon < 0 ? reference : reference[(colon + 1)..];
        return view.Length > 0 && feature.Length > 0 && !feature.Contains(':', StringComparison.Ordinal);
    }

    /// <summary>Checks where a value comes from; <paramref name="isText"/> is null where its type is not known.</summary>
    /// <returns>False where it comes from nowhere.</returns>
    private static bool Origin(DefinitionChecks checks, ViewFeatures features, FeatureServiceDefinition service, int index, ServiceExpressions? expressions, string path, string subject, out bool? isText)
    {
        var feature = service.Features[index];
        isText = null;
        switch (feature)
        {
            case { Feature: { } reference, RequestField: null, Expression: null }:
                isText = false;
                return features.Resolve(reference, $"{path}.feature", subject);
            case { Feature: null, RequestField: { } field, Expression: null }:
                var declared = service.Request.FirstOrDefault(declared => declared.Name == field);
                isText = declared is null || !Enum.IsDefined(declared.Type) ? null : declared.Type == FieldType.String;
                if (declared is null && service.Request.All(request => request.Name.Length > 0))
                    checks.Add($"{path}.feature", subject, $"{DefinitionText.Quote(field)} is not a field of the service's request.{features.RequestHint(field, service)}");
                return declared is not null;
            case { Feature: null, RequestField: null, Expression: { } expression }:
                if (string.IsNullOrWhiteSpace(expression))
                    checks.Add($"{path}.expression", subject, "the expression is empty.");
                else if (expressions?.Errors[index] is { } error)
                    checks.Add($"{path}.expression", subject, error.Message, error.Position);
                else if (expressions?.Compiled[index]?.Type is { } type)
                {
                    isText = type == ExpressionType.String;
                    if (type is ExpressionType.Bytes or ExpressionType.List or ExpressionType.Map or ExpressionType.Type or ExpressionType.Null)
                        checks.Add($"{path}.expression", subject, $"the expression is of type {DefinitionText.Name(type)}. A feature is a number, a bool, a timestamp or a string.");
                }

                return true;
            default:
                checks.Add(path, subject, "an entry takes exactly one of a view's feature, a request field and an expression.");
                return false;
        }
    }

    /// <summary>The features of all views, found by <c>view:feature</c>.</summary>
    private sealed class ViewFeatures(DefinitionChecks checks)
    {
        private readonly Dictionary<string, Dictionary<string, FeatureDefinition>> _featuresOfView = checks.Views.Items
            .DistinctBy(view => view.Name)
            .ToDictionary(
                view => view.Name,
                view => view.Features.DistinctBy(feature => feature.Name).ToDictionary(feature => feature.Name, StringComparer.Ordinal),
                StringComparer.Ordinal);

        /// <summary>What each feature asked for is that no vector takes; null where one does.</summary>
        private readonly Dictionary<FeatureDefinition, string?> _shapes = new(ReferenceEqualityComparer.Instance);

        public bool Resolve(string reference, string path, string subject)
        {
            if (!TrySplit(reference, out var viewName, out var featureName))
            {
                checks.Add(path, subject, $"{DefinitionText.Quote(reference)} names no feature. Write view:feature.");
                return false;
            }

            if (checks.Resolve(checks.Views, viewName, path, subject) is not { } view)
                return false;
            var features = _featuresOfView[view.Name];
            if (features.TryGetValue(featureName, out var feature))
            {
                if (ShapeOf(view, feature) is { } shape)
                    checks.Add(path, subject, $"{DefinitionText.Quote(reference)} is {shape}, and a vector takes numbers. Look it up by its view instead.");
                return true;
            }

            if (features.Count > 0 && !features.ContainsKey(""))
                checks.Add(path, subject, $"feature view {DefinitionText.Quote(viewName)} has no feature {DefinitionText.Quote(featureName)}.{checks.Hint(featureName, features.Keys)}");
            return false;
        }

        private string? ShapeOf(FeatureViewDefinition view, FeatureDefinition feature)
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
}
