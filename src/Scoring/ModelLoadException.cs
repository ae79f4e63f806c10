namespace FeatureStore.Scoring;

/// <summary>A model cannot serve: its file, its fit to the service, its warm-up, or ONNX Runtime itself. The message says fact, detail, hint.</summary>
public sealed class ModelLoadException : Exception
{
    public ModelLoadException(string message)
        : base(message)
    {
    }

    public ModelLoadException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
