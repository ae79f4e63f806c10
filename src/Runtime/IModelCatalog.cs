using System.Diagnostics.CodeAnalysis;

namespace FeatureStore.Runtime;

/// <summary>The models that are loaded. It owns them: callers do not dispose what they get.</summary>
public interface IModelCatalog : IDisposable
{
    /// <summary>Names of the models, in order of definition.</summary>
    IReadOnlyList<string> Models { get; }

    /// <summary>The version in service of a model.</summary>
    /// <returns>False where no model has that name.</returns>
    bool TryGet(string name, [NotNullWhen(true)] out IServedModel? model);
}

/// <summary>A loaded model that also answers raw tensors, past the feature service.</summary>
public interface IServedModel : IScorer
{
    ModelMetadata Metadata { get; }

    /// <summary>Runs the model once over tensors given by name. Any number of threads may call at once; inputs and outputs are bounded in size.</summary>
    /// <param name="inputs">Every input of the model, in any order.</param>
    /// <param name="outputs">Names of the outputs wanted, in order; empty: all.</param>
    /// <exception cref="ModelInputException">The caller's fault: a name, datatype, shape or value that the model does not take, or one too large.</exception>
    /// <exception cref="ModelRunException">The model failed over inputs it should take, or did not end in time.</exception>
    IReadOnlyList<TensorData> Infer(IReadOnlyList<TensorData> inputs, IReadOnlyList<string> outputs);
}

/// <summary>A request's tensors do not fit the model. The message is fit to be shown to the caller.</summary>
public sealed class ModelInputException(string message) : Exception(message);

/// <summary>A model failed while it ran. The message is fit to be shown to the caller.</summary>
public sealed class ModelRunException(string message) : Exception(message);
