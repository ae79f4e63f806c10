using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("FeatureStore.Monitoring.Tests")]
