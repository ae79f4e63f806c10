using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime.Local;
using Microsoft.Extensions.Logging.Abstractions;

namespace FeatureStore.Runtime.Tests;

/// <summary>State of one set of definitions, read under another.</summary>
[TestClass]
public sealed class MigrationTests : IDisposable
{
    private static readonly ProjectDefinition _old = TestProject.Definition;

    private readonly ManualTime _time = new();
    private readonly FakeStore _store;
    private readonly LocalRuntime _before = Runtimes.New(2);

    public MigrationTests()
    {
        _store = new FakeStore(_time);
        foreach (var batch in TestProject.Batches(7, 12, 200))
            _before.Apply(batch);
        _before.EraseAsync(TestProject.Device, new byte[] { 0, 1, 65 }, CancellationToken.None).AsTask().Wait();
        Save(Open(TestProject.Plan, _before));
        var tombstone = new Tombstone { Entity = TestProject.Device, Key = [0, 1, 65], Incarnation = default, Sequence = 9, ErasedAtMs = 0, Guards = [new TombstoneGuard("logins", [7])] };
        _store.Erase([tombstone]);
    }

    public void Dispose()
    {
        _before.Dispose();
        _store.Dispose();
    }

    [TestMethod]
    public void ALayoutReadsBackAsItWas()
    {
        foreach (var entity in TestProject.Plan.Entities)
        {
            var layout = BlockLayout.Parse(entity.Layout.ToText());
            Assert.AreEqual(entity.Layout.Fingerprint, layout.Fingerprint);
            Assert.AreEqual(entity.Layout.FixedSize, layout.FixedSize);
            CollectionAssert.AreEqual(entity.Layout.Slots.Select(slot => slot.Offset).ToList(), layout.Slots.Select(slot => slot.Offset).ToList());
        }
    }

    [TestMethod]
    public void AddedFeaturesStartEmptyAndTheOthersGoOn()
    {
        using var after = Migrates(_old with { FeatureViews = [.. _old.FeatureViews.Select(view => view with { Features = [.. view.Features, new FeatureDefinition { Name = "more", Aggregate = Aggregate.Max, Of = view.Name == "spend" ? "AMOUNT" : "OK ? 1.0 : 0.0" }] })] });
        Assert.AreEqual("spend:more, access:more", string.Join(", ", new Migration(after.Plan, Migration.LayoutsOf(TestProject.Plan)).Features(CarriedState.None)));
    }

    /// <summary>A window or an aggregate that is added to others leaves them alone, and has what was kept for them.</summary>
    [TestMethod]
    public void AddedWindowsLeaveTheOthersAlone()
    {
        var view = _old.FeatureViews[0];
        var sum = view.Features.First(feature => feature.Name == "sum");
        FeatureDefinition[] more =
        [
            sum with { Name = "mean", Aggregate = Aggregate.Mean }, sum with { Name = "longer", Window = new WindowDefinition.Sliding(TimeSpan.FromDays(1)) },
            sum with { Name = "devices", Aggregate = Aggregate.CountDistinct, Of = "DEVICE" }, sum with { Name = "tiled", Window = new WindowDefinition.Sliding(TimeSpan.FromDays(1)) { Tile = TimeSpan.FromHours(1) } },
        ];
        using var after = Migrates(_old with { FeatureViews = [view with { Features = [.. more, .. view.Features] }, _old.FeatureViews[1]] });
        var migration = new Migration(after.Plan, Migration.LayoutsOf(TestProject.Plan));
        Assert.AreEqual("spend:devices, spend:tiled", string.Join(", ", migration.Features(CarriedState.None)));
        Assert.AreEqual("spend:longer", string.Join(", ", migration.Features(CarriedState.Part)));
        foreach (var (id, block) in _store.Blocks.Where(pair => pair.Key.Entity == TestProject.Customer))
        {
            var (mean, expected) = (Value(after.Plan, id, block, "spend", "mean"), Value(after.Plan, id, block, "spend", "sum") / Value(after.Plan, id, block, "spend", "n"));
            Assert.IsTrue(double.IsNaN(expected) ? double.IsNaN(mean) : Math.Abs(mean - expected) <= 1e-9 * Math.Abs(expected), $"{mean} is not {expected}");
        }
    }

    [TestMethod]
    public void RemovedFeaturesGoAndTheOthersGoOn() =>
        Migrates(Without() with { FeatureViews = [_old.FeatureViews[0] with { Features = [_old.FeatureViews[0].Features[0], _old.FeatureViews[0].Features[1]] }, _old.FeatureViews[1]] });

    [TestMethod]
    public void EntitiesAreKnownByNameWhereverTheyStand() => Migrates(_old with { Entities = [_old.Entities[1], _old.Entities[0]] });

