using System.Runtime.InteropServices;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>Plans and blocks for tests: one entity "e" with key K over sources s0, s1 … of <see cref="TestEvent"/>.</summary>
internal static class TestEntity
{
    public static SourceDefinition Source(int index, long latenessMs = 0, long alignMs = 0) => new()
    {
        Name = $"s{index}",
        Kafka = new KafkaTopicDefinition { Topic = $"s{index}" },
        Timestamp = "TS",
        Lateness = TimeSpan.FromMilliseconds(latenessMs),
        Align = TimeSpan.FromMilliseconds(alignMs),
        Fields = TestEvent.Fields,
    };

    public static FeatureViewDefinition View(string name, int source, params FeatureDefinition[] features) =>
        new() { Name = name, Entity = "e", Source = $"s{source}", Features = features };

    public static FeatureDefinition Feature(
        string name, Aggregate aggregate, string? of = null, long slidingMs = 0, long delayMs = 0, int limit = 100_000, string? where = null, double? defaultValue = null) => new()
        {
            Name = name,
            Aggregate = aggregate,
            Of = of,
            Where = where,
            Default = defaultValue,
            Window = slidingMs == 0 ? null : new WindowDefinition.Sliding(TimeSpan.FromMilliseconds(slidingMs))
            {
                Delay = TimeSpan.FromMilliseconds(delayMs),
                Limit = limit,
            },
        };

    /// <summary>A plan of one view over one source.</summary>
    public static EntityPlan Plan(params FeatureDefinition[] features) => Plan([Source(0)], View("v", 0, features));

    public static EntityPlan Plan(IReadOnlyList<SourceDefinition> sources, params FeatureViewDefinition[] views)
    {
        var project = new ProjectDefinition
        {
            Project = "test",
            Sources = sources,
            Entities = [new EntityDefinition { Name = "e", Keys = ["K"] }],
            FeatureViews = views,
        };
        Assert.AreEqual("", string.Join(Environment.NewLine, DefinitionValidator.Validate(project)));
        return ProjectPlan.Compile(project).Entities[0];
    }
}

/// <summary>A block that grows as a runtime would let it.</summary>
internal sealed class TestBlock
{
    private static readonly byte[] _key = [0, 0, 0, 0, 0, 0, 0, 42];

    private readonly EntityPlan _plan;
    private readonly EventBatch _batch = TestEvent.NewBatch();
    private long[] _words;

    public TestBlock(EntityPlan plan)
    {
        _plan = plan;
        _words = new long[plan.EmptyLength(_key.Length) / 8];
        plan.Initialize(Bytes, _key);
    }

    public Span<byte> Bytes => MemoryMarshal.AsBytes(_words.AsSpan());

    public int Resizes { get; private set; }

    public void Apply(TestEvent @event)
    {
        _batch.Clear();
        var row = @event.AddTo(_batch);
        while (_plan.Apply(Bytes, @event.Source, _batch.Row(row), @event.TimeMs) is > 0 and var wanted)
        {
            Assert.AreEqual(0, wanted % 8);
            var resized = new long[wanted / 8];
            _plan.Resize(Bytes, MemoryMarshal.AsBytes(resized.AsSpan()));
            _words = resized;
            Resizes++;
        }
    }

    /// <returns>Whether it changed the block.</returns>
    public bool Retract(TestEvent @event)
    {
        _batch.Clear();
        var row = @event.AddTo(_batch);
        var sequence = EntityPlan.Sequence(Bytes);
        Assert.AreEqual(0, _plan.Retract(Bytes, @event.Source, _batch.Row(row), @event.TimeMs));
        return EntityPlan.Sequence(Bytes) > sequence;
    }

    public double[] Read(long asOfMs)
    {
        var values = new double[_plan.Features.Count];
        _plan.Read(Bytes, asOfMs, [.. Enumerable.Range(0, values.Length)], values);
        return values;
    }

    public double Read(long asOfMs, int feature)
    {
        Span<double> value = stackalloc double[1];
        _plan.Read(Bytes, asOfMs, [feature], value);
        return value[0];
    }
}
