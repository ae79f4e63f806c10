using FeatureStore.Core.Definitions;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>No entity outgrows what the definitions were said to need.</summary>
[TestClass]
public sealed class StateSizeTests
{
    /// <summary>Header, key, and what is kept once for each source.</summary>
    private const int FixedBytes = 256;

    private const int Events = 20_000;

    private static readonly WindowDefinition?[] _windows =
    [
        null,
        new WindowDefinition.Sliding(TimeSpan.FromHours(1)) { Limit = 500 },
        new WindowDefinition.Sliding(TimeSpan.FromHours(1)) { Tile = TimeSpan.FromMinutes(10) },
        new WindowDefinition.Tumbling(TimeSpan.FromHours(1)),
        new WindowDefinition.Session(TimeSpan.FromMinutes(2)) { Closed = 3, Limit = 500 },
        new WindowDefinition.Last(20),
    ];

    public static IEnumerable<object[]> Aggregates => Enum.GetValues<Aggregate>().Select(aggregate => new object[] { aggregate });

    /// <summary>Ever new values of every size, so that whatever grows, grows to its bound.</summary>
    [TestMethod]
    [DynamicData(nameof(Aggregates))]
    public void ABlockStaysWithinWhatItsDefinitionSays(Aggregate aggregate)
    {
        var source = TestEntity.Source(0, latenessMs: 600_000);
        var tried = 0;
        foreach (var window in _windows)
        {
            foreach (var by in new[] { null, "S" })
            {
                foreach (var of in new[] { "A", "S" })
                {
                    var feature = Feature(aggregate, of, by, window);
                    if (Project(source, feature) is not { } project)
                        continue;
                    var plan = Core.Plans.ProjectPlan.Compile(project).Entities[0];
                    var block = new TestBlock(plan);
                    var random = new Random(tried++);
                    for (var i = 0; i < Events; i++)
                    {
                        var timeMs = i * 1000L - random.Next(300_000);
                        block.Apply(new TestEvent(0, timeMs) { A = Math.ScaleB(random.NextDouble() - 0.5, random.Next(-300, 300)), S = $"{i * 7919L % 65_537}, made long enough for any text" });
                    }

                    var bound = StateSize.BytesMax(source, [feature]);
                    Assert.IsLessThanOrEqualTo(bound + FixedBytes, block.Bytes.Length, $"{aggregate} of {of} by {by ?? "nothing"} over {window?.ToString() ?? "everything"}");
                }
            }
        }

        Assert.IsGreaterThan(0, tried);
    }

    private static FeatureDefinition Feature(Aggregate aggregate, string of, string? by, WindowDefinition? window) => new()
    {
        Name = "f",
        Aggregate = aggregate,
        Of = AggregateRules.TakesInput(aggregate) ? of : null,
        By = by,
        Window = window,
        N = aggregate is Aggregate.FirstN or Aggregate.LastN ? 10 : null,
        K = aggregate is Aggregate.TopK ? 5 : null,
        Q = aggregate is Aggregate.Quantile ? 0.95 : null,
        Bounds = aggregate is Aggregate.Histogram ? [0, 10, 100] : null,
        HalfLife = aggregate is Aggregate.DecayedSum or Aggregate.DecayedCount or Aggregate.DecayedMean ? TimeSpan.FromHours(1) : null,
    };

    /// <returns>Null where the definition is refused.</returns>
    private static ProjectDefinition? Project(SourceDefinition source, FeatureDefinition feature)
    {
        var project = new ProjectDefinition
        {
            Project = "test",
            Sources = [source],
            Entities = [new EntityDefinition { Name = "e", Keys = ["K"] }],
            FeatureViews = [TestEntity.View("v", 0, feature)],
        };
        return DefinitionValidator.Validate(project).Count == 0 ? project : null;
    }
}