    [TestMethod]
    public void AnAddedEntityStartsEmpty() => Migrates(_old with
    {
        Entities = [new EntityDefinition { Name = "pair", Keys = ["CUSTOMER", "DEVICE"] }, .. _old.Entities],
        FeatureViews = [.. _old.FeatureViews, _old.FeatureViews[0] with { Name = "pairs", Entity = "pair" }],
    });

    [TestMethod]
    public void ARemovedEntityIsDropped()
    {
        Migrates(Without() with { Entities = [_old.Entities[1]], FeatureViews = [_old.FeatureViews[1]] });
        Assert.IsTrue(_store.Blocks.Keys.All(id => id.Entity == 0));
        Migrates(Without() with { Entities = [_old.Entities[0]], FeatureViews = [_old.FeatureViews[0]] }, isFirst: false);
        Assert.IsEmpty(_store.Tombstones);
        Assert.IsEmpty(_store.Blocks, "Customers had been dropped before.");
    }

    [TestMethod]
    public void ChangedWindowsNeverReadWhatOthersKept()
    {
        var view = _old.FeatureViews[0];
        var definition = _old with { FeatureViews = [view with { Features = [.. view.Features.Select(feature => feature.Window is null ? feature : feature with { Window = new WindowDefinition.Last(5) })] }, _old.FeatureViews[1]] };
        using var after = Migrates(definition);
        // What is new is empty, for want of its events.
        foreach (var (id, _) in _store.Blocks.Where(pair => pair.Key.Entity == TestProject.Customer))
            Assert.AreEqual(0.0, Value(after.Plan, id, after.Runtime.Read([id]).Single().Value, "spend", "n"));
    }

    [TestMethod]
    public void ChangedKeysAreRefused()
    {
        var sources = _old.Sources.Select(source => source with { Fields = [.. source.Fields.Select(field => field.Name == "CUSTOMER" ? field with { Type = FieldType.String } : field)] }).ToList();
        var exception = Refused(_old with { Sources = sources });
        StringAssert.StartsWith(exception.Message, "The data were written under other definitions, and cannot be migrated. A block of entity \"customer\" has keys of other types, or another format.");
        StringAssert.EndsWith(exception.Message, "Start with the old definitions, or with an empty data directory.");
    }

    [TestMethod]
    public void DataThatDoNotSayHowTheyAreLaidOutAreRefused()
    {
        _store.Save(new Checkpoint(_store.LoadHeader()! with { Layouts = [] }, [], new BlockSet(), new BlockSet()));
        var exception = Refused(_old with { Entities = [_old.Entities[1], _old.Entities[0]] });
        Assert.AreEqual(
            "The data were written under other definitions of entities, feature views or keys, and cannot be migrated. " +
            "Start with the old definitions, or with an empty data directory to rebuild the state from the topics.",
            exception.Message);
        _store.Save(new Checkpoint(_store.LoadHeader()! with { Layouts = [new EntityLayout("customer", "nonsense")] }, [], new BlockSet(), new BlockSet()));
        StringAssert.StartsWith(Refused(_old with { Entities = [_old.Entities[1], _old.Entities[0]] }).Message, "The data are damaged: A block layout does not begin with");
        _store.Save(new Checkpoint(_store.LoadHeader()! with { Layouts = [new EntityLayout("customer", "block layout 1\n0123456789abcdef 8\n")] }, [], new BlockSet(), new BlockSet()));
        Assert.AreEqual(
            "The data were written by another version under other definitions, and cannot be migrated: A block layout is of version 1, and this program reads version 2. " +
            "Start with the old definitions and that version, or with an empty data directory to rebuild the state from the topics.",
            Refused(_old with { Entities = [_old.Entities[1], _old.Entities[0]] }).Message);
    }

    [TestMethod]
    public async Task UntilTheFirstCheckpointTheStoreIsAsItWasAndNothingIsErasedInIt()
    {
        var (blocks, header) = (_store.Blocks.ToDictionary(), _store.LoadHeader());
        var plan = TestProject.Compile(_old with { Entities = [_old.Entities[1], _old.Entities[0]] });
        using var runtime = new LocalRuntime(plan, new LocalRuntimeOptions { Shards = 2 });
        var checkpointer = Open(plan, runtime);
        var key = Convert.FromHexString(blocks.Keys.First(id => id.Entity == TestProject.Customer).Key);
        var exception = await Assert.ThrowsExactlyAsync<EraseException>(() => runtime.EraseAsync(1, key, CancellationToken.None).AsTask());
        StringAssert.StartsWith(exception.Message, "The entity is erased here, but not durably: the state of changed definitions has not been saved yet. ");
        Runtimes.AssertSame(blocks, _store.Blocks);
        Assert.AreSame(header, _store.LoadHeader());
        // Killed here: the next start migrates again. Saved: erased as asked, once and for all.
        using (var again = Migrates(_old with { Entities = [_old.Entities[1], _old.Entities[0]] }, save: false))
            Assert.AreEqual(blocks.Count, again.Runtime.Entities);
        Save(checkpointer);
        Assert.HasCount(blocks.Count - 1, _store.Blocks);
        Assert.IsTrue(_store.Tombstones.ContainsKey((1, Convert.ToHexString(key))));
        await runtime.EraseAsync(1, key, CancellationToken.None);
    }

