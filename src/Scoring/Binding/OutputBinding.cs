using System.Globalization;
using System.Text;
using FeatureStore.Scoring.Native;

namespace FeatureStore.Scoring.Binding;

/// <summary>What a warm-up run showed of an output: elements a row of a tensor, or the classes of a sequence of maps.</summary>
internal sealed record OutputShape(int RowElements, string[]? Classes)
{
    /// <summary>Of an output that does not have a row for each row of input: no score comes from it.</summary>
    public static readonly OutputShape NotByRow = new(0, null);
}

/// <summary>One output of a model and which of its numbers become scores.</summary>
internal sealed record OutputBinding(Port Port, int RowElements, OutputPick[] Picks)
{
    /// <summary>A model with more outputs by default has to name those it means.</summary>
    private const int DefaultOutputsMax = 1024;

    /// <summary>Binds the scores that the definitions name, or all numbers of the model where they name none.</summary>
    /// <param name="outputs">The model's outputs.</param>
    /// <param name="shapes">What a warm-up showed of each; null elements: nothing.</param>
    /// <param name="paths">Name of a score → path.</param>
    /// <returns>The bindings, and the scores' names in order.</returns>
    /// <exception cref="MisfitException">A path leads nowhere, or to no number.</exception>
    public static (OutputBinding[] Bindings, string[] Names) Bind(
        IReadOnlyList<Port> outputs, IReadOnlyList<OutputShape?> shapes, IReadOnlyDictionary<string, string> paths)
    {
        var wanted = paths.Count > 0 ? paths.Select(path => (path.Key, Path: Resolve(path.Value, outputs, shapes))).ToList() : Defaults(outputs, shapes);
        if (wanted.Count == 0)
            throw new MisfitException(
                $"none of its outputs has numbers for each row: {Describe(outputs)}. "
                + "Export it with its probabilities or its prediction as an output");
        if (wanted.Count > DefaultOutputsMax)
            throw new MisfitException($"it has {wanted.Count} scores, at most {DefaultOutputsMax} are allowed. Name those that count under \"outputs\"");
        var bindings = wanted
            .Select((score, index) => (score.Path.Output, Pick: score.Path.Pick with { Score = index, Name = score.Key }))
            .GroupBy(score => score.Output, score => score.Pick)
            .Select(picks => new OutputBinding(outputs[picks.Key], RowElementsOf(outputs[picks.Key], shapes[picks.Key]), [.. picks]))
            .ToArray();
        return (bindings, [.. wanted.Select(score => score.Key)]);
    }

    private static List<(string Key, (int Output, OutputPick Pick) Path)> Defaults(IReadOnlyList<Port> outputs, IReadOnlyList<OutputShape?> shapes)
    {
        var wanted = new List<(string, (int, OutputPick))>();
        for (var i = 0; i < outputs.Count; i++)
        {
            var port = outputs[i];
            if (port.Kind == PortKind.Other || !port.Type.IsNumber())
                continue;
            if (port.Kind == PortKind.Tensor)
            {
                var elements = RowElementsOf(port, shapes[i]);
                for (var element = 0; element < elements && wanted.Count <= DefaultOutputsMax; element++)
                    wanted.Add((elements == 1 ? port.Name : $"{port.Name}[{element}]", (i, new OutputPick { Element = element })));
                continue;
            }

            var classes = shapes[i] is { } shape ? shape.Classes ?? [] : throw new MisfitException(
                $"the classes of its output \"{port.Name}\" are not known before it runs. "
                + "Name the scores under \"outputs\"");
            foreach (var name in classes)
                wanted.Add((port.KeyType == OnnxType.Text ? $"{port.Name}[\"{name}\"]" : $"{port.Name}[{name}]", (i, PickOf(port, name)!)));
        }

        return wanted;
    }

    /// <summary>Elements a row: as the warm-up showed, else as declared.</summary>
    private static int RowElementsOf(Port port, OutputShape? shape)
    {
        if (port.Kind != PortKind.Tensor)
            return 0;
        if (shape is not null)
            return shape.RowElements;
        var inner = port.Shape.Skip(1).ToList();
        return inner.TrueForAll(dimension => dimension >= 0)
            ? (int)Math.Min(int.MaxValue, inner.Aggregate(1.0, (product, dimension) => product * dimension))
            : throw new MisfitException(
                $"its output \"{port.Name}\" ({port.Describe()}) does not say how many numbers a row has. "
                + "Export it with fixed inner dimensions");
    }

