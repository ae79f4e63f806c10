using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("FeatureStore.Api.Tests")]
[assembly: InternalsVisibleTo("FeatureStore.Monitoring.Tests")]
