using FeatureStore.Runtime;
using FeatureStore.Storage.InMemory;

namespace FeatureStore.Storage.Tests;

[TestClass]
public sealed class InMemoryEntityStoreTests : EntityStoreContract
{
    protected override IEntityStore Open() => new InMemoryEntityStore();
}
