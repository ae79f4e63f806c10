namespace FeatureStore.Core.Definitions;

/// <summary>One thing wrong with a project's definitions.</summary>
/// <param name="Path">Where, from the root: <c>feature_views[0].features[2].window.sliding</c>.</param>
/// <param name="Message">Fact, detail, hint; identifiers quoted.</param>
/// <param name="Offset">Characters into the value at <paramref name="Path"/>, for errors inside an expression.</param>
public sealed record DefinitionError(string Path, string Message, int Offset = 0);
