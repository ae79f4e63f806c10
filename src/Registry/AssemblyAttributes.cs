using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("FeatureStore.Registry.Tests")]
