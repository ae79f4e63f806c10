namespace FeatureStore.Storage.Tests;
internal static class HotStoreBenchmark { public static Task RunAsync() => Task.CompletedTask; }
