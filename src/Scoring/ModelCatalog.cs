using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using FeatureStore.Runtime;

namespace FeatureStore.Scoring;

/// <summary>
/// The models of a folder: <c>fraud/&lt;integer&gt;/model.onnx</c>, of which the largest integer serves; <c>fraud.onnx</c> is version 1.
/// </summary>
public sealed class ModelCatalog : IModelCatalog
{
    private readonly Dictionary<string, OnnxScorer> _models = new(StringComparer.Ordinal);

    private ModelCatalog(IReadOnlyList<string> models) => Models = models;

    public IReadOnlyList<string> Models { get; }

    /// <summary>Loads every model of the definitions, or none.</summary>
    /// <param name="folder">The models' folder; null where none is configured.</param>
    /// <param name="models">The models.</param>
    /// <param name="options">Limits.</param>
    /// <exception cref="ModelLoadException">Some model cannot serve: one line for each such model.</exception>
    public static ModelCatalog Load(string? folder, IReadOnlyList<ModelPlan> models, OnnxOptions options)
    {
        ArgumentNullException.ThrowIfNull(models);
        return Load(folder, [.. models.Select(model => (model.Definition, model.Service))], options);
    }

    public bool TryGet(string name, [NotNullWhen(true)] out IServedModel? model)
    {
        var found = _models.TryGetValue(name, out var scorer);
        model = scorer;
        return found;
    }

    public void Dispose()
    {
        foreach (var model in _models.Values)
            model.Dispose();
    }

    internal static ModelCatalog Load(string? folder, IReadOnlyList<(ModelDefinition Definition, ServicePlan Service)> models, OnnxOptions options)
    {
        var catalog = new ModelCatalog([.. models.Select(model => model.Definition.Name)]);
        var errors = new List<string>();
        foreach (var (definition, service) in models)
        {
            try
            {
                var (path, version) = Find(folder, definition.Name);
                catalog._models.Add(definition.Name, OnnxScorer.Load(definition, version, service, path, options));
            }
            catch (ModelLoadException exception)
            {
                errors.Add(exception.Message);
            }
        }

        if (errors.Count == 0)
            return catalog;
        catalog.Dispose();
        throw new ModelLoadException(string.Join(Environment.NewLine, errors));
    }

    private static (string Path, string Version) Find(string? folder, string name)
    {
        if (folder is null)
            throw new ModelLoadException($"Model \"{name}\" has no file: no models folder is given. Start with \"--models DIR\".");
        if (name.Length == 0 || name is "." or ".." || name.AsSpan().IndexOfAny('/', '\\', '\0') >= 0)
            throw new ModelLoadException($"The model name \"{name}\" cannot be a folder's name. Use letters, digits, '_' and '-'.");
        var single = Path.Combine(folder, name + ".onnx");
        var versions = Path.Combine(folder, name);
        var newest = -1L;
        try
        {
            if (Directory.Exists(versions))
                newest = Directory.EnumerateDirectories(versions).Select(version => VersionOf(Path.GetFileName(version)) ?? -1).DefaultIfEmpty(-1).Max();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException($"The folder \"{versions}\" of model \"{name}\" cannot be read: {exception.Message}", exception);
        }

        var path = Path.Combine(versions, newest.ToString(CultureInfo.InvariantCulture), "model.onnx");
        if (newest < 1 && File.Exists(single))
            return (single, "1");
        if (newest < 0)
            throw new ModelLoadException(
                $"Model \"{name}\" has no file: there is neither \"{Path.Combine(versions, "<integer>", "model.onnx")}\" nor \"{single}\". "
                + "Put the model there.");
        if (!File.Exists(path))
            throw new ModelLoadException($"Version {newest} of model \"{name}\" is not whole: there is no \"{path}\". Put the model there, or remove the folder.");
        return (path, newest.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>The integer that a folder's name is, without sign or leading zeros.</summary>
    private static long? VersionOf(string folder)
    {
        var isNumber = long.TryParse(folder, NumberStyles.None, CultureInfo.InvariantCulture, out var version);
        return isNumber && version.ToString(CultureInfo.InvariantCulture) == folder ? version : null;
    }
}
