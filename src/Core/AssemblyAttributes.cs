using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("FeatureStore.Core.Tests")]
[assembly: InternalsVisibleTo("FeatureStore.Runtime.Tests")]
[assembly: InternalsVisibleTo("FeatureStore.Scoring.Tests")]
