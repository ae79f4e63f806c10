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

    private static bool Resolve(DefinitionChecks checks, ViewFeatures features, string reference, string path, string subject)
    {
        if (features.Resolve(reference, path, subject) is not var (view, feature))
            return false;
        if (features.ShapeOf(view, feature) is { } shape)
            checks.Add(path, subject, $"{DefinitionText.Quote(reference)} is {shape}, and a vector takes numbers. Look it up by its view instead.");
        return true;
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
                return Resolve(checks, features, reference, $"{path}.feature", subject);
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
}
