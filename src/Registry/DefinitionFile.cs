namespace FeatureStore.Registry;

/// <summary>A file of definitions.</summary>
/// <param name="Name">What errors call it.</param>
/// <param name="Text">YAML.</param>
public sealed record DefinitionFile(string Name, string Text);
