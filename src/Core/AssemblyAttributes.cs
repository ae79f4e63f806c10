using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("FeatureStore.Core.Tests")]
[assembly: InternalsVisibleTo("FeatureStore.Runtime.Tests")]
[assembly: InternalsVisibleTo("FeatureStore.Ingest.Tests")]
[assembly: InternalsVisibleTo("FeatureStore.Scoring.Tests")]
[assembly: InternalsVisibleTo("FeatureStore.Api.Tests")]
[assembly: InternalsVisibleTo("FeatureStore.Benchmarks")]
