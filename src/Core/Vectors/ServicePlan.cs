using FeatureStore.Core.Definitions;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Vectors;

/// <summary>A feature service, compiled: what its vector holds and how each value becomes columns of a model's input.</summary>
public sealed class ServicePlan
{
    /// <param name="name">Its name.</param>
    /// <param name="request">Fields that a request carries.</param>
    /// <param name="features">In the order of the vector.</param>
    /// <param name="computed">Those that come from the request, each behind those that it uses; null: in the order of the vector.</param>
    internal ServicePlan(string name, Events.RowSchema request, IReadOnlyList<VectorFeature> features, IReadOnlyList<int>? computed = null)
    {
        Computed = computed ?? [.. Enumerable.Range(0, features.Count).Where(feature => features[feature].Origin is FeatureOrigin.OfRequest)];

        Name = name;
        Request = request;
        Features = features;
        Width = features.Sum(feature => feature.Columns);
    }

    public string Name { get; }

    /// <summary>Fields that a request carries.</summary>
    public Events.RowSchema Request { get; }

    public IReadOnlyList<VectorFeature> Features { get; }

    /// <summary>Features that come from the request, by index, each behind those that it uses.</summary>
    internal IReadOnlyList<int> Computed { get; }

    /// <summary>Columns after transforms; one_hot makes several of one feature.</summary>
    public int Width { get; }

    /// <summary>
    /// Writes the transformed columns of rows [first, first + count), row-major, <see cref="Width"/> doubles a row; null is NaN.
    /// A text feature without one_hot writes NaN: models read it from the batch.
    /// </summary>
    public void WriteColumns(VectorBatch vectors, int first, int count, Span<double> columns)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        var column = 0;
        for (var index = 0; index < Features.Count; index++)
        {
            var feature = Features[index];
            for (var row = 0; row < count; row++)
                feature.Transform(vectors, first + row, index, columns.Slice(row * Width + column, feature.Columns));
            column += feature.Columns;
        }
    }
}

/// <summary>One feature of a service.</summary>
public sealed class VectorFeature
{
    private readonly TransformDefinition[] _transforms;
    private readonly byte[][]? _categories;
    private readonly double[]? _numbers;

    internal VectorFeature(string name, bool isText, FeatureOrigin origin, IReadOnlyList<TransformDefinition> transforms)
    {
        Name = name;
        IsText = isText;
        Origin = origin;
        _transforms = [.. transforms];
        if (transforms.Count > 0 && transforms[^1] is TransformDefinition.OneHot oneHot)
        {
            _categories = [.. oneHot.Categories.Select(System.Text.Encoding.UTF8.GetBytes)];
            _numbers = isText ? null : [.. oneHot.Categories.Select(text => double.Parse(text, System.Globalization.CultureInfo.InvariantCulture))];
            _transforms = _transforms[..^1];
        }

        Columns = _categories?.Length ?? 1;
    }

    public string Name { get; }

    public bool IsText { get; }

    /// <summary>Whether its columns are one a category.</summary>
    public bool IsOneHot => _categories is not null;

    public FeatureOrigin Origin { get; }

    /// <summary>How many columns it fills.</summary>
    public int Columns { get; }

    internal void Transform(VectorBatch vectors, int row, int feature, Span<double> columns)
    {
        if (IsText)
        {
            columns.Fill(_categories is null ? double.NaN : 0);
            if (_categories is not null && vectors.TryGetText(row, feature, out var text))
            {
                for (var i = 0; i < _categories.Length; i++)
                    columns[i] = text.SequenceEqual(_categories[i]) ? 1 : 0;
            }

            return;
        }

        var value = vectors[row, feature];
        foreach (var transform in _transforms)
            value = Apply(transform, value);
        if (_numbers is null)
        {
            columns[0] = value;
            return;
        }

        for (var i = 0; i < _numbers.Length; i++)
            columns[i] = value == _numbers[i] ? 1 : 0;
    }

    private static double Apply(TransformDefinition transform, double value) => transform switch
    {
        TransformDefinition.Standardize standardize => (value - standardize.Mean) / standardize.Std,
        TransformDefinition.MinMax minMax => (value - minMax.Min) / (minMax.Max - minMax.Min),
        TransformDefinition.Log1p => value > -1 ? LogOnePlus(value) : double.NaN,
        TransformDefinition.Clip clip => double.IsNaN(value) ? value : Math.Clamp(value, clip.Min, clip.Max),
        TransformDefinition.Impute impute => double.IsNaN(value) ? impute.Value : value,
        TransformDefinition.Bucketize bucketize => Bucket(bucketize.Bounds, value),
        _ => throw new InvalidOperationException($"No such transform: {transform}."),
    };

    private static double Bucket(IReadOnlyList<double> bounds, double value)
    {
        if (double.IsNaN(value))
            return value;
        var bucket = 0;
        while (bucket < bounds.Count && bounds[bucket] <= value)
            bucket++;
        return bucket;
    }

    /// <summary>ln(1 + x) without loss near 0: Kahan's correction of the rounded sum (W. Kahan, HP-15C Advanced Functions Handbook).</summary>
    private static double LogOnePlus(double x)
    {
        var sum = 1 + x;
        return sum == 1 ? x : double.IsInfinity(sum) ? sum : Math.Log(sum) * (x / (sum - 1));
    }
}

/// <summary>Where a vector's value comes from.</summary>
public abstract record FeatureOrigin
{
    /// <summary>A feature of a view of an entity.</summary>
    /// <param name="Entity">Index of the entity plan.</param>
    /// <param name="View">Name of the view.</param>
    /// <param name="Feature">Index in the entity plan's features.</param>
    public sealed record OfEntity(int Entity, string View, int Feature) : FeatureOrigin;

    /// <summary>A request field, or an expression over request fields and other features of the service. <see cref="ComputedFeatures"/> computes it.</summary>
    /// <param name="Text">Its source text, to compile against rows of another schema.</param>
    /// <param name="Expression">Compiled against the request's schema.</param>
    public sealed record OfRequest(string Text, CompiledExpression Expression) : FeatureOrigin;
}
