using System.Globalization;

namespace FeatureStore.Core.Definitions;

internal static class TransformChecks
{
    public static void Check(DefinitionChecks checks, ServiceFeatureDefinition feature, bool? isText, string featurePath, string subject)
    {
        var transforms = feature.Transforms;
        if (transforms.Count > DefinitionLimits.TransformsMax)
        {
            checks.Add($"{featurePath}.transform", subject, $"{transforms.Count} transforms are too many. At most {DefinitionLimits.TransformsMax} are allowed.");
            return;
        }

        for (var index = 0; index < transforms.Count; index++)
        {
            var path = $"{featurePath}.transform[{index}]";
            var transform = transforms[index];
            if (transform is TransformDefinition.OneHot oneHot)
            {
                if (index < transforms.Count - 1)
                    checks.Add(path, subject, "one_hot makes several columns, so it comes last.");
                OneHot(checks, oneHot, isText, $"{path}.one_hot", subject);
            }
            else if (isText == true)
            {
                checks.Add(path, subject, $"{DefinitionText.Quote(feature.Name)} is a text. Only one_hot takes texts.");
            }
            else
            {
                Number(checks, transform, path, subject);
            }
        }
    }

    private static void Number(DefinitionChecks checks, TransformDefinition transform, string path, string subject)
    {
        switch (transform)
        {
            case TransformDefinition.Standardize standardize:
                checks.Finite($"{path}.standardize.mean", subject, "mean", standardize.Mean);
                if (checks.Finite($"{path}.standardize.std", subject, "std", standardize.Std) && standardize.Std == 0)
                    checks.Add($"{path}.standardize.std", subject, "std is 0, by which nothing can be divided.");
                break;
            case TransformDefinition.MinMax minMax:
                Range(checks, minMax.Min, minMax.Max, $"{path}.minmax", subject);
                break;
            case TransformDefinition.Clip clip:
                Range(checks, clip.Min, clip.Max, $"{path}.clip", subject);
                break;
            case TransformDefinition.Impute impute:
                checks.Finite($"{path}.impute", subject, "impute", impute.Value);
                break;
            case TransformDefinition.Bucketize bucketize:
                Bounds(checks, bucketize.Bounds, $"{path}.bucketize", subject);
                break;
        }
    }

    private static void Range(DefinitionChecks checks, double min, double max, string path, string subject)
    {
        var isFinite = checks.Finite($"{path}.min", subject, "min", min) & checks.Finite($"{path}.max", subject, "max", max);
        if (isFinite && max <= min)
            checks.Add($"{path}.max", subject, $"max {max} is not greater than min {min}.");
    }

    private static void Bounds(DefinitionChecks checks, IReadOnlyList<double> bounds, string path, string subject)
    {
        if (bounds.Count is 0 or > DefinitionLimits.TransformValuesMax)
            checks.Add(path, subject, $"bucketize has {bounds.Count} bounds. It takes 1 to {DefinitionLimits.TransformValuesMax}.");
        checks.Ascending(path, subject, bounds);
    }

    private static void OneHot(DefinitionChecks checks, TransformDefinition.OneHot oneHot, bool? isText, string path, string subject)
    {
        if (oneHot.Categories.Count is 0 or > DefinitionLimits.TransformValuesMax)
            checks.Add(path, subject, $"one_hot has {oneHot.Categories.Count} categories. It takes 1 to {DefinitionLimits.TransformValuesMax}.");
        var seen = new HashSet<object>();
        for (var index = 0; index < oneHot.Categories.Count && isText is not null; index++)
        {
            var category = oneHot.Categories[index];
            object key = category;
            if (isText == false)
            {
                if (!double.TryParse(category, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) || !double.IsFinite(number))
                {
                    checks.Add($"{path}[{index}]", subject, $"category {DefinitionText.Quote(category)} is not a number, as the feature's values are (a bool's are 0 and 1).");
                    continue;
                }

                key = number;
            }

            if (!seen.Add(key))
                checks.Add($"{path}[{index}]", subject, $"category {DefinitionText.Quote(category)} is listed twice.");
        }
    }
}
