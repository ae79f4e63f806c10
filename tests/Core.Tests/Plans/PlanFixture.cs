using System.Text;
using System.Text.Json;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>Plans of one view, from definitions that no validator has seen, and what their blocks say.</summary>
internal static class PlanFixture
{
    public const long MinuteMs = 60_000;

    public const long HourMs = 60 * MinuteMs;

    public const long DayMs = 24 * HourMs;

    public static EntityPlan Plan(params FeatureDefinition[] features) => Plan(TestEntity.Source(0), features);

    public static EntityPlan Plan(SourceDefinition source, params FeatureDefinition[] features) => ProjectPlan.Compile(new ProjectDefinition
    {
        Project = "test",
        Sources = [source],
        Entities = [new EntityDefinition { Name = "e", Keys = ["K"] }],
        FeatureViews = [TestEntity.View("v", 0, features)],
    }).Entities[0];

    /// <summary>A block of another layout, which has been stored, under a plan.</summary>
    public static byte[] Migrate(EntityPlan plan, BlockLayout from, ReadOnlySpan<byte> block) => new BlockMigration(BlockLayout.Parse(from.ToText()), plan).Migrate(block);

    public static FeatureDefinition Feature(Aggregate aggregate, string? of, WindowDefinition? window) => new() { Name = "f", Aggregate = aggregate, Of = of, Window = window };

    public static WindowDefinition Tiled(long lengthMs, long tileMs, long delayMs = 0) =>
        new WindowDefinition.Sliding(Ms(lengthMs)) { Tile = Ms(tileMs), Delay = Ms(delayMs) };

    public static TimeSpan Ms(long milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    public static TestBlock Block(EntityPlan plan, params (long TimeMs, double? A)[] events)
    {
        var block = new TestBlock(plan);
        foreach (var (timeMs, a) in events)
            block.Apply(new TestEvent(0, timeMs) { A = a });
        Assert.IsNull(plan.Check(block.Bytes));
        return block;
    }

    public static string Json(EntityPlan plan, ReadOnlySpan<byte> block, long asOfMs, int feature = 0)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
            plan.WriteJson(block, asOfMs, feature, writer);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
