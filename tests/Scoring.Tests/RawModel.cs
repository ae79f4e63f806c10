using FeatureStore.Runtime;
using FeatureStore.Scoring.Files;
using FeatureStore.Scoring.Native;

namespace FeatureStore.Scoring.Tests;

/// <summary>A model without a service: raw inference alone.</summary>
internal sealed class RawModel : IDisposable
{
    private readonly ModelSession _session;

    private RawModel(ModelSession session, OnnxOptions options)
    {
        _session = session;
        Inference = new RawInference(session, new Binding.OutputShape?[session.Outputs.Count], options);
    }

    public RawInference Inference { get; }

    public static RawModel Load(string path, OnnxOptions? options = null)
    {
        options ??= Scorers.Options;
        using var file = ModelFile.Read(path, options.ModelBytesMax);
        return new RawModel(ModelSession.Create(OnnxRuntime.For(options), file), options);
    }

    public TensorData[] Run(IReadOnlyList<TensorData> inputs, IReadOnlyList<string> outputs) => Inference.Run(inputs, outputs);

    public void Dispose() => _session.Dispose();
}
