namespace FeatureStore.Grains.Tests;

[TestClass]
public sealed class LeftOutTests
{
    [TestMethod]
    public void TheClusterRuntimeIsTested() =>
        Assert.Inconclusive("This machine's package sources do not serve Orleans whole: the cluster runtime is left out of the build, and so are its tests. eng/feed.sh says what is missing.");
}