    /// <summary>Restores under other definitions, looks at every value that both have, and saves; a second restore finds the same.</summary>
    private Migrated Migrates(ProjectDefinition definition, bool isFirst = true, bool save = true)
    {
        var plan = TestProject.Compile(definition);
        Assert.AreNotEqual(TestProject.Plan.LayoutFingerprint, plan.LayoutFingerprint);
        var before = _store.Blocks.ToDictionary();
        var tombstones = _store.Tombstones.Count;
        var runtime = new LocalRuntime(plan, new LocalRuntimeOptions { Shards = 3 });
        var checkpointer = Open(plan, runtime);
        if (isFirst)
            Compare();
        if (!save)
            return new Migrated(plan, runtime);
        Save(checkpointer);
        Assert.HasCount((int)runtime.Entities, _store.Blocks);
        Assert.HasCount(plan.Entities.Any(entity => entity.Name == "device") ? tombstones : 0, _store.Tombstones);
        foreach (var ((entity, _), _) in _store.Tombstones)
            Assert.AreEqual("device", plan.Entities[entity].Name);
        using var again = new LocalRuntime(plan, new LocalRuntimeOptions { Shards = 1 });
        Open(plan, again);
        Runtimes.AssertSame(_store.Blocks, again.Read(_store.Blocks.Keys));
        Runtimes.AssertSame(_store.Blocks, runtime.Read(_store.Blocks.Keys));
        return new Migrated(plan, runtime);

        void Compare()
        {
            foreach (var ((index, key), block) in before)
            {
                if (plan.Entities.FirstOrDefault(entity => entity.Name == TestProject.Plan.Entities[index].Name) is not { } entity)
                    continue;
                var migrated = runtime.Read([(entity.Index, key)]).Single().Value;
                Assert.AreEqual(EntityPlan.Sequence(block), EntityPlan.Sequence(migrated));
                foreach (var feature in entity.Features)
                {
                    var old = TestProject.Plan.Entities[index].Features.FirstOrDefault(old => old.View.Name == feature.View.Name && old.Definition == feature.Definition);
                    if (old is not null && new BlockMigration(TestProject.Plan.Entities[index].Layout, entity).StateOf(entity.IndexOf(feature.View.Name, feature.Name)) == CarriedState.Whole)
                        Assert.AreEqual(Value(TestProject.Plan, (index, key), block, feature.View.Name, feature.Name), Value(plan, (entity.Index, key), migrated, feature.View.Name, feature.Name), feature.Name);
                }
            }
        }
    }

    private InvalidDataException Refused(ProjectDefinition definition)
    {
        var plan = TestProject.Compile(definition);
        using var runtime = new LocalRuntime(plan, new LocalRuntimeOptions { Shards = 1 });
        return Assert.ThrowsExactly<InvalidDataException>(() => Open(plan, runtime));
    }

    private Checkpointer Open(ProjectPlan plan, LocalRuntime runtime)
    {
        var checkpointer = new Checkpointer(plan, runtime, _store, new CheckpointOptions(), _time, NullLogger<Checkpointer>.Instance);
        checkpointer.Restore();
        return checkpointer;
    }

    private static void Save(Checkpointer checkpointer)
    {
        checkpointer.Begin("cluster", [], Task.CompletedTask);
        Wait.Until(() => checkpointer.CompleteAsync().IsCompleted, "the checkpoint is saved");
        checkpointer.CompleteAsync().GetAwaiter().GetResult();
    }

    private static double Value(ProjectPlan plan, (int Entity, string Key) id, byte[] block, string view, string feature)
    {
        Span<double> value = stackalloc double[1];
        var entity = plan.Entities[id.Entity];
        Assert.IsNull(entity.Check(block));
        entity.Read(block, TestProject.StartMs + 60_000, [entity.IndexOf(view, feature)], value);
        return value[0];
    }

    private static ProjectDefinition Without() => _old with { FeatureServices = [], Models = [] };

    private sealed record Migrated(ProjectPlan Plan, LocalRuntime Runtime) : IDisposable
    {
        public void Dispose() => Runtime.Dispose();
    }
}