    private static (int Output, OutputPick Pick) Resolve(string path, IReadOnlyList<Port> outputs, IReadOnlyList<OutputShape?> shapes)
    {
        var (output, selector) = Find(path, outputs);
        if (output < 0)
            throw new MisfitException(
                $"the output path \"{path}\" leads nowhere: the model has {Describe(outputs)}. "
                + "Write \"name\", \"name[1]\" or \"name[\"class\"]\"");
        var port = outputs[output];
        if (port.Kind == PortKind.Other || !port.Type.IsNumber())
            throw new MisfitException(
                $"the output path \"{path}\" leads to no number: \"{port.Name}\" is {port.Describe()}. "
                + $"Choose a number of {Describe(outputs)}");
        if (shapes[output] == OutputShape.NotByRow)
            throw new MisfitException(
                $"the output path \"{path}\" leads to no score: \"{port.Name}\" does not have a row for each row of input. "
                + $"Choose another of {Describe(outputs)}");
        return (output, port.Kind == PortKind.Maps
            ? ResolveClass(path, selector, port, shapes[output])
            : ResolveElement(path, selector, port, RowElementsOf(port, shapes[output])));
    }

    private static OutputPick ResolveElement(string path, string? selector, Port port, int elements)
    {
        var element = 0;
        if (selector is null ? elements != 1 : !int.TryParse(selector, NumberStyles.None, CultureInfo.InvariantCulture, out element) || element >= elements)
            throw new MisfitException(
                $"the output path \"{path}\" picks no number of \"{port.Name}\", which has {elements} a row. "
                + $"Write \"{port.Name}[0]\" to \"{port.Name}[{elements - 1}]\"");
        return new OutputPick { Element = element };
    }

    private static OutputPick ResolveClass(string path, string? selector, Port port, OutputShape? shape)
    {
        var name = selector is ['"', .., '"'] && selector.Length > 1 ? selector[1..^1] : selector;
        var pick = name is null ? null : PickOf(port, name);
        var classes = shape?.Classes;
        if (pick is null || (classes is not null && !classes.Contains(name)))
        {
            var known = classes is null ? "" : $", which has {string.Join(", ", classes.Select(one => $"\"{one}\""))}";
            throw new MisfitException($"the output path \"{path}\" names no class of \"{port.Name}\"{known}. Write \"{port.Name}[\"class\"]\"");
        }

        return pick;
    }

    private static OutputPick? PickOf(Port port, string name)
    {
        if (port.KeyType == OnnxType.Text)
            return new OutputPick { Text = Encoding.UTF8.GetBytes(name) };
        var isNumber = long.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number);
        return port.KeyType == OnnxType.Int64 && isNumber ? new OutputPick { Number = number } : null;
    }

    /// <summary>An output's name may itself end in brackets, so the whole path is tried first.</summary>
    private static (int Output, string? Selector) Find(string path, IReadOnlyList<Port> outputs)
    {
        var open = path.EndsWith(']') ? path.IndexOf('[', StringComparison.Ordinal) : -1;
        var named = -1;
        for (var i = 0; i < outputs.Count; i++)
        {
            if (outputs[i].Name == path)
                return (i, null);
            if (open > 0 && path.AsSpan(0, open).SequenceEqual(outputs[i].Name))
                named = i;
        }

        return (named, named < 0 ? null : path[(open + 1)..^1]);
    }

    private static string Describe(IReadOnlyList<Port> outputs) => string.Join(", ", outputs.Select(output => $"\"{output.Name}\" ({output.Describe()})"));
}

/// <summary>One number of each row of an output.</summary>
internal sealed record OutputPick
{
    /// <summary>Index in the row of a tensor.</summary>
    public int Element { get; init; }

    /// <summary>Key of a map with integer keys.</summary>
    public long Number { get; init; }

    /// <summary>Key of a map with text keys, UTF-8.</summary>
    public byte[] Text { get; init; } = [];

    /// <summary>Index of the score it becomes.</summary>
    public int Score { get; init; }

    /// <summary>Name of that score.</summary>
    public string Name { get; init; } = "";
}
