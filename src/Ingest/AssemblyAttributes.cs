using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("FeatureStore.Ingest.Tests")]
