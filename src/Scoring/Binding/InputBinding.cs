using FeatureStore.Core.Vectors;
using FeatureStore.Scoring.Native;

namespace FeatureStore.Scoring.Binding;

/// <summary>What one input of a model is fed: some neighbouring columns of the service's vector, or one text feature.</summary>
internal sealed class InputBinding
{
    private readonly string[] _features;

    private InputBinding(Port port, int firstColumn, int columns, int textFeature, string[] features)
    {
        Port = port;
        FirstColumn = firstColumn;
        Columns = columns;
        TextFeature = textFeature;
        _features = features;
    }

    public Port Port { get; }

    public int FirstColumn { get; }

    /// <summary>Elements a row.</summary>
    public int Columns { get; }

    /// <summary>Index of the text feature that is fed as text; −1 where numbers are.</summary>
    public int TextFeature { get; }

    public bool IsText => TextFeature >= 0;

    /// <summary>Whether a value can be unfit for the input's type.</summary>
    public bool Checks => !IsText && !Port.Type.IsFloatingPoint();

    /// <summary>Binds every input of a model: to the feature of its name, or the only input to the whole vector.</summary>
    /// <exception cref="MisfitException">An input and the service do not fit.</exception>
    public static InputBinding[] Bind(IReadOnlyList<Port> inputs, ServicePlan service)
    {
        if (inputs.Count == 0)
            throw new MisfitException("it has no inputs. Export it with the features as its input");
        InputBinding[] bindings = inputs.Count == 1 && !IsOneFeature(inputs[0], service)
            ? [BindVector(inputs[0], service)]
            : [.. inputs.Select(input => BindFeature(input, service))];
        var fixedRows = inputs.Select(input => input.Shape[0]).Where(rows => rows >= 0).Distinct().ToList();
        if (fixedRows.Count > 1 || fixedRows is [0] || (fixedRows.Count == 1 && inputs.Any(input => input.Shape[0] < 0)))
            throw new MisfitException(
                $"its inputs disagree on the batch dimension: {string.Join("; ", inputs.Select(Describe))}. "
                + "Leave the first dimension of all inputs open, or give all one size");
        return bindings;
    }

    /// <summary>Why a row's values do not fit the input; null where they do.</summary>
    public string? Misfit(ReadOnlySpan<double> columns)
    {
        for (var i = 0; i < Columns; i++)
        {
            var value = columns[FirstColumn + i];
            if (Fits(value))
                continue;
            return double.IsNaN(value)
                ? $"feature \"{_features[i]}\" is null, and the model's input \"{Port.Name}\" of {Port.Type.Describe()} cannot hold that; impute it"
                : FormattableString.Invariant($"feature \"{_features[i]}\" is {value:R}, which the model's input \"{Port.Name}\" of {Port.Type.Describe()} cannot hold");
        }

        return null;
    }

    private bool Fits(double value) => Port.Type switch
    {
        OnnxType.Bool => value is 0 or 1,
        // 2^63 itself is the first double past the largest int64.
        OnnxType.Int64 => Math.Floor(value) == value && value is >= -9223372036854775808.0 and < 9223372036854775808.0,
        OnnxType.Int32 => Math.Floor(value) == value && value is >= int.MinValue and <= int.MaxValue,
        _ => true,
    };

    private static bool IsOneFeature(Port input, ServicePlan service) =>
        service.Features.Any(feature => feature.Name == input.Name && Accepts(input, feature.Columns) && (service.Width != feature.Columns || feature.IsText));

    private static InputBinding BindVector(Port input, ServicePlan service)
    {
        CheckType(input);
        if (input.Type == OnnxType.Text)
            throw new MisfitException(
                $"its input {Describe(input)} takes text, and no feature of service \"{service.Name}\" has its name. "
                + "Name each text input after its feature");
        if (!Accepts(input, service.Width))
            throw new MisfitException(
                $"its input {Describe(input)} does not take the {service.Width} columns of service \"{service.Name}\". "
                + $"The one input of a model is [N,{service.Width}], in the order of the service's features");
        var names = new List<string>();
        foreach (var feature in service.Features)
        {
            RefuseBareText(input, feature);
            names.AddRange(Enumerable.Repeat(feature.Name, feature.Columns));
        }

        return new InputBinding(input, 0, service.Width, -1, [.. names]);
    }

    private static InputBinding BindFeature(Port input, ServicePlan service)
    {
        CheckType(input);
        var firstColumn = 0;
        for (var i = 0; i < service.Features.Count; i++)
        {
            var feature = service.Features[i];
            if (feature.Name == input.Name)
            {
                if (!Accepts(input, feature.Columns))
                    throw new MisfitException(
                        $"its input {Describe(input)} does not take the {feature.Columns} columns of the feature of its name. "
                        + $"It must be {(feature.Columns == 1 ? "[N] or " : "")}[N,{feature.Columns}]");
                if (input.Type != OnnxType.Text)
                    RefuseBareText(input, feature);
                else if (!feature.IsText || feature.IsOneHot)
                    throw new MisfitException(
                        $"its input {Describe(input)} takes text, and the feature of its name is a number there. "
                        + "Give the model a number, or the service the text itself");
                var names = Enumerable.Repeat(feature.Name, feature.Columns).ToArray();
                return new InputBinding(input, firstColumn, feature.Columns, input.Type == OnnxType.Text ? i : -1, names);
            }

            firstColumn += feature.Columns;
        }

        throw new MisfitException(
            $"its input {Describe(input)} has no feature of its name in service \"{service.Name}\", "
            + $"which has {string.Join(", ", service.Features.Select(feature => $"\"{feature.Name}\""))}. "
            + "Several inputs are named each after a feature");
    }

    private static bool Accepts(Port input, int columns) => input.Kind == PortKind.Tensor && input.Shape.Length switch
    {
        1 => columns == 1,
        2 => input.Shape[1] == columns || input.Shape[1] < 0,
        _ => false,
    };

    private static void CheckType(Port input)
    {
        var fits = input.Type.IsFloatingPoint() || input.Type is OnnxType.Int64 or OnnxType.Int32 or OnnxType.Bool or OnnxType.Text;
        if (input.Kind != PortKind.Tensor || !fits)
            throw new MisfitException(
                $"its input {Describe(input)} is of a kind that features cannot feed. "
                + "Use a tensor of float, double, float16, int64, int32, bool or string");
    }

    private static void RefuseBareText(Port input, VectorFeature feature)
    {
        if (feature.IsText && !feature.IsOneHot)
            throw new MisfitException(
                $"its input {Describe(input)} takes numbers, and feature \"{feature.Name}\" is text. "
                + "Give the feature the transform \"one_hot\", or the model a string input of its name");
    }

    private static string Describe(Port input) => $"\"{input.Name}\" ({input.Describe()})";
}
