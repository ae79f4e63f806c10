using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("FeatureStore.Api.Tests")]
