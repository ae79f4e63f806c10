namespace FeatureStore.Scoring.Binding;

/// <summary>A model that does not fit what the definitions want of it; the load says which model.</summary>
internal sealed class MisfitException(string message) : Exception(message);
